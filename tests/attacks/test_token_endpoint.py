"""Cases 21 to 35 of security.md: the token endpoint."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import requests
import time_machine
from sqlalchemy import Engine, func, select
from werkzeug.test import TestResponse

from consent import representatives
from consent.models import Basis, EndedBy, RepresentativeLink
from oauth.exchanges import code_exchange, refresh_exchange
from oauth.models import AccessToken, AuthorizationCode, TokenFamily
from service.accounts.models import Account, AccountStatus
from service.app import create_app
from service.audit import AuditEvent, Outcome
from service.clock import now
from service.settings import Settings
from service.single_use import spend
from tests.conftest import LiveServer
from tests.factories import make_account, make_member, make_representative
from tests.oauth.desk import Code, Desk, challenge_of, new_verifier, query_of

RACE_ROUNDS = int(os.environ.get("RACE_ROUNDS", "20"))
"""How often eight callers race for one code or refresh token."""


def is_refused(answer: TestResponse, error: str, status: int = 400) -> bool:
    """RFC 6749 §5.2, never cached, nothing echoed."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["Pragma"] == "no-cache"
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    body = answer.get_json()
    assert set(body) == {"error", "error_description"}
    return bool(body["error"] == error)


def security_events(desk: Desk, tag: str) -> int:
    """How many such events are in the stream."""
    with desk.session() as session:
        found = select(func.count()).where(AuditEvent.tag == tag, AuditEvent.outcome == Outcome.REFUSED)
        return session.scalar(found) or 0


def test_case_021_replayed_code_revokes_the_family(desk: Desk) -> None:
    for app in (desk.register(), desk.register_confidential()):
        code = desk.agree(app)
        first = desk.exchange(code).get_json()
        other = desk.connect(app)
        assert desk.works(first["access_token"])
        assert is_refused(desk.exchange(code), "invalid_grant")
        assert not desk.works(first["access_token"])
        assert is_refused(desk.refresh(app, first["refresh_token"]), "invalid_grant")
        assert desk.works(other["access_token"])  # another installation of the app is no part of the theft
    assert security_events(desk, "oauth:token_family:code_replayed") == 2


def test_case_021_a_replay_is_known_with_a_wrong_verifier_too(desk: Desk) -> None:
    code = desk.agree(desk.register())
    first = desk.exchange(code).get_json()
    assert is_refused(desk.exchange(code, code_verifier=new_verifier()), "invalid_grant")
    assert not desk.works(first["access_token"])


