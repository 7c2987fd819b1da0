"""Cases 45 and 156 of security.md: no address that a stranger gives leads into our network, or holds us up."""

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask
from sqlalchemy import delete, update

from oauth.apps import policy_watch, registration
from oauth.apps.clients import AuthMethod, BackendBasis, ClientKind, ClientRefused
from oauth.apps.models import PolicyWatch
from oauth.apps.registration import Registration
from oauth.models import FetchedKeySet
from oauth.webhooks import endpoints
from service import outbound
from service.app import create_app
from service.outbound import AddressRefused, NotFetched, ServerFailed
from service.settings import Mode, Settings
from tests.factories import make_app, make_client, make_developer
from tests.oauth.desk import Desk
from tests.oauth.keyed import KeyServer, Program, drip, flood, key_server, redirect_to, register_keyed

INSIDE = (
    "127.0.0.1", "127.8.8.8", "[::1]", "localhost", "169.254.169.254", "[fe80::1]", "10.0.0.1",
    "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "0.0.0.0", "[::]", "224.0.0.1", "239.1.1.1",
    "[ff02::1]", "[fd12::1]", "[fec0::1]", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "[2001:db8::1]",
    "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:8.8.8.8]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[64:ff9b::a00:1]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[2001:0:7f00:1::]",
)  # fmt: skip
SPELLINGS = (
    "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1", "127.0.0.1.",
    "0x7f.1", "134744072", "010.8.8.8", "8.8.2056", "8.8.8.08", "1.2.3.4.5", "256.1.1.1", "0x", "a.0x1",
)  # fmt: skip
MALFORMED = (
    "", "https://", "https:///path", "//keys.example", "keys.example", "ftp://keys.example/", "file:///etc/passwd",
    "gopher://keys.example/", "http://keys.example/", "https://user@keys.example/", "https://user:pw@keys.example/",
    "https://keys.example/#part", "https://keys.example\\@127.0.0.1/", "https://keys.example:99999/",
    "https://keys.example:port/", "https://[::1/", "https://keys example/", "https://keys.example/\r\nHost: x",
    "https://keys.example/\x00", "https://\uff4beys.example/", "https://-keys.example/", "https://keys..example/",
    "https://" + "a" * 64 + ".example/", "https://" + "x" * 2_000,
)  # fmt: skip


def refusal(address: str, *, loopback: bool = False) -> str:
    """Why nothing is fetched from there."""
    with pytest.raises(AddressRefused) as refused:
        outbound.get(address, accept="*/*", loopback=loopback)
    return refused.value.reason


