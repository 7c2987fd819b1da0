"""What an ID token says of how its person signed in (`amr`; OpenID Connect Core §2, RFC 8176)."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import update

from oauth.models import AuthorizationCode
from tests.oauth.desk import App, Code, Desk


def claims_of(desk: Desk, body: dict[str, Any]) -> dict[str, Any]:
    """What the ID token of a token response says."""
    keys = KeySet.import_key_set(desk.app.test_client().get("/oauth/jwks").get_json())
    return dict(jwt.decode(body["id_token"], keys, algorithms=["RS256"]).claims)


def agreed_by(desk: Desk, app: App, amr: str | None) -> Code:
    """A code of somebody who signed in by these methods."""
    code = desk.agree(app)
    with desk.session() as session:
        session.execute(update(AuthorizationCode).where(AuthorizationCode.client_id == app.id).values(amr=amr))
    return code


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ("pwd", ["pwd"]),
        ("mca pwd", ["mca", "pwd"]),
        ("otp pwd", ["otp", "pwd", "mfa"]),
        ("pop user", ["pop", "user", "mfa"]),
        ("pop pwd user", ["pop", "pwd", "user", "mfa"]),
        (None, None),
    ],
)
def test_apps_are_told_how_the_person_signed_in_at_a_refresh_too(
    desk: Desk, kept: str | None, told: list[str] | None
) -> None:
    app = desk.register()
    first = desk.exchange(agreed_by(desk, app, kept)).get_json()
    second = desk.refresh(app, first["refresh_token"]).get_json()
    for body in (first, second):
        claims = claims_of(desk, body)
        assert claims.get("amr") == told and ("amr" in claims) is (told is not None)


def test_a_code_is_given_with_what_was_shown_in_its_session(desk: Desk) -> None:
    assert claims_of(desk, desk.connect(desk.register()))["amr"] == ["pwd"]
