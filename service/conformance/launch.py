"""One launch of an app: the authorization request, the member's walk, and the exchange of the code."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from service.conformance.browser import Browser, Landing, Ticks
from service.conformance.client_app import App
from service.conformance.verdicts import Failed, expect
from service.conformance.wire import Answer

Changes = Mapping[str, str | None]
"""Parameters to send instead of the usual, or to leave out (None)."""


@dataclass(frozen=True)
class Launch:
    """What was asked, where the member's browser ended, and what the token endpoint answered, if it was asked.

    `before` is the launch as it stood before its last refresh.
    """

    app: App
    asked: dict[str, str]
    verifier: str
    landing: Landing
    token: Answer | None = None
    before: "Launch | None" = None

    def renewed(self, answer: Answer) -> "Launch":
        """The launch as it stands after the token endpoint answered a refresh."""
        return replace(self, token=answer, before=self)

    @property
    def parameters(self) -> dict[str, str]:
        """What the app was called back with; raises Failed when it was not."""
        if self.landing.parameters is None:
            raise Failed("the app's redirect_uri to be called", f"a page with status {self.landing.page.status}")
        return self.landing.parameters

    @property
    def code(self) -> str:
        """The code; raises Failed when there is none."""
        error = self.parameters.get("error", "no error either")
        expect(self.parameters.get("code"), "a code at the app's redirect_uri", f"none, but {error}")
        return self.parameters["code"]

    @property
    def answer(self) -> Answer:
        """What the token endpoint answered; raises Failed when there was no code to exchange."""
        if self.token is None:
            raise Failed("a code to exchange", "none")
        return self.token

    @property
    def body(self) -> dict[str, Any]:
        """The token response; raises Failed unless it is one."""
        expect(self.answer.status == 200, "200 from the token endpoint", self.answer.status)
        return self.answer.json()

    @property
    def access_token(self) -> str:
        """The access token; raises Failed when there is none."""
        return self.text("access_token")

    @property
    def granted(self) -> set[str]:
        """The scopes granted."""
        return set(self.text("scope").split())

    def text(self, name: str) -> str:
        """A text of the token response; raises Failed when it is missing or something else."""
        found = self.body.get(name)
        expect(isinstance(found, str) and found, f"{name} in the token response", type(found).__name__)
        assert isinstance(found, str)
        return found

    def held(self, name: str) -> str:
        """A text of the token response or, where it says nothing of it, of the one before the refresh."""
        if name not in self.body and self.before is not None:
            return self.before.held(name)
        return self.text(name)

    def form(self, **changed: str | None) -> dict[str, str]:
        """The fields that exchange the code, some changed or left out (None)."""
        fields: dict[str, str | None] = {
            "grant_type": "authorization_code", "code": self.code, "redirect_uri": self.asked["redirect_uri"],
            "code_verifier": self.verifier, **changed,
        }  # fmt: skip
        return {name: value for name, value in fields.items() if value is not None}


def request(app: App, fhir_base: str, scope: str, changed: Changes) -> tuple[dict[str, str], str]:
    """An authorization request with some parameters changed or left out (None), and its PKCE verifier."""
    verifier = secrets.token_urlsafe(48)
    asked: dict[str, str | None] = {
        "response_type": "code", "client_id": app.id, "redirect_uri": app.registered.redirect_uri, "scope": scope,
        "state": secrets.token_urlsafe(24), "aud": fhir_base, "nonce": secrets.token_urlsafe(24),
        "code_challenge": challenge_of(verifier), "code_challenge_method": "S256", **changed,
    }  # fmt: skip
    return {name: value for name, value in asked.items() if value is not None}, verifier


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode("ascii").rstrip("=")


def send(
    browser: Browser, authorize: str, app: App, asked: dict[str, str], verifier: str,
    *, by_post: bool = False, ticks: Ticks = set,
) -> Launch:  # fmt: skip
    """Walk the request to its end; the code is left unexchanged."""
    first = browser.post(authorize, asked) if by_post else browser.get(f"{authorize}?{urlencode(asked)}")
    return Launch(app, asked, verifier, browser.walk(first, app.registered.redirect_uri, ticks))


def exchange(launch: Launch) -> Launch:
    """The launch with its code exchanged, if it has one."""
    if not (launch.landing.parameters or {}).get("code"):
        return launch
    return replace(launch, token=launch.app.token(launch.form()))