@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Whoever connects is noted, and gets nowhere."""
    noted: list[object] = []

    def connect(address: object, *_: object, **__: object) -> None:
        noted.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    return noted


def test_case_156_no_address_inside_is_connected_to(no_connection: list[object]) -> None:
    for host in INSIDE:
        for port in ("", ":8443"):
            assert "public internet" in refusal(f"https://{host}{port}/keys"), host
    for host in SPELLINGS:
        assert "usual spelling" in refusal(f"https://{host}/keys"), host
        assert "usual spelling" in refusal(f"http://{host}/keys", loopback=True), host
    for address in MALFORMED:
        assert refusal(address)
    assert no_connection == []


def test_case_156_only_a_sandbox_at_loopback_reaches_it(settings: Settings) -> None:
    own = (
        "http://localhost",
        "http://localhost:8000",
        "http://127.0.0.1:8000",
        "http://[::1]:8000",
        "https://127.0.0.1",
    )
    for base_url in own:
        assert replace(settings, base_url=base_url).reaches_loopback, base_url
        assert not replace(settings, base_url=base_url, mode=Mode.PRODUCTION).reaches_loopback
    for base_url in (
        "https://sandbox.plan.example",
        "https://localhost.plan.example",
        "https://10.0.0.1",
        "https://[::]",
    ):
        assert not replace(settings, base_url=base_url).reaches_loopback, base_url


def test_case_156_a_sandbox_open_to_others_is_no_way_to_its_own_machine(app: Flask) -> None:
    desk = Desk(app)
    with key_server() as server:
        program = register_keyed(desk, jwks_uri=server.url)
        with desk.session() as session:
            developer = make_developer(session)
            named, _secret = make_app(session, developer, desk.settings)
            session.execute(update(FetchedKeySet).values(fresh_until=datetime.datetime.fromtimestamp(1, datetime.UTC)))
            make_client(session, desk.settings, policy_uri=server.url.replace("127.0.0.1", "localhost"))
        server.asked.clear()
        public = replace(desk.settings, base_url="https://sandbox.plan.example")
        opened = Desk(create_app(public, desk.app.extensions["latchstring"].engine))
        for address in (server.url, server.url.replace("http:", "https:"), "https://localhost/keys"):
            with desk.session() as session, pytest.raises(ClientRefused):
                registration.replace_keys(session, program.id, jwks=None, jwks_uri=address, settings=public)
            with desk.session() as session, pytest.raises(endpoints.AddressNotTaken):
                endpoints.set_address(session, session.merge(developer), named.id, address, settings=public)
        proof = Program(opened, program.app, program.pair).proof()
        assert opened.app.test_client().post("/oauth/revoke", data=proof, base_url=public.base_url).status_code == 401
        policy_watch.run(desk.app.extensions["latchstring"].sessions, public)
        assert server.asked == []
        with desk.session() as session:
            session.execute(delete(PolicyWatch))
        policy_watch.run(desk.app.extensions["latchstring"].sessions, desk.settings)
        assert len(server.asked) == 1, "the test would see it"


def test_case_156_without_loopback_there_is_no_plain_http_either() -> None:
    with key_server() as server:
        assert "https://" in refusal(server.url)
        assert "public internet" in refusal(server.url.replace("http:", "https:"))
        assert server.asked == []
        assert outbound.get(server.url, accept="*/*", loopback=True).status == 200


def test_case_156_loopback_is_opened_and_nothing_else(no_connection: list[object]) -> None:
    for host in INSIDE:
        if host in {"127.0.0.1", "127.8.8.8", "[::1]", "localhost"}:
            continue
        for scheme in ("http", "https"):
            assert refusal(f"{scheme}://{host}/", loopback=True), host
    assert no_connection == []


def resolver(*answers: list[str]) -> tuple[Callable[..., Any], list[str]]:
    """A resolver that gives these addresses, one list a question, and the names it was asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        given = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in given]

    return getaddrinfo, asked


