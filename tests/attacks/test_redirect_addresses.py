# ruff: noqa: RUF001 - lookalike letters are among the attacks
"""Cases 2 to 7 of security.md: where the authorization endpoint sends nobody."""

from html import unescape

import pytest

from oauth.apps import clients
from oauth.apps.clients import ClientRefused
from oauth.apps.models import ReviewState
from tests.attacks.refusals import refused_on_our_page
from tests.member.pages import Reader
from tests.oauth.desk import Desk, answer_of
from tests.oauth.life import approve_latest
from tests.oauth.programs import Registered

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


def test_case_007_the_redirect_address_must_be_named(desk: Desk) -> None:
    assert refused_on_our_page(desk.authorize(desk.app.test_client(), desk.register(), redirect_uri=None))


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
