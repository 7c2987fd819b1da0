"""The sandbox as one command: web server, worker and mail catcher under a supervisor, and a table of what to try.

The supervisor itself imports little, so that the web server can begin at once: `make run` starts this module directly.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic

from rich.console import Console

from service.environment import UnsafeSetting
from service.sandbox import guide, handout
from service.sandbox.supervisor import Program, Supervisor
from service.settings import Settings

_ROOT = Path(__file__).parents[2]
_SLOW_START = 60.0
_FLASK = (sys.executable, "-m", "flask", "--app", "wsgi:app")
MAIL_CATCHER = Program("The mail catcher", (*_FLASK, "sandbox", "catch-mail"))
WORKER = Program("The worker", (*_FLASK, "worker", "run"))


class CannotServe(Exception):
    """The sandbox cannot be served; the message says why and what to do."""


class NoSandbox(CannotServe):
    """Invented people with known passwords have no place in production."""

    def __init__(self) -> None:
        super().__init__("This is a production installation (MODE). The sandbox is not for it.")


class CannotPrepare(CannotServe):
    """The process that prepares the sandbox failed; it has said why."""

    def __init__(self) -> None:
        super().__init__("The sandbox could not be prepared; the lines above say why.")


class AddressTaken(CannotServe):
    """Somebody else listens where the web server should."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken. End what uses it, or choose another: make run PORT={port + 1}")


def serve(settings: Settings, *, host: str, port: int, console: Console | None = None) -> None:
    """Run the sandbox on `host` and `port` until SIGTERM or Ctrl-C; made first if there is none."""
    console = console or Console()
    if not settings.sandbox:
        raise NoSandbox
    if _listens(host, port):
        raise AddressTaken(port)
    with ExitStack() as stack:
        held = stack.enter_context(closing(hold_mail_port(settings.smtp_port)))
        settings = replace(settings, smtp_port=held.getsockname()[1])
        _prepare(settings)
        supervisor = Supervisor(_ROOT, environment(settings), console.print)
        supervisor.obey_signals(stack)
        stack.callback(supervisor.stop)
        supervisor.start(web_server(host, port))
        if supervisor.watch(until=_Answer(host, port, console)):
            held.close()
            # Only now, so that nothing slows the first page.
            supervisor.start(MAIL_CATCHER)
            guide.show(console, handout.read(settings))
            # A new sandbox has mail to deliver at once: the worker begins when somebody takes it.
            if supervisor.watch(until=lambda: _listens(settings.smtp_host, settings.smtp_port)):
                supervisor.start(WORKER)
                supervisor.watch()
    console.print("Latchstring has stopped.")


def _prepare(settings: Settings) -> None:
    """Let a process of its own prepare what is missing; raises CannotPrepare when it could not."""
    if handout.is_current(settings):
        return
    command = (*_FLASK, "sandbox", "prepare")
    if subprocess.run(command, cwd=_ROOT, env=environment(settings)).returncode:  # noqa: S603 (the command is ours)
        raise CannotPrepare


def web_server(host: str, port: int) -> Program:
    """granian with one worker a core, of whose 64 threads four work at once (docs/decisions/0010 and 0097)."""
    return Program("The web server", (
        sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--host", host,
        "--port", str(port), "--workers", str(_cores()), "--blocking-threads", "64", "--respawn-failed-workers",
        "--log-level", "error", "--workers-kill-timeout", "5", "wsgi:app",
    ))  # fmt: skip


def environment(settings: Settings) -> Mapping[str, str]:
    """The environment of the programs: ours, with what was settled here."""
    return os.environ | {
        "MODE": settings.mode.value,
        "BASE_URL": settings.base_url,
        "VAR": str(settings.var),
        "DATABASE_URL": settings.database_url,
        "SMTP_HOST": settings.smtp_host,
        "SMTP_PORT": str(settings.smtp_port),
        "PYTHONUNBUFFERED": "1",
    }


class _Answer:
    """Whether the web server answers yet; says so once when it takes unusually long."""

    def __init__(self, host: str, port: int, console: Console) -> None:
        self._host, self._port, self._console = host, port, console
        self._late = monotonic() + _SLOW_START

    def __call__(self) -> bool:
        if _answers(self._host, self._port):
            return True
        if monotonic() > self._late:
            self._late = float("inf")
            self._console.print("The web server has not answered for a minute; its messages above say why.")
        return False


def _listens(host: str, port: int) -> bool:
    target = _reachable(host)
    with closing(socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET)) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((target, port)) == 0


def _answers(host: str, port: int) -> bool:
    """Whether a page comes: granian's socket listens long before its workers have read the application."""
    with closing(HTTPConnection(_reachable(host), port, timeout=0.5)) as connection:
        try:
            connection.request("HEAD", "/sign-in")
            return connection.getresponse().status < 500
        except (OSError, HTTPException):
            return False


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)


def hold_mail_port(wanted: int) -> socket.socket:
    """A socket that keeps the wanted port, or a free one when another sandbox has it, until the mail catcher takes it.

    It listens: making a plan takes a while, in which another sandbox that starts would find the port free, and one of
    them would receive the other's mail.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("127.0.0.1", wanted))
        held.listen()
    except OSError:
        held.close()
        held = socket.socket()
        held.bind(("127.0.0.1", 0))
        held.listen()
    return held


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> None:
    """Serve on HOST and PORT, as the environment says."""
    try:
        serve(
            Settings.from_environment(),
            host=os.environ.get("HOST", "127.0.0.1"),
            port=int(os.environ.get("PORT", "8000")),
        )
    except (CannotServe, UnsafeSetting) as refused:
        sys.exit(f"Error: {refused}")


if __name__ == "__main__":
    main()
