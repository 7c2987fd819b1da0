"""security.md, case 160 on every route: what is too long is refused before it is read."""

import socket
from io import RawIOBase

import pytest
from flask import Flask

from tests.conftest import LiveServer

_LONG = 5_000_000
_FORM = "application/x-www-form-urlencoded"
_WITHOUT_BODY = {"GET", "HEAD", "OPTIONS"}


class Unreadable(RawIOBase):
    """A body nobody may look at."""

    def __init__(self) -> None:
        super().__init__()
        self.was_read = False

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: object) -> int:
        self.was_read = True
        return 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_case_160_no_route_reads_five_megabytes_of_a_stranger(app: Flask) -> None:
    client, tried = app.test_client(), 0
    for rule in app.url_map.iter_rules():
        path = rule.rule
        for name in rule.arguments:
            path = _filled(path, name)
        for method in (rule.methods or set()) - _WITHOUT_BODY:
            for media in (_FORM, "application/json", "multipart/form-data; boundary=x"):
                body = Unreadable()
                given = {"wsgi.input": body, "CONTENT_LENGTH": str(_LONG), "CONTENT_TYPE": media}
                answer = client.open(path, method=method, environ_overrides=given)
                assert answer.status_code < 500 and not body.was_read, (method, path, media, answer.status_code)
                # The one page that is only ever redirected to needs no body.
                assert answer.status_code >= 300, (method, path, media)
                tried += 1
    assert tried > 300


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_case_160_an_endless_address_and_a_thousand_headers_end_at_the_door(live_server: LiveServer) -> None:
    host = b"Host: 127.0.0.1\r\nConnection: close\r\n"
    long = b"GET /help?" + b"a" * 70_000 + b" HTTP/1.1\r\n" + host + b"\r\n"
    many = b"GET /help HTTP/1.1\r\n" + host + b"".join(b"X-%d: 1\r\n" % one for one in range(1_000)) + b"\r\n"
    assert _status(live_server, long) in {400, 414, 431}
    assert _status(live_server, many) in {400, 431}


def _filled(path: str, name: str) -> str:
    head, _, rest = path.partition("<")
    inside, _, tail = rest.partition(">")
    assert inside.rpartition(":")[2] == name or f"<{inside}>" in path
    kind = inside.partition("(")[0].partition(":")[0]
    value = {"uuid": "00000000-0000-4000-8000-000000000000", "int": "2020", "any": ""}.get(kind, "x")
    if inside.startswith("any("):
        value = inside[4:].partition(")")[0].split(",")[0].strip().strip("'\"")
    return f"{head}{value}{tail}"


def _status(server: LiveServer, request: bytes) -> int:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(request)
        answer = client.recv(1_000)
    return int(answer[9:12])
