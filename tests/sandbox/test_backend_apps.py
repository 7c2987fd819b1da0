"""The sandbox's programs without a person: what the hand-out says of them is all that a tester needs."""

from io import StringIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey
from rich.console import Console
from sqlalchemy import Engine

from service.app import create_app
from service.clock import now
from service.db import new_id
from service.sandbox import create, guide, handout
from service.settings import Settings
from tests.oauth.keyed import TOKEN, TYPE


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """The plan is made from nothing, tables included."""
    return empty_database_url


def read_with(browser: FlaskClient, program: dict[str, Any], base_url: str, address: str) -> dict[str, Any]:
    """Ask for a token with the key of the hand-out, and read."""
    key = ECKey.import_key(program["private_jwk"])
    claims = {"iss": program["client_id"], "sub": program["client_id"], "aud": base_url + TOKEN, "jti": new_id(),
              "exp": int(now().timestamp()) + 240}  # fmt: skip
    assertion = jwt.encode({"alg": "ES384", "kid": key.kid, "typ": "JWT"}, claims, key, ["ES384"])
    form = {"grant_type": "client_credentials", "scope": program["scopes"], "client_assertion_type": TYPE,
            "client_assertion": assertion}  # fmt: skip
    answer = browser.post(TOKEN, data=form).get_json()
    assert answer["scope"] == program["scopes"], answer
    found = browser.get(f"/fhir/r4/{address}", headers={"Authorization": f"Bearer {answer['access_token']}"})
    assert found.status_code == 200, found.text
    bundle: dict[str, Any] = found.get_json()
    return bundle


def test_the_programs_of_the_hand_out_get_in_and_are_told_of(settings: Settings, engine: Engine) -> None:
    create.create(settings, members=1, seed=1, console=Console(file=StringIO()))
    told = handout.read(settings)
    plan, clinic, gateway = (one for one in told["clients"] if one["kind"] == "backend")
    browser = create_app(settings, engine).test_client()

    assert len(read_with(browser, plan, settings.base_url, "Patient")["entry"]) == 1
    payments = read_with(browser, clinic, settings.base_url, "PaymentReconciliation?_count=5")["entry"]
    assert {one["resource"]["requestor"]["display"] for one in payments} == {clinic["organization"]}

    assert gateway["scopes"].split()[0] == "__introspect"
    read_with(browser, gateway, settings.base_url, "Organization?_count=1")

    shown = StringIO()
    guide.show(Console(file=shown, width=200), told)
    assert plan["client_id"] in shown.getvalue() and clinic["client_id"] in shown.getvalue()
    assert gateway["client_id"] in shown.getvalue()
