"""security.md, case 161: clients that send or read slowly, or nothing, keep nobody else waiting."""

import socket
from contextlib import ExitStack

import pytest
import requests

from tests.conftest import LiveServer

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
_PROBE = "/.well-known/openid-configuration"
_HOST = b"Host: 127.0.0.1\r\n"
STARTS = {
    "nothing": b"",
    "half a header": b"GET / HTTP/1.1\r\nHost: 127.",
    "headers without an end": b"GET / HTTP/1.1\r\n" + _HOST + b"X-Slow: 1\r\n",
    "an answer that nobody reads": b"GET /static/uswds/css/uswds.css HTTP/1.1\r\n" + _HOST + b"\r\n",
}
_HALF_A_BODY = (
    b"POST /oauth/token HTTP/1.1\r\n" + _HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 1000\r\n\r\ngrant_type="
)
_A_PIECE_OF_A_BODY = (
    b"POST /oauth/token HTTP/1.1\r\n" + _HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\ngrant\r\n"
)


def test_case_161_slow_clients_keep_nobody_waiting_and_are_shown_out(live_server: LiveServer) -> None:
    with ExitStack() as opened:
        clients = {what: [_client(live_server, start, opened) for _ in range(100)] for what, start in STARTS.items()}
        assert requests.get(live_server.url + _PROBE, timeout=20).status_code == 200
        for what in ("half a header", "headers without an end"):
            # After 30 seconds, without an answer or with one that says that it waited for too long.
            assert clients[what][0].recv(1_000)[:12] in {b"", b"HTTP/1.1 408"}, what
        assert requests.get(live_server.url + _PROBE, timeout=20).status_code == 200


def test_case_161_half_a_body_is_forgotten_with_its_client(live_server: LiveServer) -> None:
    # As long as the client stays it holds a thread: the proxy in front waits for the whole body (docs/attack-cases.md).
    with ExitStack() as opened:
        for _ in range(16):
            _client(live_server, _HALF_A_BODY, opened)
    assert requests.get(live_server.url + _PROBE, timeout=20).status_code == 200


def test_case_161_half_a_body_in_pieces_takes_no_place_from_others(live_server: LiveServer) -> None:
    with ExitStack() as opened:
        for _ in range(16):
            _client(live_server, _A_PIECE_OF_A_BODY, opened)
        # More than there are places in both workers, so that each is asked.
        assert [requests.get(live_server.url + _PROBE, timeout=10).status_code for _ in range(12)] == [200] * 12


def _client(server: LiveServer, start: bytes, opened: ExitStack) -> socket.socket:
    client = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
    client.sendall(start)
    return client
