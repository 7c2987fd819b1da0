# ruff: noqa: RUF001 - lookalike letters are among the attacks
"""Cases 1 to 20 of security.md: the authorization endpoint."""

import re
import time
from html import unescape

import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from consent import grants
from consent.models import Duration, EndedBy
from oauth.apps import clients, reviews
from oauth.apps.clients import ClientRefused
from oauth.apps.models import ReviewState
from oauth.authorization import flows, pushing
from oauth.errors import RequestOver
from service.accounts.models import LoginSession
from service.clock import now
from tests.accounts.factors import code_of, secret_of, sign_in_with_factor
from tests.attacks.test_openid import claims_of
from tests.conftest import MovableClock
from tests.factories import PASSWORD, make_account
from tests.member.pages import Reader, form_to
from tests.oauth.desk import (
    CALLBACK,
    Code,
    Desk,
    answer_of,
    browser_id,
    login_of,
    new_verifier,
    pending_id,
    query_of,
)
from tests.oauth.life import approve_latest
from tests.oauth.programs import Registered


def refused_on_our_page(answer: TestResponse) -> bool:
    """Told to the person on a page of ours: 400, nobody sent anywhere."""
    return answer.status_code == 400 and "Location" not in answer.headers and "<html" in answer.text


def refused_to_the_app(desk: Desk, answer: TestResponse, error: str) -> bool:
    """Told to the app: redirect with error, state and iss, and no code (case 18)."""
    assert answer.status_code == 303, (answer.status_code, answer.text[:300])
    assert answer.location.startswith(CALLBACK + "?"), answer.location
    told = answer_of(answer.location)
    assert "code" not in told
    return (told["error"], told.get("state"), told["iss"]) == (error, "state-1", desk.settings.base_url)


def test_case_001_unknown_client_gets_a_page_and_no_redirect(desk: Desk) -> None:
    browser, app = desk.app.test_client(), desk.register()
    for client_id in ("nobody", "<script>alert(1)</script>", "x" * 5000, "a\nb", "ид", None):
        answer = desk.authorize(browser, app, client_id=client_id)
        assert refused_on_our_page(answer), client_id
        assert "alert(1)" not in answer.text


OTHER_ADDRESSES = (
    "https://app.example.org/Callback", "https://app.example.org/callback/", "https://app.example.org:444/callback",
    "https://app.example.org:443/callback", "https://app.example.org/cb/../callback",
    "https://app.example.org/%63allback", "https://app.example.org/%2e/callback",
    "https://app.example.org/callback?x=1", "https://app.example.org/callback#x",
    "https://app.example.org/callback?", "https://app.example.org@evil.example/callback",
    "https://evil.example@app.example.org/callback", "https://аpp.example.org/callback",
    "HTTPS://app.example.org/callback", "https://app.example.org./callback", "//app.example.org/callback",
    "https://app.example.org/callback\\@evil.example", "https://app.example.org/callback%0d%0aX: y",
    " https://app.example.org/callback", "https://app.example.org/callback ", "https://app.example.org",
    "https://app.example.org/callback/..;/x", "http://app.example.org/callback", "javascript:alert(1)",
    "https://app.example.org.evil.example/callback", "https://evil.example/?https://app.example.org/callback",
    "https://app.example.org/callback\n", "data:text/html,x", "/callback", "",
)  # fmt: skip


