"""The server under test as one run knows it: its documents, its apps, and the launches that several checks look at."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlsplit

from service.conformance import launch as launching
from service.conformance.browser import Browser, Ticks
from service.conformance.client_app import App
from service.conformance.guides.definitions import Definitions
from service.conformance.launch import Changes, Launch
from service.conformance.sandbox_file import Registered, SandboxFile
from service.conformance.verdicts import Failed, NotOffered, expect_status
from service.conformance.wire import Answer, Wire

T = TypeVar("T")
ORIGIN = "https://app.conformance.example"
"""The origin of an app in a browser that is registered nowhere."""


class Trial:
    """One run against one server, whose FHIR base is the file's unless another is given.

    `definitions` know the profiles that records claim; without them nothing is said of profiles.
    """

    def __init__(
        self, wire: Wire, file: SandboxFile, fhir_base: str | None = None, definitions: Definitions | None = None
    ) -> None:
        self.wire, self.file = wire, file
        self._definitions = definitions
        self.fhir_base = (fhir_base or file.fhir_base).rstrip("/")
        self.browser = self.new_browser()
        self._kept: dict[str, Any] = {}

    def new_browser(self) -> Browser:
        """A browser of the member that nobody has signed in with."""
        return Browser(self.wire, self.file.account)

    @cached_property
    def smart(self) -> dict[str, Any]:
        """The SMART configuration; raises Failed without one."""
        return self._document(f"{self.fhir_base}/.well-known/smart-configuration")

    @cached_property
    def openid(self) -> dict[str, Any]:
        """The OpenID configuration of the issuer; raises NotOffered or Failed."""
        self.require("sso-openid-connect")
        return self._document(f"{str(self.smart.get('issuer', '')).rstrip('/')}/.well-known/openid-configuration")

    @property
    def definitions(self) -> Definitions:
        """Who knows the profiles; raises NotOffered."""
        if self._definitions is None:
            raise NotOffered("this run was started without the definitions of profiles")
        return self._definitions

    @cached_property
    def capability_statement(self) -> dict[str, Any]:
        """What `/metadata` says; raises Failed without it."""
        return self._document(f"{self.fhir_base}/metadata")

    def endpoint(self, name: str) -> str:
        """An address of the SMART configuration; raises NotOffered where it is not told."""
        found = self.smart.get(name)
        if not isinstance(found, str):
            raise NotOffered(f"the SMART configuration has no {name}")
        return found

    def listed(self, name: str) -> set[str]:
        """A list of texts of the SMART configuration; empty where it is not told."""
        found = self.smart.get(name)
        return {one for one in found if isinstance(one, str)} if isinstance(found, list) else set()

    def require(self, capability: str) -> None:
        """Raise NotOffered unless the server says that it has this capability."""
        if capability not in self.listed("capabilities"):
            raise NotOffered(f"capabilities lacks {capability}")

    def require_grant(self, grant_type: str) -> None:
        """Raise NotOffered unless the token endpoint is said to take this grant type."""
        if grant_type not in self.listed("grant_types_supported"):
            raise NotOffered(f"grant_types_supported lacks {grant_type}")

    def app(self, method: str) -> App:
        """The app of the file that authenticates so; raises NotOffered."""
        return self.as_app(self.file.app(method))

    def as_app(self, registered: Registered) -> App:
        """An app at this server's token endpoint."""
        return App(registered, self.wire, self.endpoint("token_endpoint"))

    def ask(
        self, app: App, scope: str, changed: Changes | None = None, *, by_post: bool = False, ticks: Ticks = set
    ) -> Launch:
        """Launch an app up to its code, with some parameters of the request changed or left out (None)."""
        asked, verifier = launching.request(app, self.fhir_base, scope, changed or {})
        authorize = self.endpoint("authorization_endpoint")
        return launching.send(self.browser, authorize, app, asked, verifier, by_post=by_post, ticks=ticks)

    def connect(self, app: App, scope: str, changed: Changes | None = None, **given: Any) -> Launch:
        """Launch an app and exchange its code. The member is asked anew, whatever was agreed before."""
        return launching.exchange(self.ask(app, scope, {"prompt": "consent", **(changed or {})}, **given))

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gives, made at the first call; a failure is kept and raised again too."""
        if name not in self._kept:
            try:
                self._kept[name] = make()
            except (Failed, NotOffered) as problem:
                self._kept[name] = problem
        found = self._kept[name]
        if isinstance(found, Failed | NotOffered):
            raise found
        made: T = found
        return made

    def renew(self, name: str, launch: Launch) -> None:
        """Let later checks see this launch under `name`: its tokens took the place of the older ones."""
        self._kept[name] = launch

    def forget(self, name: str) -> None:
        """Let the next `once` of this name make it anew."""
        self._kept.pop(name, None)

    def read(self, path: str, token: str | None = None, **headers: str) -> Answer:
        """GET below the FHIR base."""
        given = {
            "Accept": "application/fhir+json",
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **headers,
        }
        return self.wire.get(f"{self.fhir_base}/{path}", **given)

    def search(self, path: str, token: str) -> list[dict[str, Any]]:
        """Every match of a search, all pages of it; raises Failed unless each comes."""
        return self.pages(self.read(path, token), token)

    def pages(self, answer: Answer, token: str) -> list[dict[str, Any]]:
        """Every match from the first page of a search on; raises Failed unless each page comes."""
        found: list[dict[str, Any]] = []
        while True:
            expect_status(answer.status, {200}, f"a search at {urlsplit(answer.url).path}")
            page = answer.json()
            entries = page.get("entry", [])
            found += [entry["resource"] for entry in entries if entry.get("search", {}).get("mode") != "include"]
            following = next((link["url"] for link in page.get("link", ()) if link.get("relation") == "next"), None)
            if following is None:
                return found
            answer = self.wire.get(following, Authorization=f"Bearer {token}", Accept="application/fhir+json")

    def _document(self, url: str) -> dict[str, Any]:
        answer = self.wire.get(url, Accept="application/json")
        expect_status(answer.status, {200}, url)
        return answer.json()
