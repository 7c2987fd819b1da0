"""A sandbox of the run's own, served over TLS on the loopback interface, and gone with all it held afterwards."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from urllib3.exceptions import HTTPError

from service import clock
from service.conformance import certificates
from service.conformance.certificates import Certificates
from service.conformance.wire import Wire

_ROOT = Path(__file__).parents[2]
_FLASK = (sys.executable, "-m", "flask", "--app", "wsgi:app")
_LONGEST_START = 180.0
_KEYS = {"SECRET_KEY", "SECRET_KEY_FILE", "SECRET_KEY_PREVIOUS", "SECRET_KEY_PREVIOUS_FILE"}


class NoServer(Exception):
    """The server could not be prepared or did not answer; what it said stands above."""


@dataclass(frozen=True)
class OwnServer:
    """Where its hand-out lies and whom to trust."""

    sandbox_file: Path
    ca_file: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def load(self, data: Path) -> None:
        """Load a folder of FHIR files with members.csv, whose members can sign in from now on. Raises NoServer."""
        _run("fhir", "load", str(data.resolve()), environment=self.environment)
        _run("sandbox", "add-members", str(data.resolve()), environment=self.environment)


@contextmanager
def running(members: int) -> Iterator[OwnServer]:
    """Make a plan of so many members, serve it, and end it, on SIGTERM too. Raises NoServer."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # The installation at hand may be a sandbox whose clock somebody moved. The one made here keeps true time.
    clock.obey(None)
    with TemporaryDirectory(prefix="latchstring-conformance-") as folder:
        place, port = Path(folder), _free_port()
        made, environment = certificates.make(place), _environment(place, port)
        _run("sandbox", "create", "--members", str(members), environment=environment)
        process = subprocess.Popen(_command(port, made), cwd=_ROOT, env=environment)  # noqa: S603 (ours)
        # Exports are made in the background.
        worker = subprocess.Popen((*_FLASK, "worker", "run"), cwd=_ROOT, env=environment)  # noqa: S603 (ours)
        try:
            _wait_for(Wire(made.authority), f"{environment['BASE_URL']}/sign-in", process)
            yield OwnServer(place / "sandbox.json", made.authority, environment)
        finally:
            for one in (process, worker):
                one.send_signal(signal.SIGTERM)
            for one in (process, worker):
                one.wait(30)


def _environment(place: Path, port: int) -> Mapping[str, str]:
    """Ours without what names another installation."""
    others = {"DATABASE_URL", *_KEYS, "PLAN_FILE", "HOST", "PORT"}
    kept = {name: value for name, value in os.environ.items() if name not in others}
    return kept | {"MODE": "sandbox", "VAR": str(place), "BASE_URL": f"https://localhost:{port}"}


def _command(port: int, made: Certificates) -> tuple[str, ...]:
    return (
        sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--host", "127.0.0.1",
        "--port", str(port), "--workers", "2", "--blocking-threads", "64", "--log-level", "error",
        "--workers-kill-timeout", "5", "--ssl-certificate", str(made.server), "--ssl-keyfile", str(made.key),
        "--ssl-protocol-min", "tls1.2", "wsgi:app",
    )  # fmt: skip


def _run(*arguments: str, environment: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 (the command is ours)
        (*_FLASK, *arguments), cwd=_ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    if done.returncode:
        raise NoServer("What the run needs could not be made; the lines above say why.")


def _wait_for(wire: Wire, url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + _LONGEST_START
    while process.poll() is None and monotonic() < deadline:
        try:
            if wire.get(url).status < 500:
                return
        except HTTPError:
            sleep(0.2)
    raise NoServer("The server for the run did not answer.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
