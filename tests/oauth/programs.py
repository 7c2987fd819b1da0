"""Programs that register apps by themselves, in words of RFC 7591."""

import secrets
from dataclasses import dataclass
from typing import Any

from werkzeug.test import TestResponse

from oauth.apps.clients import get
from tests.oauth.desk import CALLBACK, App, Desk

REGISTER = "/oauth/register"


def metadata(**changed: Any) -> dict[str, Any]:
    """What a good program says, some of it changed or left out (None)."""
    said = {
        "client_name": f"Orchard Notes {secrets.token_hex(4)}", "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
        "client_uri": "https://orchard.example", "policy_uri": "https://orchard.example/privacy",
        "tos_uri": "https://orchard.example/terms", "contacts": ["help@orchard.example"],
        "scope": "openid fhirUser launch/patient offline_access patient/*.rs", "software_id": "orchard",
        "software_version": "2.1",
    } | changed  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def post(desk: Desk, said: Any, ip: str = "192.0.2.1", **headers: str) -> TestResponse:
    """POST the registration endpoint."""
    browser = desk.app.test_client()
    return browser.post(REGISTER, json=said, headers=headers, environ_base={"REMOTE_ADDR": ip})


@dataclass
class Registered:
    """An app that a program registered, and the token that manages it."""

    desk: Desk
    told: dict[str, Any]

    @classmethod
    def new(cls, desk: Desk, **changed: Any) -> "Registered":
        answer = post(desk, metadata(**changed))
        assert answer.status_code == 201, answer.text
        return cls(desk, answer.get_json())

    @property
    def id(self) -> str:
        return str(self.told["client_id"])

    @property
    def app(self) -> App:
        """As the desk drives it."""
        with self.desk.session() as session:
            return App(get(session, self.id), self.told.get("client_secret"), self.told["redirect_uris"][0])

    def manage(self, method: str, said: Any = None, token: str | None = None) -> TestResponse:
        """A request to its management endpoint, by its own token unless another is given."""
        path = self.told["registration_client_uri"].removeprefix(self.desk.settings.base_url)
        bearer = {"Authorization": f"Bearer {token or self.told['registration_access_token']}"}
        return self.desk.app.test_client().open(path, method=method, json=said, headers=bearer)

    def put(self, **changed: Any) -> TestResponse:
        """PUT what it said at first, some of it changed."""
        kept = {name: value for name, value in self.told.items() if name not in _OF_THE_SERVER}
        said = kept | {"client_id": self.id} | changed
        return self.manage("PUT", {name: value for name, value in said.items() if value is not None})


_OF_THE_SERVER = (
    "registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at",
    "client_secret", "approval_pending", "approval_state",
)  # fmt: skip
