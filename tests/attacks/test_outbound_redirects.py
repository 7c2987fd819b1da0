"""Case 156 of security.md where a page sends on: each address is looked at as the first one was."""

import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from service import outbound
from service.outbound import AddressRefused, ServerFailed
from tests.attacks.test_outbound import tls_server
from tests.oauth.keyed import redirect_to


def page(request: BaseHTTPRequestHandler) -> None:
    """What stands at the end of the redirects."""
    body = b"We share nothing."
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[tuple[str, int]]]]:
    """Public servers by name: what each answers is given, and whom we connected to comes back."""
    connect = socket.create_connection
    names = {"policy.example": "8.8.8.8", "www.policy.example": "8.8.4.4", "inside.example": "10.0.0.1"}
    with tls_server(tmp_path, *names) as (server, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        port, connected = int(server.url.rpartition(":")[2].partition("/")[0]), []

        def to_our_server(address: tuple[str, int], **given: Any) -> socket.socket:
            connected.append(address)
            return connect(("127.0.0.1", port), **given)

        def look_up(host: str, at: int, *_: object, **__: object) -> list[Any]:
            found = names.get(host, host if host[0].isdigit() else "127.0.0.1")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, at))]

        monkeypatch.setattr(socket, "create_connection", to_our_server)
        monkeypatch.setattr(socket, "getaddrinfo", look_up)

        def serve(*answers: Callable[[BaseHTTPRequestHandler], None]) -> list[tuple[str, int]]:
            connected.clear()
            left = list(answers)
            server.answer = lambda request: left.pop(0)(request)
            return connected

        yield serve


def read_page(address: str = "https://policy.example/privacy") -> bytes:
    return outbound.get(address, accept="*/*", loopback=False, limits=outbound.FOR_PAGES).body


def test_a_page_is_read_where_its_address_sends_on_to(public: Callable[..., list[tuple[str, int]]]) -> None:
    onward = redirect_to("https://www.policy.example/privacy#top", 301), redirect_to("/en/privacy", 308), page
    connected = public(*onward)
    assert read_page() == b"We share nothing."
    assert connected == [("8.8.8.8", 443), ("8.8.4.4", 443), ("8.8.4.4", 443)]
    public(*[redirect_to("/again")] * 4)
    with pytest.raises(ServerFailed, match="sends on"):
        read_page()
    public(redirect_to("https://www.policy.example/privacy", 301), page)
    with pytest.raises(ServerFailed, match="sends on"):
        outbound.get("https://policy.example/keys", accept="*/*", loopback=False)


@pytest.mark.parametrize(
    "onward",
    [
        "https://localhost/", "https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest",
        "https://inside.example/", "//127.0.0.1:8443/", "http://policy.example/", "http://127.0.0.1/", "file:///etc/passwd",
        "https://2130706433/", "https://policy.example@127.0.0.1/", "https://[::1/", "gopher://policy.example/",
    ],
)  # fmt: skip
def test_case_156_each_address_sent_on_to_is_looked_at_as_the_first(
    public: Callable[..., list[tuple[str, int]]], onward: str
) -> None:
    connected = public(redirect_to(onward, 301), page)
    with pytest.raises(AddressRefused):
        read_page()
    assert connected == [("8.8.8.8", 443)]
    connected = public(redirect_to("https://www.policy.example/"), redirect_to(onward), page)
    with pytest.raises(AddressRefused):
        read_page()
    assert connected == [("8.8.8.8", 443), ("8.8.4.4", 443)]
