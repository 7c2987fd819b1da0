"""Somebody who signs up as a developer and works on their apps, page by page, without JavaScript."""

import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from oauth.apps.models import Developer
from service.settings import Settings
from service.web import Latchstring
from tests.accounts.visitor import Visitor, csrf_token, newest_code
from tests.factories import PASSWORD

ADDRESS = "ada@lantern.example"
SIGN_UP = {
    "given_name": "Ada", "family_name": "Moss", "organization_name": "Lantern Apps Inc.",
    "website": "https://lantern.example", "email": ADDRESS, "terms": "yes",
}  # fmt: skip
APP = {
    "name": "Claim Lantern", "method": "none", "redirect_uris": "https://app.example.org/callback\n",
    "scope": ["openid", "patient/*.rs"], "reason:openid": "To know who it is.",
    "reason:patient/*.rs": "To show what was paid.", "description": "Shows what was paid for.", "platforms": ["web"],
    "contact": "help@lantern.example", "website": "https://lantern.example",
    "policy_uri": "https://lantern.example/privacy", "terms_uri": "https://lantern.example/terms",
}  # fmt: skip
_SECRET = re.compile(r'id="client-secret">([^<]+)<')
_SEEN = re.compile(r'name="seen" value="([^"]+)"')
_ID = re.compile(r"/developers/apps/([0-9a-f-]{36})")


@dataclass
class Newcomer:
    """A person at a browser."""

    app: Flask
    address: str = "192.0.2.7"

    def __post_init__(self) -> None:
        self.visitor = Visitor(self.app, self.address)

    @property
    def settings(self) -> Settings:
        held: Latchstring = self.app.extensions["latchstring"]
        return held.settings

    def begin(self, **changed: str) -> TestResponse:
        """Send the first page of the sign-up."""
        self.visitor.get("/developers/sign-up")
        return self.visitor.post("/developers/sign-up", **SIGN_UP | changed)

    def sign_up(self, session: Session, **changed: str) -> TestResponse:
        """The whole way to My apps."""
        given = SIGN_UP | changed
        assert self.begin(**changed).status_code == 303
        self.visitor.get("/developers/sign-up/code")
        code = newest_code(session, self.settings, given["email"])
        assert self.visitor.post("/developers/sign-up/code", code=code).status_code == 303
        self.visitor.get("/developers/sign-up/account")
        answer = self.visitor.post(
            "/developers/sign-up/account", username="ada.moss", password=PASSWORD,
            confirmation=PASSWORD,
        )  # fmt: skip
        assert answer.status_code == 303, answer.text
        return answer

    def enter(self, developer: Developer) -> "Newcomer":
        """Sign in as a developer that is there."""
        assert self.visitor.sign_in(developer.account).status_code == 303
        return self

    def get(self, path: str) -> TestResponse:
        return self.visitor.get(path)

    def post(self, path: str, **form: Any) -> TestResponse:
        """Post with the token of My apps, which every page of developers shares."""
        self.visitor.get("/developers/apps")
        return self.visitor.post(path, **form)

    def change(self, client_id: str, **form: Any) -> TestResponse:
        """Open the form that changes an app, and send it."""
        here = f"/developers/apps/{client_id}/edit"
        return self.post(here, **form if "seen" in form else form | {"seen": self.seen(client_id)})

    def seen(self, client_id: str) -> str:
        """How the form of an app names the version that it shows."""
        found = _SEEN.search(self.visitor.get(f"/developers/apps/{client_id}/edit").text)
        assert found
        return found[1]

    def register(self, **changed: Any) -> TestResponse:
        """Send the form that registers an app."""
        self.visitor.get("/developers/apps")
        return self.visitor.post("/developers/apps/new", **APP | changed)

    def register_with_logo(self, content: bytes, **changed: Any) -> TestResponse:
        """The same with a picture; encoded in memory, for the test client leaves its own files open."""
        page = self.visitor.get("/developers/apps/new").text
        fields = APP | changed | {"csrf_token": csrf_token(page), "logo": FileStorage(BytesIO(content), "logo.png")}
        boundary, body = encode_multipart(fields)
        return self.visitor.browser.post(
            "/developers/apps/new", data=body, content_type=f"multipart/form-data; boundary={boundary}"
        )

    def registered(self, **changed: Any) -> str:
        """Register an app, and its id."""
        answer = self.register(**changed)
        found = _ID.search(answer.headers.get("Location", "") + answer.text)
        assert answer.status_code in {200, 303} and found, answer.text
        return found[1]


def secret_on(page: TestResponse) -> str:
    """The client secret that a page shows."""
    found = _SECRET.search(page.text)
    assert found, page.text
    return found[1]