def test_case_045_what_was_looked_at_is_what_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, no_connection: list[object]
) -> None:
    rebinding, asked = resolver(["8.8.8.8"], ["127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(ServerFailed):
        outbound.get("https://rebinding.example/keys", accept="*/*", loopback=True)
    assert asked == ["rebinding.example"], "a name is resolved once"
    assert no_connection == [("8.8.8.8", 443)]


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
def test_case_045_a_name_with_one_address_inside_is_refused_whole(
    monkeypatch: pytest.MonkeyPatch, no_connection: list[object], inside: str
) -> None:
    for answers in (["8.8.8.8", inside], [inside, "8.8.8.8"], [inside]):
        monkeypatch.setattr(socket, "getaddrinfo", resolver(answers)[0])
        assert "public internet" in refusal("https://two-faced.example/keys")
    assert no_connection == []


def test_a_resolver_that_takes_its_time_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    until = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: until.wait(30) and [])
    begun = time.monotonic()
    with pytest.raises(ServerFailed, match="in time"):
        outbound.get("https://slow.example/", accept="*/*", loopback=False)
    assert time.monotonic() - begun < 4
    until.set()


def slow_head(request: BaseHTTPRequestHandler) -> None:
    """Headers that come byte by byte."""
    for _ in range(120):
        request.wfile.write(b"X")
        request.wfile.flush()
        time.sleep(0.5)


def endless_head(request: BaseHTTPRequestHandler) -> None:
    """Headers without end."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000_000):
        request.wfile.write(b"X-%d: %s\r\n" % (number, b"x" * 1_000))


def silence(_request: BaseHTTPRequestHandler) -> None:
    """Nothing at all."""
    time.sleep(5)


def lying_length(request: BaseHTTPRequestHandler) -> None:
    """A whole gigabyte is promised."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    for _ in range(20_000):
        request.wfile.write(b"x" * 50_000)


def junk(request: BaseHTTPRequestHandler) -> None:
    """Not HTTP."""
    request.wfile.write(b"220 mail.example ESMTP\r\n")


def status(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    """Only a status."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


@pytest.mark.parametrize(
    "answer",
    [flood, drip, slow_head, endless_head, silence, lying_length, junk, status(404), status(500), status(101),
     redirect_to("http://127.0.0.1/"), redirect_to("https://169.254.169.254/latest")],
)  # fmt: skip
def test_case_156_whatever_a_server_does_it_takes_three_seconds_and_64_kb(
    answer: Callable[[BaseHTTPRequestHandler], None],
) -> None:
    with key_server() as server:
        server.answer = answer
        begun = time.monotonic()
        for send in (
            lambda: outbound.get(server.url, accept="*/*", loopback=True),
            lambda: outbound.post(server.url, b"{}", content_type="application/json", loopback=True),
        ):
            with pytest.raises(ServerFailed):
                send()
        assert time.monotonic() - begun < 8
        assert len(server.asked) == 2


def test_a_body_of_64_kb_is_taken_and_one_byte_more_is_not() -> None:
    def of(length: int) -> Callable[[BaseHTTPRequestHandler], None]:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.end_headers()
            request.wfile.write(b"x" * length)

        return answer

    with key_server() as server:
        server.answer = of(outbound.FOR_PROGRAMS.most_bytes)
        assert len(outbound.get(server.url, accept="*/*", loopback=True).body) == outbound.FOR_PROGRAMS.most_bytes
        server.answer = of(outbound.FOR_PROGRAMS.most_bytes + 1)
        with pytest.raises(ServerFailed, match="64 kB"):
            outbound.get(server.url, accept="*/*", loopback=True)


def test_a_post_brings_its_body_and_headers_and_asks_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    got: list[bytes] = []

    def keep(request: BaseHTTPRequestHandler) -> None:
        got.append(request.rfile.read(int(request.headers["Content-Length"])))
        status(204)(request)

    with key_server() as server:
        server.answer = keep
        answer = outbound.post(
            f"{server.url}?a=b", b"event", content_type="application/json", headers={"X-Signature": "s"}, loopback=True
        )
        ((path, headers),) = server.asked
    assert answer.status == 204 and answer.body == b"" and got == [b"event"]
    assert path == "/keys?a=b" and headers["X-Signature"] == "s" and headers["Content-Type"] == "application/json"


@contextmanager
def tls_server(folder: Path, *names: str) -> Iterator[tuple[KeyServer, Path]]:
    """A server over TLS at localhost with a certificate of its own, for further names too; that certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    at = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(1).not_valid_before(at - datetime.timedelta(days=1))
        .not_valid_after(at + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, ("localhost", *names)))), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, private = folder / "server.pem", folder / "server.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    with key_server(tls=context) as server:
        server.url = server.url.replace("127.0.0.1", "localhost")
        yield server, certificate


def test_case_156_a_certificate_must_prove_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tls_server(tmp_path) as (server, certificate):
        address = server.url
        with pytest.raises(ServerFailed, match="certificate"):
            outbound.get(address, accept="*/*", loopback=True)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert outbound.get(address, accept="*/*", loopback=True).status == 200
        with pytest.raises(ServerFailed, match="certificate"):
            outbound.get(address.replace("localhost", "127.0.0.1"), accept="*/*", loopback=True)


def test_case_045_an_address_inside_is_refused_at_registration(app: Flask) -> None:
    desk = Desk(app)
    production = replace(desk.settings, mode=Mode.PRODUCTION, base_url="https://plan.example", testing=True)
    with key_server() as server:
        for address in (server.url, *(f"https://{host}/keys" for host in (*INSIDE[:12], *SPELLINGS[:4]))):
            app_told = Registration(
                name="Quality Desk", developer_name="Reporting", kind=ClientKind.BACKEND,
                token_endpoint_auth_method=AuthMethod.PRIVATE_KEY, backend_basis=BackendBasis.PLAN,
                scopes="system/*.rs", jwks_uri=address,
            )  # fmt: skip
            with desk.session() as session, pytest.raises(ClientRefused):
                registration.register(session, app_told, settings=production)
        assert server.asked == []


def test_a_refusal_tells_nothing_of_our_network() -> None:
    reasons = {refusal(f"https://{host}/") for host in INSIDE}
    assert len(reasons) == 1
    assert issubclass(AddressRefused, NotFetched)
