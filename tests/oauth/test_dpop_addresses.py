"""Which addresses in a proof are the one that was asked for (RFC 9449 §4.3; RFC 3986 §6.2), over a live server."""

import socket

import pytest
from sqlalchemy import Engine

from oauth.tokens import dpop
from service.app import create_app
from tests.conftest import LiveServer
from tests.oauth.desk import Desk
from tests.oauth.proofs import TOKEN, Prover

BASE = "/fhir/r4/Patient"
SAME = [
    # (asked for, named in the proof)
    ("/me/$everything", "/me/$everything"), ("/me/%24everything", "/me/%24everything"),
    ("/me/%24everything", "/me/$everything"), ("/me/$everything", "/me/%24everything"),
    ("/me/$everything", "/me/%24%65verything"), ("/a%3ab@c", "/a:b%40c"), ("/a%3Ab", "/a%3ab"),
    ("/a~b-c_d.e", "/%61%7Eb%2Dc%5Fd%2ee"), ("/é", "/%C3%A9"), ("/%C3%A9", "/é"), ("/%C3%A9", "/%c3%a9"),
    ("/%FF", "/%ff"), ("/a%25b", "/a%25b"), ("/a%20b", "/a%20b"), ("/a;b=1,2", "/a%3Bb%3D1%2C2"),
    ("/a", "/./x/../a"), ("", "/../Patient"), ("/a", "/%2e/x/%2E%2e/a"), ("", "?x=1#y"),
]  # fmt: skip
OTHER = [
    ("/a%2525b", "/a%25b"), ("/%C3%A9", "/%E9"), ("/%FF", "/%EF%BF%BD"), ("/a", "/A"), ("/a", "/a/"),
    ("/me/$everything", "/me/everything"), ("/a", "/a/../b"), ("", "/.."), ("", "/."), ("/a%20b", "/a+b"),
]  # fmt: skip


def test_a_proof_is_for_an_address_however_it_is_escaped(live_server: LiveServer, engine: Engine) -> None:
    desk, prover = Desk(create_app(live_server.settings, engine)), Prover()
    proof = prover.proof(f"{live_server.url}/oauth/token")
    token = desk.exchange(desk.agree(desk.register()), proof=proof).get_json()["access_token"]

    def status(target: str, htu: str) -> int:
        # Libraries would write the path their way.
        lines = [f"GET {BASE}{target} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in prover.headers(token, htu).items()]
        with socket.create_connection(("127.0.0.1", live_server.port), timeout=30) as line:
            line.sendall("\r\n".join([*lines, "", ""]).encode())
            return int(line.makefile("rb").readline().split()[1])

    upper = live_server.url.replace("http", "HTTP")
    assert status("", f"{upper}{BASE}") == 200
    for target, named in SAME:
        assert status(target, f"{live_server.url}{BASE}{named}") in {200, 400, 403, 404}, (target, named)
    for target, named in OTHER:
        assert status(target, f"{live_server.url}{BASE}{named}") == 401, (target, named)


@pytest.mark.parametrize(("named", "same"), [
    ("http://localhost/oauth/token", True), ("HTTP://LocalHost:80/oauth/%74oken", True),
    ("http://localhost:/oauth/token", True), ("http://localhost/oauth/./x/../token?a#b", True),
    ("https://localhost/oauth/token", False), ("http://localhost:443/oauth/token", False),
    ("http://localhost:8080/oauth/token", False), ("http://localhost:99999/oauth/token", False),
    ("http://user@localhost/oauth/token", False), ("http://localhost@evil.example/oauth/token", False),
    ("//localhost/oauth/token", False), ("/oauth/token", False), ("http:/oauth/token", False), ("", False),
    ("http://[/oauth/token", False), ("http://localhost/oauth%252Ftoken", False),
    ("http://localhost./oauth/token", False),
    ("http://localhost/oauth/token/", False), ("http://localhost//oauth/token", False),
])  # fmt: skip
def test_what_of_an_address_counts(desk: Desk, named: str, same: bool) -> None:
    with desk.session() as session:
        try:
            assert dpop.prove(session, Prover().proof(named), method="POST", uri=TOKEN) and same
        except dpop.ProofRefused:
            assert not same