def test_case_002_redirect_addresses_are_compared_byte_for_byte(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    for uri in OTHER_ADDRESSES:
        assert refused_on_our_page(desk.authorize(browser, app, redirect_uri=uri)), uri


def test_case_004_only_the_port_of_a_loopback_address_is_free(desk: Desk) -> None:
    app = desk.register(redirect_uris=["http://127.0.0.1:3000/cb", "http://[::1]/cb"])
    browser = desk.app.test_client()
    for uri in ("http://127.0.0.1:3000/cb", "http://127.0.0.1:51004/cb", "http://127.0.0.1/cb", "http://[::1]:9/cb"):
        assert desk.authorize(browser, app, redirect_uri=uri).status_code == 303, uri
    for uri in (
        "http://localhost.evil.example/cb", "http://127.0.0.1.evil.example/cb", "http://127.0.0.1:51004/cb2",
        "http://127.0.0.1:99999/cb", "http://127.0.0.1:51004/cb?x=1", "https://127.0.0.1:51004/cb",
        "http://127.0.0.2:3000/cb", "http://localhost:3000/cb", "http://127.0.0.1:3000@evil.example/cb",
        "http://127.1:3000/cb", "http://0x7f000001:3000/cb", "http://[::ffff:127.0.0.1]/cb",
    ):  # fmt: skip
        assert refused_on_our_page(desk.authorize(browser, app, redirect_uri=uri)), uri


DANGEROUS_ADDRESSES = (
    "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://app.example.org/cb", "https://a/*",
    "https://*.example.org/cb", "https://app.example.org/cb#x", "app:/cb", "https://u:p@app.example.org/cb",
    "https://app.example.org/a/../cb", "https://app.example.org/%2E%2e/cb", "https://", "https:///cb", "//a/cb",
    "https://app.example.org/ cb", "https://аpp.example.org/cb", "https://app.example.org:port/cb", "",
    "http://localhost.evil.example/cb", "vbscript:x", "blob:https://a/b", "https://app.example.org/" + "x" * 2001,
)  # fmt: skip


def test_case_005_dangerous_addresses_are_refused_at_registration_and_at_use(desk: Desk) -> None:
    for uri in DANGEROUS_ADDRESSES:
        with pytest.raises(ClientRefused):
            desk.register(redirect_uris=[uri])
    smuggled, browser = desk.register(), desk.app.test_client()
    with desk.session() as session:
        row = clients.find(session, smuggled.id)
        assert row
        row.redirect_uris = list(DANGEROUS_ADDRESSES)
    for uri in DANGEROUS_ADDRESSES:
        assert refused_on_our_page(desk.authorize(browser, smuggled, redirect_uri=uri)), uri


def test_case_006_only_response_type_code(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    for kind in ("token", "id_token", "code token", "code id_token", "cöde", "Code", "code ", None):
        answer = desk.authorize(browser, app, response_type=kind)
        assert refused_to_the_app(desk, answer, "unsupported_response_type"), kind
        elsewhere = desk.authorize(browser, app, response_type=kind, redirect_uri="https://evil.example")
        assert refused_on_our_page(elsewhere), kind


def test_case_007_the_redirect_address_must_be_named(desk: Desk) -> None:
    assert refused_on_our_page(desk.authorize(desk.app.test_client(), desk.register(), redirect_uri=None))


def test_case_008_state_is_required_bounded_and_returned_as_it_came(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    for state in (None, "", "x" * 8192, "x" * 2049):
        assert refused_on_our_page(desk.authorize(browser, app, state=state))
    for state in ("x" * 2048, "a b+c%20&d=é\"'<>\\", "🎈", "..//\r\nSet-Cookie: a=b"):
        answer = desk.authorize(browser, app, state=state, response_type="token")
        assert answer_of(answer.location)["state"] == state
        assert "\n" not in answer.location


BAD_CHALLENGES = (
    (None, "S256"), (None, None), ("a" * 43, None), ("a" * 43, "plain"), ("a" * 43, "s256"), ("a" * 42, "S256"),
    ("a" * 44, "S256"), ("a" * 129, "S256"), ("a" * 42 + "=", "S256"), ("a" * 42 + "~", "S256"),
    ("a" * 43 + "\n", "S256"), ("a" * 42 + "é", "S256"), ("a" * 43, "S512"),
)  # fmt: skip


def test_case_009_every_client_proves_its_code_by_s256(desk: Desk) -> None:
    browser = desk.app.test_client()
    for app in (desk.register(), desk.register_confidential()):
        for challenge, method in BAD_CHALLENGES:
            answer = desk.authorize(browser, app, code_challenge=challenge, code_challenge_method=method)
            assert refused_to_the_app(desk, answer, "invalid_request"), (challenge, method)


NAMES = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "aud", "code_challenge", "code_challenge_method",
    "nonce", "launch", "prompt", "max_age", "anything",
)  # fmt: skip


def test_case_010_no_parameter_comes_twice(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    for name in NAMES:
        given = desk.parameters(app) | {"nonce": "n", "prompt": "login", "max_age": "5", "anything": "x", "launch": "l"}
        if name != "launch":
            del given["launch"]
        text = f"{query_of(given)}&{query_of({name: given[name]})}"
        by_get = browser.get(f"/oauth/authorize?{text}")
        by_post = browser.post("/oauth/authorize", data=text, content_type="application/x-www-form-urlencoded")
        for answer in (by_get, by_post):
            if name in {"client_id", "redirect_uri", "state"}:
                assert refused_on_our_page(answer), name
            else:
                assert refused_to_the_app(desk, answer, "invalid_request"), name


def test_case_011_aud_is_our_fhir_base_and_nothing_else(desk: Desk) -> None:
    app, browser, base = desk.register(), desk.app.test_client(), desk.settings.fhir_base
    for aud in (
        None, "", "https://evil.example/fhir/r4", f"{base}//", f"{base}/Patient", base.upper(), desk.settings.base_url,
        f"{base}?x", f"{base}#", f" {base}", f"{base}/ ",
    ):  # fmt: skip
        assert refused_to_the_app(desk, desk.authorize(browser, app, aud=aud), "invalid_request"), aud
    for aud in (base, f"{base}/"):
        assert "/sign-in" in desk.authorize(browser, app, aud=aud).location


def test_case_013_request_objects_are_refused_and_never_fetched(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    answer = desk.authorize(browser, app, request="eyJhbGciOiJub25lIn0.e30.")
    assert refused_to_the_app(desk, answer, "request_not_supported")
    for uri in ("http://127.0.0.1:1/x", "urn:ietf:params:oauth:request_uri", "urn:example:x", f" {pushing.PREFIX}x"):
        answer = desk.authorize(browser, app, request_uri=uri)
        assert refused_to_the_app(desk, answer, "request_uri_not_supported"), uri


def test_case_014_prompt_none_never_shows_a_page(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    assert refused_to_the_app(desk, desk.authorize(browser, app, prompt="none"), "login_required")
    assert refused_to_the_app(desk, desk.authorize(browser, app, prompt="none login"), "invalid_request")
    desk.sign_in(browser)
    assert refused_to_the_app(desk, desk.authorize(browser, app, prompt="none"), "consent_required")
    desk.connect(app)
    answer = desk.authorize(browser, app, prompt="none")
    assert answer.status_code == 303 and answer_of(answer.location)["code"]
    wider = desk.authorize(browser, app, prompt="none", scope="openid user/*.rs")
    assert refused_to_the_app(desk, wider, "consent_required")
    with desk.session() as session:
        grant = grants.live_grant(session, desk.account.id, desk.member.id, app.id)
        assert grant
        grants.revoke(session, grant, by=EndedBy.MEMBER)
    assert refused_to_the_app(desk, desk.authorize(browser, app, prompt="none"), "consent_required")


def test_nobody_is_sent_to_an_app_that_the_plan_never_looked_at_by_an_error(desk: Desk) -> None:
    evil = Registered.new(desk, redirect_uris=["https://evil.example/cb"])
    draft = desk.register(state=ReviewState.SUBMITTED, redirect_uris=["https://evil.example/cb"])
    browser, rosa = desk.app.test_client(), desk.app.test_client()
    desk.sign_in(rosa)
    for app in (evil.app, draft):
        for who in (browser, rosa):
            for changed in (
                {"prompt": "none"}, {"scope": "nonsense"}, {"response_type": "token"}, {"aud": "https://a.example"},
                {"code_challenge": "short"}, {"prompt": "none login"}, {"request_uri": "https://evil.example/"},
            ):  # fmt: skip
                page = desk.authorize(who, app, **changed)
                assert refused_on_our_page(page), changed
                assert "evil.example</strong>" in page.text and "Nothing was shared" in page.text
                address = unescape(page.text.split('class="usa-button" href="')[1].split('"')[0])
                assert answer_of(address)["state"] == "state-1" and "error" in answer_of(address)
    pushed = browser.post("/oauth/par", data=desk.parameters(draft, prompt="none")).get_json()
    asked = {"client_id": draft.id, "request_uri": pushed["request_uri"]}
    assert refused_on_our_page(browser.get("/oauth/authorize", query_string=asked))
    with desk.session() as session:
        approve_latest(session, evil.id, desk.settings)
    assert "login_required" in desk.authorize(browser, evil.app, prompt="none").location, "approved, it is told as ever"
    assert "consent_required" in desk.authorize(rosa, evil.app, prompt="none").location


def test_who_says_no_is_sent_back_to_an_app_that_the_plan_never_looked_at(desk: Desk) -> None:
    draft, rosa = desk.register_confidential(state=ReviewState.DRAFT), Reader(desk, desk.account)
    refused = rosa.press(rosa.ask(draft), "/consent", answer="deny")
    assert answer_of(refused.location)["error"] == "access_denied"
    desk.connect(draft)
    assert "code" in answer_of(desk.authorize(rosa.browser, draft, prompt="none").location)


def test_case_015_prompt_login_and_max_age_ask_for_the_password_again(desk: Desk, clock: MovableClock) -> None:
    app, browser = desk.register(), desk.app.test_client()
    desk.sign_in(browser)
    clock.advance(30)
    for changed in ({"prompt": "login"}, {"max_age": "0"}, {"max_age": "20"}):
        answer = desk.authorize(browser, app, **changed)
        assert "/confirm-password" in answer.location, changed
        # Coming back without having given it asks again, and the consent page cannot be reached around it.
        assert "/confirm-password" in browser.get(f"/oauth/authorize/{pending_id(answer.location)}").location
    assert "/consent" in desk.authorize(browser, app, max_age="60").location
    for bad in ("-1", "1.5", "x", "١", "9" * 30):
        assert refused_to_the_app(desk, desk.authorize(browser, app, max_age=bad), "invalid_request")


def test_case_015_the_second_factor_is_asked_for_again_too(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    with time_machine.travel(now(), tick=False) as clock:
        sign_in_with_factor(browser, desk.account)
        clock.shift(60)
        asked_at = now()
        request_id = pending_id(desk.authorize(browser, app, prompt="login").location)
        clock.shift(1)
        assert _confirm(desk, browser, request_id).status_code == 303
        here = f"/oauth/authorize/{request_id}"
        assert browser.get(here).location.startswith("/sign-in/factor"), "the password alone is half of it"
        assert browser.get(f"/consent?request={request_id}").location == here
        clock.shift(31)
        with desk.session() as session:
            code = code_of(secret_of(session, desk.settings, desk.account))
        page = browser.get(browser.get(here).location)
        form = form_to(page.text, "/sign-in/factor")
        assert browser.post(form.action, data=form.changed(code=code)).status_code == 303
        assert "/consent" in browser.get(here).location
        with desk.session() as session:
            given_at = session.scalars(select(LoginSession.authenticated_at)).one()
        assert given_at > asked_at


def test_case_015_auth_time_is_after_the_request_that_asked_for_a_sign_in(desk: Desk) -> None:
    app, rosa, verifier = desk.register(), Reader(desk, desk.account), new_verifier()
    with time_machine.travel(now(), tick=False) as clock:
        clock.shift(60)
        asked_at = int(now().timestamp())
        given = desk.parameters(app, verifier, max_age="0")
        request_id = pending_id(rosa.browser.get("/oauth/authorize", query_string=given).location)
        clock.shift(2)
        assert _confirm(desk, rosa.browser, request_id).status_code == 303
        answer = rosa.allow(rosa.follow(rosa.get(f"/oauth/authorize/{request_id}")))
        body = desk.exchange(Code(answer_of(answer.location)["code"], verifier, app)).get_json()
        assert claims_of(desk, body["id_token"])["auth_time"] == asked_at + 2


def _confirm(desk: Desk, browser: FlaskClient, request_id: str) -> TestResponse:
    """Give the password again on the way to a kept request."""
    page = browser.get("/confirm-password", query_string={"next": f"/oauth/authorize/{request_id}"})
    form = form_to(page.text, "/confirm-password")
    return browser.post(form.action, data=form.changed(username=desk.account.username, password=PASSWORD))


def test_case_016_unknown_scopes_are_dropped_and_alone_refused(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    for scope in ("", None, "no", "patient/Coverage.dus", "system/*.rs", "offline_access", "patient/*.w", "{{7*7}}"):
        assert refused_to_the_app(desk, desk.authorize(browser, app, scope=scope), "invalid_scope"), scope
    body = desk.connect(app, scope="nothing patient/Coverage.rs system/*.rs patient/Patient.rs?foo=bar")
    assert body["scope"] == "patient/Coverage.rs"


def test_case_016_more_scopes_than_there_are_cost_no_more_than_a_refusal(desk: Desk) -> None:
    browser, app = desk.app.test_client(), desk.register()
    every = " ".join(desk.app.test_client().get("/fhir/r4/.well-known/smart-configuration").json["scopes_supported"])
    # By POST, as for every long ask (SMART-41).
    asked = browser.post("/oauth/authorize", data=desk.parameters(app, scope=every))
    assert asked.status_code == 303 and asked.location.startswith("/oauth/authorize/")

    letters = str.maketrans("0123456789", "ghijklmnop")
    many = " ".join(f"patient/A{number:x}.r".translate(letters) for number in range(900))
    began = time.process_time()
    answer = browser.post("/oauth/authorize", data=desk.parameters(app, scope=many))
    assert refused_to_the_app(desk, answer, "invalid_scope")
    assert time.process_time() - began < 0.5


def test_case_017_a_suspended_app_is_out_at_once(desk: Desk) -> None:
    app = desk.register()
    body, code = desk.connect(app), desk.agree(app)
    waiting = desk.authorize(desk.app.test_client(), app)
    assert waiting.status_code == 303
    with desk.session() as session:
        reviews.suspend(session, app.id, reason="a report from members", settings=desk.settings)
    assert refused_on_our_page(desk.authorize(desk.app.test_client(), app))
    assert not desk.works(body["access_token"])
    assert desk.exchange(code).status_code == 401
    assert desk.refresh(app, body["refresh_token"]).status_code == 401


def test_case_017_a_retired_app_is_out_at_once_and_for_good(desk: Desk) -> None:
    app = desk.register()
    body, code = desk.connect(app), desk.agree(app)
    pushed = desk.app.test_client().post("/oauth/par", data=desk.parameters(app)).get_json()["request_uri"]
    rosa = Reader(desk, desk.account)
    page = rosa.ask(app, prompt="consent")
    with desk.session() as session:
        reviews.retire(session, app.id, reason="its developer closed it", settings=desk.settings)
    assert refused_on_our_page(desk.authorize(rosa.browser, app))
    by_name = rosa.browser.get("/oauth/authorize", query_string={"client_id": app.id, "request_uri": pushed})
    assert refused_on_our_page(by_name)
    assert desk.app.test_client().post("/oauth/par", data=desk.parameters(app)).status_code == 401
    assert refused_on_our_page(rosa.allow(page))
    assert not desk.works(body["access_token"])
    assert desk.exchange(code).status_code == 401
    assert desk.refresh(app, body["refresh_token"]).status_code == 401


def test_case_018_every_answer_to_the_app_names_its_issuer(desk: Desk) -> None:
    app, browser = desk.register_confidential(), desk.app.test_client()
    desk.connect(app)
    desk.sign_in(browser)
    success = desk.authorize(browser, app, prompt="none")
    assert answer_of(success.location)["iss"] == desk.settings.base_url
    for changed, error in (
        ({"response_type": "token"}, "unsupported_response_type"), ({"scope": "x"}, "invalid_scope"),
        ({"aud": "x"}, "invalid_request"), ({"request": "x"}, "request_not_supported"),
        ({"prompt": "none", "max_age": "0"}, "login_required"),
    ):  # fmt: skip
        assert refused_to_the_app(desk, desk.authorize(browser, app, **changed), error)


def test_case_018_the_answers_after_the_pages_name_it_too(desk: Desk) -> None:
    app, rosa = desk.register(), Reader(desk, desk.account)
    assert answer_of(rosa.allow(rosa.ask(app)).location)["iss"] == desk.settings.base_url
    asked = rosa.ask(app, prompt="consent")
    assert refused_to_the_app(desk, rosa.press(asked, "/consent", answer="deny"), "access_denied")
    with desk.session() as session:
        nobody = make_account(session)
    lonely = Reader(desk, nobody)
    assert refused_to_the_app(desk, lonely.press(lonely.ask(app), "/consent/leave"), "access_denied")
    for changed, error in (
        ({"scope": "launch patient/*.rs", "launch": "x"}, "invalid_request"), ({"launch": "x"}, "invalid_request"),
        ({"request_uri": "https://app.example.org/r"}, "request_uri_not_supported"),
        ({"dpop_jkt": "x"}, "invalid_request"),
        ({"nonce": "x" * 3000}, "invalid_request"), ({"response_mode": "fragment"}, "invalid_request"),
    ):  # fmt: skip
        assert refused_to_the_app(desk, desk.authorize(rosa.browser, app, **changed), error), changed


def test_case_020_looking_changes_nothing_and_each_request_is_answered_once(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    desk.sign_in(browser)
    location = desk.authorize(browser, app).location
    request_id = pending_id(location)
    for _ in range(3):
        assert "/consent" in browser.get(f"/oauth/authorize/{request_id}").location
    with desk.session() as session:
        pending = flows.get_pending(session, request_id, browser_id(desk.settings, browser))
        assert answer_of(flows.refuse(session, pending))["error"] == "access_denied"
    with desk.session() as session, pytest.raises(RequestOver):
        scopes = str(pending.scopes)
        grant = desk.give(session, app, desk.account, desk.member, scopes, Duration.THIRTEEN_MONTHS, True)
        flows.answer(session, pending, grant=grant, login=login_of(session, desk.account))
    assert refused_on_our_page(browser.get(f"/oauth/authorize/{request_id}"))


def test_a_kept_request_belongs_to_its_browser_and_ends_after_ten_minutes(desk: Desk) -> None:
    app, browser, other = desk.register(), desk.app.test_client(), desk.app.test_client()
    desk.sign_in(browser)
    desk.sign_in(other)
    with time_machine.travel(now(), tick=False) as clock:
        request_id = pending_id(desk.authorize(browser, app).location)
        assert refused_on_our_page(other.get(f"/oauth/authorize/{request_id}"))
        clock.shift(599)
        assert browser.get(f"/oauth/authorize/{request_id}").status_code == 303
        clock.shift(1)
        assert refused_on_our_page(browser.get(f"/oauth/authorize/{request_id}"))
    assert refused_on_our_page(browser.get("/oauth/authorize/" + "x" * 5000))


def test_authorize_by_post_is_kept_and_turned_into_a_get(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    desk.sign_in(browser)
    cookie = browser.get_cookie(desk.settings.cookie_name)
    # A foreign site's POST comes without our SameSite cookie, and must not cost the person their sign-in.
    foreign = desk.app.test_client().post(
        "/oauth/authorize", data=desk.parameters(app), headers={"Origin": "https://app.example.org"}
    )
    assert foreign.status_code == 303 and "Set-Cookie" not in foreign.headers
    assert re.fullmatch(r"/oauth/authorize/[0-9a-f-]{36}", foreign.location)
    assert "/consent" in browser.get(foreign.location).location
    assert browser.get_cookie(desk.settings.cookie_name) == cookie


def test_authorize_has_no_cors_and_sends_no_referrer(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    answer = browser.get(
        "/oauth/authorize", query_string=desk.parameters(app), headers={"Origin": "https://evil.example"}
    )
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Referrer-Policy"] == "no-referrer" and answer.headers["Cache-Control"] == "no-store"
    page = browser.get("/oauth/authorize")
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


def test_one_challenge_serves_one_flow(desk: Desk) -> None:
    app, verifier = desk.register(), new_verifier()
    code = desk.agree(app)
    again = desk.app.test_client().get("/oauth/authorize", query_string=desk.parameters(app, code.verifier))
    assert refused_to_the_app(desk, again, "invalid_request")
    other = desk.app.test_client().get("/oauth/authorize", query_string=desk.parameters(app, verifier))
    assert other.status_code == 303 and "error" not in other.location
