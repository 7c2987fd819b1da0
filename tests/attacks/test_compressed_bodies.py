"""security.md, case 159: a compressed body is refused before anybody unpacks it."""

import gzip
import zlib
from pathlib import Path

import requests
from flask import Flask

from tests.conftest import LiveServer

_WHOLE = 100 * 1024 * 1024
_PACKED = gzip.compress(b"0" * _WHOLE)
PATHS = ["/sign-in", "/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/par", "/fhir/r4/Patient/_search",
         "/fhir/r4", "/oauth/register"]  # fmt: skip


def test_case_159_a_compressed_body_is_refused_unread(app: Flask) -> None:
    small = zlib.compress(b"grant_type=authorization_code&code=x")
    form = "application/x-www-form-urlencoded"
    for path in PATHS:
        for coding in ("gzip", "deflate", "br", "zstd", "gzip, gzip", "x-unknown"):
            answer = app.test_client().post(path, data=small, headers={"Content-Encoding": coding}, content_type=form)
            assert answer.status_code == 415, (path, coding, answer.text)


def test_case_159_a_bomb_costs_the_server_nothing(live_server: LiveServer) -> None:
    def rest() -> int:
        return sum(_resident(pid) for pid in _workers(live_server.port))

    form = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    for path in PATHS[:2]:
        requests.post(live_server.url + path, data={"a": "b"}, timeout=60)
    before = rest()
    for path in PATHS[:2] * 4:
        answer = requests.post(live_server.url + path, data=_PACKED, headers=form, timeout=60)
        assert answer.status_code in {413, 415}, answer.text
    assert rest() - before < 32 * 1024 * 1024


def _workers(port: int) -> list[int]:
    """The processes of the server that listens there: the parent, by its command, and its children."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"granian" in command and str(port).encode() in command:
                found.append(int(entry.name))
    return found + [child for parent in found for child in _children(parent)]


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
