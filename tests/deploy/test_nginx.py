"""deploy/nginx.conf: nginx takes it, and a real request comes through it as the product expects it."""

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.settings import Settings
from tests.conftest import running_server
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


def _stuck(proxy: Proxy) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(proxy.certificates.authority))
    made = context.wrap_socket(socket.create_connection(("127.0.0.1", proxy.port)), server_hostname="localhost")
    made.sendall(b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
    return made
