"""Authorization requests sent ahead by the app (RFC 9126; OA-44 to OA-47)."""

from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from oauth.apps.clients import AuthMethod
from oauth.authorization import pushing
from tests.attacks.refusals import refused_on_our_page, refused_to_the_app
from tests.attacks.test_token_endpoint import is_refused
from tests.conftest import MovableClock
from tests.member.pages import Reader
from tests.oauth.desk import App, Code, Desk, answer_of, new_verifier
from tests.oauth.keyed import register_keyed


def push(desk: Desk, app: App, verifier: str = "", **changed: str | None) -> TestResponse:
    """The request of `app`, sent ahead under its own authentication."""
    form = desk.parameters(app, verifier, **changed)
    if app.secret:
        del form["client_id"]
    headers = app.basic() if app.secret else {}
    return desk.app.test_client().post("/oauth/par", data=form, headers=headers)


def request_uri(answer: TestResponse) -> str:
    """What a successful push named."""
    assert answer.status_code == 201, answer.text
    named: str = answer.get_json()["request_uri"]
    return named


def use(desk: Desk, browser: Any, app: App, name: str, **beside: str) -> TestResponse:
    """The person's browser comes with the name alone."""
    return browser.get("/oauth/authorize", query_string={"client_id": app.id, "request_uri": name} | beside)


@pytest.mark.parametrize("confidential", [False, True])
def test_a_pushed_request_goes_the_whole_way(desk: Desk, confidential: bool) -> None:
    app = desk.register_confidential() if confidential else desk.register()
    rosa, verifier = Reader(desk, desk.account), new_verifier()
    pushed = push(desk, app, verifier, scope="launch/patient patient/Coverage.rs", state="kept")
    assert pushed.get_json()["expires_in"] == 60
    assert pushed.headers["Cache-Control"] == "no-cache, no-store"
    # What stands beside the name does not count.
    page = rosa.follow(use(desk, rosa.browser, app, request_uri(pushed), scope="patient/*.rs", state="other"))
    told = answer_of(rosa.allow(page).location)
    assert told["state"] == "kept"
    body = desk.exchange(Code(told["code"], verifier, app)).get_json()
    assert set(body["scope"].split()) == {"launch/patient", "patient/Coverage.rs"}


def test_a_name_works_once_for_its_app_within_a_minute(desk: Desk, clock: MovableClock) -> None:
    app, other, browser = desk.register(), desk.register(), desk.app.test_client()
    name = request_uri(push(desk, app))
    assert len(name.removeprefix(pushing.PREFIX)) >= 43
    assert refused_on_our_page(use(desk, browser, other, name)), "another app's name is refused, and stays"
    assert "/sign-in" in use(desk, browser, app, name).location
    assert refused_on_our_page(use(desk, browser, app, name))
    for unknown in (pushing.PREFIX, f"{pushing.PREFIX}x", name + "x"):
        assert refused_on_our_page(use(desk, browser, app, unknown))
    in_time, late = request_uri(push(desk, app)), request_uri(push(desk, app))
    clock.advance(58)
    assert "/sign-in" in use(desk, browser, app, in_time).location
    clock.advance(3)
    assert refused_on_our_page(use(desk, browser, app, late))


def test_what_the_authorization_endpoint_would_refuse_is_refused_at_once(desk: Desk) -> None:
    app = desk.register()
    for changed, error in (
        ({"aud": "https://evil.example"}, "invalid_request"), ({"scope": "nothing"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"), ({"state": None}, "invalid_request"),
        ({"redirect_uri": "https://evil.example"}, "invalid_request"), ({"code_challenge": "x"}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"), ({"request_uri": f"{pushing.PREFIX}x"}, "invalid_request"),
        ({"launch": "x", "scope": "launch patient/*.rs"}, "invalid_request"), ({"max_age": "x"}, "invalid_request"),
    ):  # fmt: skip
        assert is_refused(push(desk, app, **changed), error), changed
    doubled = desk.app.test_client().post(
        "/oauth/par", data=f"client_id={app.id}&client_id={app.id}", content_type="application/x-www-form-urlencoded"
    )
    assert is_refused(doubled, "invalid_request")


def test_the_address_of_this_endpoint_is_a_right_audience_here_alone(desk: Desk) -> None:
    program = register_keyed(desk)
    here = desk.settings.base_url + "/oauth/par"
    form = desk.parameters(program.app)
    for audience in (here, [here], desk.settings.base_url, desk.settings.base_url + "/oauth/token"):
        answer = desk.app.test_client().post("/oauth/par", data=form | program.proof(aud=audience))
        assert answer.status_code == 201, (audience, answer.text)
    for audience in (f"{here}/", [here, here], desk.settings.base_url + "/oauth/revoke"):
        answer = desk.app.test_client().post("/oauth/par", data=form | program.proof(aud=audience))
        assert is_refused(answer, "invalid_client", 401), audience
    assert program.knock(aud=here).status_code == 401
    spent = program.proof(aud=here)
    assert desk.app.test_client().post("/oauth/par", data=form | spent).status_code == 201
    assert is_refused(desk.app.test_client().post("/oauth/par", data=form | spent), "invalid_client", 401)


def test_only_the_app_itself_pushes(desk: Desk) -> None:
    app, browser = desk.register_confidential(), desk.app.test_client()
    form = desk.parameters(app)
    assert is_refused(browser.post("/oauth/par", data=form), "invalid_client", 401)
    wrong = browser.post("/oauth/par", data=form, headers=app.basic("wrong"))
    assert is_refused(wrong, "invalid_client", 401) and wrong.headers["WWW-Authenticate"].startswith("Basic")
    assert is_refused(browser.post("/oauth/par", data=form | {"client_id": "nobody"}), "invalid_client", 401)
    for verb in ("GET", "PUT", "HEAD"):
        assert browser.open("/oauth/par", method=verb).status_code == 405
    assert is_refused(browser.post("/oauth/par?x=1", data=form, headers=app.basic()), "invalid_request")
    assert is_refused(browser.post("/oauth/par", json=form, headers=app.basic()), "invalid_request")
    assert browser.post("/oauth/par", data={"client_id": "x" * 70_000}).status_code == 413


def test_an_app_may_be_held_to_pushing(desk: Desk) -> None:
    app, browser = desk.register(require_pushed_authorization_requests=True), desk.app.test_client()
    assert refused_to_the_app(desk, desk.authorize(browser, app), "invalid_request")
    assert "/sign-in" in use(desk, browser, app, request_uri(push(desk, app))).location


def test_too_many_pushes_from_one_place_have_to_wait(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "_LIMIT", 2)
    app = desk.register()
    assert [push(desk, app).status_code for _ in range(2)] == [201, 201]
    refused = push(desk, app)
    assert refused.status_code == 429 and 0 < int(refused.headers["Retry-After"]) <= 300
    assert "failed" not in refused.get_json()["error_description"], "none had failed"
    assert push(desk, desk.register()).status_code == 201


def test_names_are_kept_as_digests_and_secrets_not_at_all(desk: Desk) -> None:
    app = desk.register_confidential(AuthMethod.POST)
    form = desk.parameters(app) | {"client_secret": app.secret or ""}
    name = request_uri(desk.app.test_client().post("/oauth/par", data=form))
    with desk.session() as session:
        kept = str(session.execute(text("SELECT * FROM pushed_request")).all())
    assert app.secret and app.secret not in kept and name.removeprefix(pushing.PREFIX) not in kept
    assert app.id in kept
