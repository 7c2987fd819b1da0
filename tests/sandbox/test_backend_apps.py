"""The sandbox's programs without a person: what the hand-out says of them is all that a tester needs."""

from io import StringIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey
from rich.console import Console
from sqlalchemy import Engine, delete, select

from oauth.apps.models import AppReview, AppReviewEvent
from oauth.models import Client
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
    """Read with a token of that program."""
    token = token_of(browser, program, base_url)
    found = browser.get(f"/fhir/r4/{address}", headers={"Authorization": f"Bearer {token}"})
    assert found.status_code == 200, found.text
    bundle: dict[str, Any] = found.get_json()
    return bundle


def token_of(browser: FlaskClient, program: dict[str, Any], base_url: str) -> str:
    """Ask for a token with the key of the hand-out."""
    key = ECKey.import_key(program["private_jwk"])
    claims = {"iss": program["client_id"], "sub": program["client_id"], "aud": base_url + TOKEN, "jti": new_id(),
              "exp": int(now().timestamp()) + 240}  # fmt: skip
    assertion = jwt.encode({"alg": "ES384", "kid": key.kid, "typ": "JWT"}, claims, key, ["ES384"])
    form = {"grant_type": "client_credentials", "scope": program["scopes"], "client_assertion_type": TYPE,
            "client_assertion": assertion}  # fmt: skip
    answer = browser.post(TOKEN, data=form).get_json()
    assert answer["scope"] == program["scopes"], answer
    return str(answer["access_token"])


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


def test_a_sandbox_of_an_older_version_gets_the_apps_it_lacks(settings: Settings, engine: Engine) -> None:
    quiet, newer = Console(file=StringIO()), ("plan-gateway", "native-app")
    create.create(settings, members=1, seed=1, console=quiet)
    first = handout.read(settings)
    with engine.begin() as connection:
        for name in newer:
            events = select(AppReview.id).where(AppReview.client_id == name)
            for table, mine in (
                (AppReviewEvent, AppReviewEvent.review_id.in_(events)), (AppReview, AppReview.client_id == name),
                (Client, Client.id == name),
            ):  # fmt: skip
                connection.execute(delete(table).where(mine))
    assert not create.is_complete(settings)

    create.create(settings, members=1, seed=1, console=quiet)

    again = handout.read(settings)
    assert create.is_complete(settings) and again["clients"] == first["clients"]
    assert {one["username"] for one in again["accounts"]} == {one["username"] for one in first["accounts"]}
    (gateway,) = (one for one in again["clients"] if one["client_id"] == newer[0])
    browser = create_app(settings, engine).test_client()
    token = token_of(browser, gateway, settings.base_url)
    asked = browser.post(
        "/oauth/introspect", data={"token": token}, headers={"Authorization": f"Bearer {token}"}
    )  # fmt: skip
    assert asked.get_json()["active"] is True and asked.get_json()["client_id"] == newer[0]
