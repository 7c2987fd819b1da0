"""`flask sandbox serve`, as `make run` starts it: it answers, tells whom to sign in as, and ends without leftovers."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from service.sandbox.serve import hold_mail_port
from tests.conftest import ROOT, answers, free_port, wait_until

_SERVE = (sys.executable, "-m", "service.sandbox.serve")


def _environment(var: Path, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "BASE_URL", "HOST"}}
    return kept | {"VAR": str(var), "PORT": str(port), "MODE": "sandbox", "SMTP_PORT": str(free_port())}


def test_the_sandbox_serves_pages_and_mail_and_ends_on_sigterm(tmp_path: Path) -> None:
    port, told = free_port(), tmp_path / "told"
    environment = _environment(tmp_path / "var", port)
    with told.open("w") as output:
        serving = subprocess.Popen(_SERVE, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: "What to try" in told.read_text(), 120, "the sandbox did not start")
        wait_until(lambda: answers(int(environment["SMTP_PORT"])), 60, "the mail catcher did not start")
        with urllib.request.urlopen(f"http://localhost:{port}/sign-in", timeout=10) as page:
            assert page.status == 200
    finally:
        serving.send_signal(signal.SIGTERM)
        status = serving.wait(30)

    assert status == 0, told.read_text()
    assert "thomas" in told.read_text() and "helen" in told.read_text()
    assert json.loads((tmp_path / "var" / "sandbox.json").read_text())["base_url"] == f"http://localhost:{port}"
    assert not answers(port) and not answers(int(environment["SMTP_PORT"]))


def test_a_port_that_is_taken_is_told_in_plain_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = subprocess.run(
            _SERVE, cwd=ROOT, env=_environment(tmp_path, port), capture_output=True, text=True, timeout=60
        )

    assert refused.returncode == 1
    assert (
        refused.stderr
        == f"Error: Port {port} is taken. End what uses it, or choose another: make run PORT={port + 1}\n"
    )


def test_two_sandboxes_that_start_at_once_have_mail_ports_of_their_own() -> None:
    wanted = free_port()
    with hold_mail_port(wanted) as first, hold_mail_port(wanted) as second:
        ports = [held.getsockname()[1] for held in (first, second)]

    assert ports[0] == wanted != ports[1]
