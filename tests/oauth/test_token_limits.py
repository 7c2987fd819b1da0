"""How often an app may ask for tokens."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from service.app import create_app
from tests.oauth.desk import Desk
from tests.oauth.keyed import Program, register_backend

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def limited(desk: Desk, limit: int) -> FlaskClient:
    return create_app(replace(desk.settings, processes=2, app_tokens_per_minute=limit)).test_client()


def test_an_app_asks_for_so_many_tokens_and_may_always_revoke(desk: Desk) -> None:
    app, elsewhere = desk.register_confidential(), desk.register_confidential()
    client = limited(desk, 4)
    form = {"grant_type": "refresh_token", "refresh_token": "none"}
    answers = [client.post("/oauth/token", data=form, headers=app.basic()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    told = answers[2].json
    assert told["error"] == "temporarily_unavailable" and "Retry-After" in told["error_description"]
    assert int(answers[2].headers["Retry-After"]) > 0 and answers[2].headers["RateLimit-Policy"] == '"tokens";q=2;w=60'
    assert client.post("/oauth/token", data=form, headers=elsewhere.basic()).status_code == 400
    assert client.post("/oauth/revoke", data={"token": "none"}, headers=app.basic()).status_code == 200


def test_strangers_do_not_use_up_the_tokens_of_a_public_app(desk: Desk) -> None:
    app = desk.register()
    client = limited(desk, 2)
    form = {"grant_type": "refresh_token", "refresh_token": "none", "client_id": app.id}

    def ask(address: str) -> int:
        return client.post("/oauth/token", data=form, environ_base={"REMOTE_ADDR": address}).status_code

    assert [ask("192.0.2.1"), ask("192.0.2.1"), ask("192.0.2.2")] == [400, 429, 400]


def test_a_program_asks_for_so_many_tokens_too_and_no_more_than_it_may(desk: Desk) -> None:
    program, elsewhere = register_backend(desk), register_backend(desk)
    client = limited(desk, 4)

    def ask(who: Program) -> int:
        form = {"grant_type": "client_credentials", "scope": "system/*.rs"} | who.proof()
        return client.post("/oauth/token", data=form).status_code

    assert [ask(program) for _ in range(3)] == [200, 200, 429]
    assert ask(elsewhere) == 200