def test_case_022_parallel_exchanges_have_one_winner(live_server: LiveServer, engine: Engine) -> None:
    desk = Desk(create_app(live_server.settings, engine))
    for callers in (*[8] * RACE_ROUNDS, 24):
        code = desk.agree(desk.register())

        def exchange(_: int, code: Code = code) -> requests.Response:
            return requests.post(f"{live_server.url}/oauth/token", data=code.form(), timeout=30)

        with ThreadPoolExecutor(callers) as pool:
            answers = list(pool.map(exchange, range(callers)))
        assert sorted({answer.status_code for answer in answers}) == [200, 400]
        winners = [answer.json() for answer in answers if answer.status_code == 200]
        assert len(winners) == 1
        assert all(answer.json()["error"] == "invalid_grant" for answer in answers if answer.status_code == 400)
        assert not desk.works(winners[0]["access_token"])
        with desk.session() as session:
            family = session.scalars(
                select(AuthorizationCode.family_id).order_by(AuthorizationCode.created_at.desc())
            ).first()
            kept = session.scalar(select(func.count()).where(AccessToken.family_id == family))
            assert kept == 1
            assert session.scalar(select(TokenFamily.ended_at).where(TokenFamily.id == family)) is not None


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("module", [code_exchange, refresh_exchange])
def test_whoever_comes_second_in_the_very_moment_of_spending_ends_what_the_first_got(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    app = desk.register()
    code = desk.agree(app)
    first = desk.exchange(code).get_json() if module is refresh_exchange else {}
    answers: list[TestResponse] = []

    def ask() -> TestResponse:
        return desk.refresh(app, first["refresh_token"]) if first else desk.exchange(code)

    def late(*given: Any, **named: Any) -> bool:
        monkeypatch.undo()
        with ThreadPoolExecutor(1) as elsewhere:
            answers.append(elsewhere.submit(ask).result())
        return bool(spend(*given, **named))

    monkeypatch.setattr(module, "spend", late)
    assert is_refused(ask(), "invalid_grant")

    won = answers[0].get_json()
    assert answers[0].status_code == 200 and not desk.works(won["access_token"])
    assert is_refused(desk.refresh(app, won["refresh_token"]), "invalid_grant")
    name = "refresh_reused" if first else "code_replayed"
    assert security_events(desk, f"oauth:token_family:{name}") >= 1


def test_case_023_a_code_of_another_app_stays_unspent(desk: Desk) -> None:
    code, thief = desk.agree(desk.register()), desk.register()
    assert is_refused(desk.token(code.form(client_id=thief.id)), "invalid_grant")
    confidential = desk.register_confidential()
    stolen = code.form()
    del stolen["client_id"]
    assert is_refused(desk.token(stolen, confidential), "invalid_grant")
    assert security_events(desk, "oauth:authorization_code:foreign") == 2
    assert desk.exchange(code).status_code == 200


def test_case_025_the_redirect_address_must_be_that_of_the_request(desk: Desk) -> None:
    code = desk.agree(desk.register())
    for uri in (None, "", "https://app.example.org/callback/", "https://app.example.org/Callback", "x"):
        assert is_refused(desk.exchange(code, redirect_uri=uri), "invalid_grant"), uri
    assert desk.exchange(code).status_code == 200


def test_pkce_refusals_do_not_spend_the_code(desk: Desk) -> None:
    for app in (desk.register(), desk.register_confidential()):
        code = desk.agree(app)
        assert is_refused(desk.exchange(code, code_verifier=None), "invalid_request")
        for verifier in (new_verifier(), "a" * 42, "a" * 129, code.verifier + "\n", code.verifier[:-1] + "é", " "):
            assert is_refused(desk.exchange(code, code_verifier=verifier), "invalid_grant"), verifier
        assert is_refused(desk.exchange(code, code_verifier=challenge_of(code.verifier)), "invalid_grant")
        assert desk.exchange(code).status_code == 200


def test_case_026_a_code_lives_sixty_seconds_and_never_again(desk: Desk) -> None:
    app = desk.register()
    with time_machine.travel(now(), tick=False) as clock:
        in_time, at_the_end, late = desk.agree(app), desk.agree(app), desk.agree(app)
        clock.shift(59)
        assert desk.exchange(in_time).status_code == 200
        clock.shift(1)
        assert is_refused(desk.exchange(at_the_end), "invalid_grant")
        clock.shift(1)
        assert is_refused(desk.exchange(late), "invalid_grant")
        clock.shift(-600)
        assert is_refused(desk.exchange(late), "invalid_grant")
        clock.shift(569)
        assert is_refused(desk.exchange(late), "invalid_grant")


def test_case_027_what_falls_between_code_and_exchange_refuses_it(desk: Desk) -> None:
    app = desk.register()
    with desk.session() as session:
        child = make_member(session, given_name="Lucia")
        parent = make_account(session, member=make_member(session))
        representative = make_representative(session, parent)
        link = representatives.link(
            session, representative, child, basis=Basis.GUARDIAN, timezone=desk.settings.plan.timezone
        )
        link_id = link.id
    for_child = desk.agree(app, account=parent, member=child)
    with desk.session() as session:
        representatives.end_link(session, session.get_one(RepresentativeLink, link_id), by=EndedBy.PLAN)
    assert is_refused(desk.exchange(for_child), "invalid_grant")

    before_password = desk.agree(app)
    with desk.session() as session:
        session.get_one(Account, desk.account.id).credentials_version += 1
    assert is_refused(desk.exchange(before_password), "invalid_grant")

    before_end = desk.agree(app)
    with desk.session() as session:
        session.get_one(Account, desk.account.id).status = AccountStatus.DISABLED
    assert is_refused(desk.exchange(before_end), "invalid_grant")
    with desk.session() as session:
        session.get_one(Account, desk.account.id).status = AccountStatus.ACTIVE
    assert desk.exchange(before_end).status_code == 200  # a refused exchange spends nothing


def test_case_028_parameters_in_the_url_are_refused(desk: Desk, logged: Callable[[], str]) -> None:
    code, browser = desk.agree(desk.register()), desk.app.test_client()
    form = code.form()
    assert is_refused(browser.post(f"/oauth/token?{query_of(form)}"), "invalid_request")
    assert is_refused(browser.post("/oauth/token?code=x", data=form), "invalid_request")
    assert is_refused(browser.post("/oauth/token?anything", data=form), "invalid_request")
    written = logged()
    assert code.value not in written and code.verifier not in written
    assert desk.exchange(code).status_code == 200


def test_case_029_one_value_for_each_name_in_a_form_body(desk: Desk) -> None:
    code, browser = desk.agree(desk.register()), desk.app.test_client()
    form = code.form()
    for name in form:
        doubled = f"{query_of(form)}&{query_of({name: form[name]})}"
        answer = browser.post("/oauth/token", data=doubled, content_type="application/x-www-form-urlencoded")
        assert is_refused(answer, "invalid_request"), name
    assert is_refused(browser.post("/oauth/token", json=form), "invalid_request")
    assert is_refused(browser.post("/oauth/token", data=form, content_type="multipart/form-data"), "invalid_request")
    assert is_refused(browser.post("/oauth/token", data=query_of(form), content_type="text/plain"), "invalid_request")
    assert is_refused(browser.post("/oauth/token"), "invalid_request")
    assert desk.exchange(code, unknown="ignored", resource="").status_code == 200


def test_case_030_only_post(desk: Desk) -> None:
    browser = desk.app.test_client()
    for path in ("/oauth/token", "/oauth/revoke", "/oauth/introspect"):
        for verb in ("GET", "PUT", "HEAD", "DELETE", "PATCH"):
            answer = browser.open(path, method=verb)
            assert answer.status_code == 405 and "POST" in answer.headers["Allow"], (path, verb)
        assert "method" in browser.get(path).get_json()["error_description"]


def test_what_http_refuses_is_told_for_what_it_is(desk: Desk) -> None:
    browser, form = desk.app.test_client(), {"grant_type": "refresh_token", "refresh_token": "x" * 5_000_000}
    refused = {
        404: browser.get("/.well-known/jwks.json"), 405: browser.get("/oauth/token"),
        413: browser.post("/oauth/token", data=form),
        415: browser.post("/oauth/token", data=form, headers={"Content-Encoding": "gzip"}),
    }  # fmt: skip
    assert {answer.status_code for answer in refused.values()} == refused.keys()
    told = {answer.get_json()["error_description"] for answer in refused.values()}
    assert len(told) == len(refused) and not any("parameter" in one for one in told), told
    assert all(answer.get_json()["error"] == "invalid_request" for answer in refused.values())


def test_case_031_no_other_grant_types(desk: Desk) -> None:
    app = desk.register()
    for kind in (
        "password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", '"x\\', "é",
        "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
    ):  # fmt: skip
        form = {"grant_type": kind, "client_id": app.id, "username": "a", "password": "b"}
        answer = desk.token(form)
        assert is_refused(answer, "unsupported_grant_type")
        assert kind not in answer.text
    assert is_refused(desk.token({"client_id": app.id}), "invalid_request")


def test_a_resource_that_is_not_ours_spends_nothing(desk: Desk) -> None:
    app, base = desk.register(), desk.settings.fhir_base
    code = desk.agree(app)
    for other in ("https://other.example/fhir", f"{base}/Patient", "x"):
        refused = desk.exchange(code, resource=other)
        assert is_refused(refused, "invalid_target"), other
        assert "FHIR" in refused.get_json()["error_description"]
    body = desk.exchange(code, resource=base).get_json()
    assert is_refused(desk.refresh(app, body["refresh_token"], resource="https://other.example"), "invalid_target")
    assert desk.refresh(app, body["refresh_token"], resource=f"{base}/").status_code == 200


def test_case_032_huge_and_broken_bodies_cost_nothing(desk: Desk) -> None:
    code, browser = desk.agree(desk.register()), desk.app.test_client()
    form = query_of(code.form(code=None))
    for body, statuses in (
        (f"{form}&code={'x' * 5_000_000}", {400, 413}), (f"{form}&code=%00", {400}), (f"{form}&code=%ED%A0%80", {400}),
        (f"{form}&code=%FF", {400}), (f"{form}&" + "&".join(f"a{n}=1" for n in range(100_000)), {400, 413}),
        (f"{form}&" + "&".join(f"a{n}=1" for n in range(5_000)), {400, 413}), (form.encode() + b"&code=\xff", {400}),
        (f"{form}&code=" + "x" * 30_000, {400}), (f"{form}&code=%", {400}), ("&" * 60_000, {400}), ("=", {400}),
    ):  # fmt: skip
        began = time.perf_counter()
        answer = browser.post("/oauth/token", data=body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code in statuses and answer.is_json, answer.status_code
        assert time.perf_counter() - began < 1


def test_case_033_answers_are_never_cached_and_logs_hold_no_secret(desk: Desk, logged: Callable[[], str]) -> None:
    app = desk.register_confidential()
    code = desk.agree(app)
    first = desk.exchange(code)
    second = desk.refresh(app, first.get_json()["refresh_token"])
    refused = desk.exchange(code, code_verifier=new_verifier())
    for answer in (first, second, refused):
        assert answer.headers["Cache-Control"] == "no-store" and answer.headers["Pragma"] == "no-cache"
    secrets = [app.secret, code.value, code.verifier]
    for body in (first.get_json(), second.get_json()):
        secrets += [body["access_token"], body["refresh_token"], body["id_token"]]
    written = logged()
    assert all(secrets) and not [secret for secret in secrets if secret and secret in written]


def test_case_035_plain_http_is_refused_unless_a_trusted_proxy_says_it_was_https(
    settings: Settings, engine: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    secure = replace(settings, base_url="https://health.example.org")
    form = {"grant_type": "authorization_code", "client_id": "x", "code": "x", "redirect_uri": "x"}
    said = {"X-Forwarded-Proto": "https"}

    plain = create_app(secure, engine).test_client()
    warned = "".join(capfd.readouterr())
    assert "no_proxy_is_trusted" in warned and "TRUSTED_PROXIES" in warned
    for headers in ({}, said):
        assert is_refused(plain.post("/oauth/token", data=form, headers=headers), "invalid_request")
        assert is_refused(plain.post("/oauth/par", data=form, headers=headers), "invalid_request")
        assert plain.get("/oauth/authorize", headers=headers).status_code == 400
    direct = plain.post("/oauth/token", data=form, base_url=secure.base_url)
    assert is_refused(direct, "invalid_client", 401)

    behind = create_app(replace(secure, trusted_proxies=1), engine).test_client()
    assert "no_proxy_is_trusted" not in "".join(capfd.readouterr())
    assert is_refused(behind.post("/oauth/token", data=form, headers=said), "invalid_client", 401)
    for headers in ({}, {"X-Forwarded-Proto": "http"}, {"X-Forwarded-Proto": "https, http"}):
        assert is_refused(behind.post("/oauth/token", data=form, headers=headers), "invalid_request")


def test_cors_lets_browser_apps_use_the_token_endpoint(desk: Desk) -> None:
    browser, origin = desk.app.test_client(), {"Origin": "https://app.example.org"}
    preflight = browser.options("/oauth/token", headers=origin | {"Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 200 and preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert preflight.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, DPoP"
    for path in ("/oauth/par", "/oauth/token", "/oauth/revoke"):
        answer = browser.post(path, data={}, headers=origin)
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert browser.get("/oauth/jwks", headers=origin).headers["Access-Control-Allow-Origin"] == "*"


def test_cors_is_for_machines_alone_and_never_with_credentials(desk: Desk) -> None:
    browser, origin = desk.app.test_client(), {"Origin": "https://app.example.org"}
    asking = origin | {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,dpop"}
    asking_again = asking | {"Access-Control-Request-Headers": "if-none-match,content-type"}
    for path in (
        "/fhir/r4/.well-known/smart-configuration", "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration", "/fhir/r4/metadata", "/user-access-brands.json",
    ):  # fmt: skip
        assert browser.get(path, headers=origin).headers["Access-Control-Allow-Origin"] == "*", path
        told = browser.options(path, headers=asking_again).headers
        assert told["Access-Control-Allow-Origin"] == "*", path
        assert told["Allow"] == told["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS", path
        assert {"If-None-Match", "Content-Type"} <= set(told["Access-Control-Allow-Headers"].split(", ")), path
    for path in ("/fhir/r4/Patient", "/fhir/r4/Patient/x", "/oauth/userinfo", "/oauth/par", "/oauth/revoke"):
        answer = browser.options(path, headers=asking)
        assert answer.headers["Access-Control-Allow-Origin"] == "*", path
        assert "DPoP" in answer.headers["Access-Control-Allow-Headers"], path
        assert "Access-Control-Allow-Credentials" not in answer.headers, path
    for path in (
        "/oauth/authorize", "/oauth/authorize/x", "/oauth/end-session", "/oauth/introspect", "/sign-in", "/consent",
        "/confirm-password", "/",
    ):  # fmt: skip
        for answer in (browser.options(path, headers=asking), browser.get(path, headers=origin)):
            assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")], path
