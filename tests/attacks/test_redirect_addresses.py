# ruff: noqa: RUF001 - lookalike letters are among the attacks
"""Cases 2 to 7 of security.md: where the authorization endpoint sends nobody."""

import pytest

from oauth.apps import clients
from oauth.apps.clients import ClientRefused
from tests.attacks.refusals import refused_on_our_page
from tests.oauth.desk import (
    Desk,
)

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
