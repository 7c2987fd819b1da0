"""deploy/nginx.conf: nginx takes it, and a real request comes through it as the product expects it."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from fhir.resources.R4B.operationoutcome import OperationOutcome
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.settings import Settings
from tests.conftest import free_port, running_server
from tests.factories import make_account
from tests.proxies import Proxy


@pytest.fixture
def proxy(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    made = Proxy(tmp_path / "nginx")
    monkeypatch.setenv("TRUSTED_PROXIES", "1")
    with running_server(settings, base_url=made.url) as server, made.stand_before([server.port], patience="1s"):
        yield made


def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    assert "test is successful" in Proxy(tmp_path / "nginx").stand_before([8000]).check()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_requests_come_through_whole_or_not_at_all(proxy: Proxy, engine: Engine) -> None:
    http = requests.Session()
    # Whatever this machine trusts otherwise.
    http.trust_env, http.verify = False, str(proxy.certificates.authority)
    with Session(engine) as session:
        make_account(session, username="rosa.rivera")
        session.commit()

    page = http.get(f"{proxy.url}/sign-in?next=/apps&canary=c4n4ry")
    assert page.status_code == 200
    assert page.headers["Strict-Transport-Security"] and "__Host-sid" in page.headers["Set-Cookie"]
    token = page.text.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
    refused = http.post(
        f"{proxy.url}/sign-in", data={"username": "rosa.rivera", "password": "wrong-c4n4ry", "csrf_token": token},
        headers={"X-Forwarded-For": "203.0.113.9", "Origin": proxy.url, "X-Request-Id": "mine", "Referer": proxy.url},
    )  # fmt: skip
    assert refused.status_code in {200, 400, 401}, refused.text
    with Session(engine) as session:
        addresses = set(session.scalars(select(AuditEvent.ip).where(AuditEvent.ip.is_not(None))))
    assert addresses == {"127.0.0.1"}, "an address that the client claims is nobody's"
    assert refused.headers["X-Request-Id"] != "mine"

    assert http.post(f"{proxy.url}/oauth/token", data=b"x" * (52 << 20)).status_code == 413
    assert http.get(f"{proxy.url}/health/live").json() == {"status": "alive"}

    began = time.monotonic()
    with _stuck(proxy) as connection:
        connection.settimeout(15)
        assert connection.recv(1000) == b"" or time.monotonic() - began < 10
    assert time.monotonic() - began < 10, "who sends no body is let go"

    assert page.headers["X-Request-Id"] in proxy.log, "the audit's id of the request is there"
    for word in ("c4n4ry", "next=", "sign-in", "rosa"):
        assert word not in proxy.log


class Upstream(BaseHTTPRequestHandler):
    """A server that refuses by itself, or says nothing for longer than the proxy waits."""

    def do_GET(self) -> None:
        """Answer by the path's end."""
        if self.path.endswith("/slow"):
            time.sleep(3)
        self.send_response(503)
        for name, value in (("Retry-After", "17"), ("Content-Type", "text/plain"), ("Content-Length", "3")):
            self.send_header(name, value)
        with suppress(BrokenPipeError):
            self.end_headers()
            self.wfile.write(b"own")

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def upstream() -> Iterator[int]:
    """The port of such a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def ask(proxy: Proxy, path: str, method: str = "GET") -> requests.Response:
    """Ask the proxy, whatever this machine trusts otherwise."""
    with requests.Session() as http:
        http.trust_env, http.verify = False, str(proxy.certificates.authority)
        return http.request(method, proxy.url + path, timeout=30)


PLACES = [
    ("/fhir/r4/Patient", "application/fhir+json"), ("/directory/fhir/r4/Organization", "application/fhir+json"),
    ("/plan/fhir/r4/Patient", "application/fhir+json"), ("/oauth/token", "application/json"),
    ("/oauth/authorize", "text/html"), ("/sign-in", "text/html"),
]  # fmt: skip


def require_told(answer: requests.Response, status: int, kind: str) -> None:
    """What every refusal of the proxy's own says, as the place speaks."""
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "5"), answer.text
    assert answer.headers["Content-Type"] == kind and answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"
    if kind == "text/html":
        assert 'lang="en"' in answer.text and '<div lang="es">' in answer.text
        return
    assert answer.headers["Access-Control-Allow-Origin"] == "*", "an app in a browser reads Retry-After"
    if kind == "application/json":
        assert answer.json()["error"] == "temporarily_unavailable" and answer.json()["error_description"]
        return
    (issue,) = OperationOutcome.model_validate(answer.json()).issue
    assert issue.code == {429: "throttled", 503: "transient"}[status] and issue.severity == "error"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_there_is_told_with_retry_after_in_the_form_of_the_place(tmp_path: Path, method: str) -> None:
    with Proxy(tmp_path / "nginx").stand_before([free_port()]) as proxy:
        for path, kind in PLACES:
            require_told(ask(proxy, path, method), 503, kind)


def test_a_server_that_is_silent_is_told_alike_and_what_it_says_itself_is_left(tmp_path: Path, upstream: int) -> None:
    impatient = {"proxy_read_timeout 60s;": "proxy_read_timeout 1s;"}
    with Proxy(tmp_path / "nginx").stand_before([upstream], changed=impatient) as proxy:
        for path, kind in (PLACES[0], PLACES[3], PLACES[-1]):
            require_told(ask(proxy, f"{path}/slow"), 503, kind)
            own = ask(proxy, path)
            assert (own.status_code, own.headers["Retry-After"], own.text) == (503, "17", "own")


@pytest.mark.parametrize("limit", ["requests", "connections"])
def test_who_asks_too_much_is_told_so_in_the_form_of_the_place(tmp_path: Path, upstream: int, limit: str) -> None:
    few = {
        "requests": {"rate=300r/s": "rate=1r/m", "burst=600 nodelay": "nodelay"},
        "connections": {"limit_conn latchstring_connections 100;": "limit_conn latchstring_connections 1;"},
    }[limit]
    with Proxy(tmp_path / "nginx").stand_before([upstream], changed=few) as proxy, ExitStack() as opened:
        if limit == "connections":
            begun = threading.Thread(target=ask, args=(proxy, "/fhir/r4/slow"))
            begun.start()
            opened.callback(begun.join)
            time.sleep(0.5)
        else:
            assert ask(proxy, "/sign-in").text == "own"
        for path, kind in PLACES:
            require_told(ask(proxy, path), 429, kind)


def _stuck(proxy: Proxy) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(proxy.certificates.authority))
    made = context.wrap_socket(socket.create_connection(("127.0.0.1", proxy.port)), server_hostname="localhost")
    made.sendall(b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
    return made
