"""TLS: certificates of the run's own verify, and a server that still speaks TLS 1.1 fails."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import orjson
import pytest

from service import clock
from service.conformance import certificates, own_server, runner
from service.conformance.report import Verdict
from service.conformance.sandbox_file import Account, SandboxFile
from service.conformance.sections import REQUIREMENTS
from service.conformance.trial import Trial
from service.conformance.wire import Wire
from tests.conftest import free_port

TLS = ("transport.old_tls", "transport.modern_tls")


@contextmanager
def tls_server(folder: Path, oldest: ssl.TLSVersion) -> Iterator[Trial]:
    """A server that knows its SMART configuration and nothing else, over TLS from `oldest` on."""
    made, port = certificates.make(folder), free_port()
    base = f"https://localhost:{port}"
    told = orjson.dumps({"authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token"})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """The configuration, whatever was asked."""
            self.send_response(200)
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            """Nothing: tests are quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = oldest
    context.load_cert_chain(made.server, made.key)
    server = HTTPServer(("127.0.0.1", port), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # refused handshakes are what is asked for
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield Trial(Wire(made.authority), SandboxFile(base, Account("a", "b", "p1"), "", ()))
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("oldest", "verdicts"),
    [
        (ssl.TLSVersion.TLSv1_2, {Verdict.PASS: 2}),
        (ssl.TLSVersion.TLSv1_1, {Verdict.PASS: 1, Verdict.FAIL: 1}),
    ],
)
def test_old_tls_is_seen(tmp_path: Path, oldest: ssl.TLSVersion, verdicts: dict[Verdict, int]) -> None:
    with tls_server(tmp_path, oldest) as trial:
        report = runner.run(trial, [one for one in REQUIREMENTS if one.key in TLS])

    assert {verdict: number for verdict, number in report.sums.items() if number} == verdicts


def test_a_certificate_of_another_authority_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = certificates.make(tmp_path / "other")
    with tls_server(tmp_path, ssl.TLSVersion.TLSv1_2) as trial, pytest.raises(runner.Unreachable, match="SSLError"):
        runner.run(Trial(Wire(other.authority), trial.file), REQUIREMENTS)


@pytest.mark.slow
def test_a_moved_clock_of_the_sandbox_at_hand_does_not_reach_the_run_s_own(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("172800", "ascii")
    clock.obey(tmp_path / "clock")
    try:
        with own_server.running(1) as own:
            told = orjson.loads(own.sandbox_file.read_bytes())
            assert Wire(own.ca_file).get(f"{told['base_url']}/sign-in").status == 200
    finally:
        clock.obey(None)
