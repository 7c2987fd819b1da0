"""Cases 1 to 20 of security.md: the authorization endpoint. Beside it test_redirect_addresses and test_prompts."""

import re
import socket
import time

import pytest
import time_machine

from consent.models import Duration
from oauth.apps import reviews
from oauth.authorization import flows, pushing
from oauth.authorization.authorization_request import validate
from oauth.errors import RequestOver
from service.clock import now
from tests.attacks.refusals import refused_on_our_page, refused_to_the_app
from tests.attacks.test_token_endpoint import is_refused
from tests.factories import make_account
from tests.member.pages import Reader
from tests.oauth.desk import (
    Desk,
    answer_of,
    browser_id,
    login_of,
    new_verifier,
    pending_id,
    query_of,
)


def test_case_001_unknown_client_gets_a_page_and_no_redirect(desk: Desk) -> None:
    browser, app = desk.app.test_client(), desk.register()
    for client_id in ("nobody", "<script>alert(1)</script>", "x" * 5000, "a\nb", "ид", None):
        answer = desk.authorize(browser, app, client_id=client_id)
        assert refused_on_our_page(answer), client_id
        assert "alert(1)" not in answer.text


def test_case_006_only_response_type_code(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    for kind in ("token", "id_token", "code token", "code id_token", "cöde", "Code", "code ", None):
        answer = desk.authorize(browser, app, response_type=kind)
        assert refused_to_the_app(desk, answer, "unsupported_response_type"), kind
        elsewhere = desk.authorize(browser, app, response_type=kind, redirect_uri="https://evil.example")
        assert refused_on_our_page(elsewhere), kind


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
        assert "/sign-in" in desk.authorize(browser, app, aud=None, resource=aud).location
        assert "/sign-in" in desk.authorize(browser, app, resource=aud).location
    for other in ("https://evil.example/fhir/r4", f"{base}/Patient", desk.settings.base_url):
        for aud in (None, base, other):
            answer = desk.authorize(browser, app, aud=aud, resource=other)
            assert refused_to_the_app(desk, answer, "invalid_target"), (aud, other)
        assert refused_to_the_app(desk, desk.authorize(browser, app, aud=other, resource=base), "invalid_request")


def test_case_013_request_objects_are_refused_and_never_fetched(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    answer = desk.authorize(browser, app, request="eyJhbGciOiJub25lIn0.e30.")
    assert refused_to_the_app(desk, answer, "request_not_supported")
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        there = f"127.0.0.1:{elsewhere.getsockname()[1]}/x"
        for uri in (
            f"http://{there}", f"https://{there}", f"http://localhost:{elsewhere.getsockname()[1]}/x",
            "urn:ietf:params:oauth:request_uri", "urn:example:x", f" {pushing.PREFIX}x",
        ):  # fmt: skip
            answer = desk.authorize(browser, app, request_uri=uri)
            assert refused_to_the_app(desk, answer, "request_uri_not_supported"), uri
        elsewhere.settimeout(0.2)
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_case_016_unknown_scopes_are_dropped_and_alone_refused(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    for scope in ("", None, "no", "patient/Coverage.dus", "system/*.rs", "offline_access", "patient/*.w", "{{7*7}}"):
        assert refused_to_the_app(desk, desk.authorize(browser, app, scope=scope), "invalid_scope"), scope
    body = desk.connect(app, scope="nothing patient/Coverage.rs system/*.rs patient/Patient.rs?foo=bar")
    assert body["scope"] == "patient/Coverage.rs"


def test_case_016_types_that_are_not_served_are_unknown_scopes(desk: Desk) -> None:
    app, browser = desk.register(), desk.app.test_client()
    for scope in ("patient/Foo.rs", "patient/patient.read", "user/Group.rs", "patient/PATIENT.rs offline_access"):
        assert refused_to_the_app(desk, desk.authorize(browser, app, scope=scope), "invalid_scope"), scope
        assert is_refused(browser.post("/oauth/par", data=desk.parameters(app, scope=scope)), "invalid_scope"), scope
    with desk.session() as session:
        given = desk.parameters(app, scope="patient/Foo.rs patient/Coverage.rs patient/coverage.rs")
        assert validate(session, given, repeated=False, settings=desk.settings).scope == "patient/Coverage.rs"


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


def test_a_kept_request_belongs_to_its_browser_and_ends_after_an_hour(desk: Desk) -> None:
    app, browser, other = desk.register(), desk.app.test_client(), desk.app.test_client()
    desk.sign_in(browser)
    desk.sign_in(other)
    with time_machine.travel(now(), tick=False) as clock:
        request_id = pending_id(desk.authorize(browser, app).location)
        assert refused_on_our_page(other.get(f"/oauth/authorize/{request_id}"))
        clock.shift(3_599)
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
