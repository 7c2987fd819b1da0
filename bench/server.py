"""granian as in production: WSGI, one worker a core, 64 threads each, with the benchmark's routes."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import cpu

ROOT = Path(__file__).parents[1]
WORKERS = len(os.sched_getaffinity(0))
THREADS = 64


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    pid: int

    def resident_megabytes(self) -> list[float]:
        """Memory of each worker now."""
        return sorted(size for pid in cpu.descendants(self.pid) if (size := cpu.resident_megabytes(pid)) > 20)


@contextmanager
def running(environment: Mapping[str, str], port: int, app: str = "bench.app:app") -> Iterator[Server]:
    """granian with `app` on `port` until the block ends."""
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--http", "1", "--no-ws", "--workers", str(WORKERS), "--blocking-threads", str(THREADS),
        "--log-level", "error", "--workers-kill-timeout", "5", app,
    ]  # fmt: skip
    with started(command, environment, port) as found:
        yield found


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str], port: int) -> Iterator[Server]:
    """Whatever server the command starts, once it listens on `port`."""
    process = subprocess.Popen(command, cwd=ROOT, env=dict(environment))
    try:
        _wait_for(port, process)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                # The socket listens before every worker has imported the app.
                time.sleep(2)
                return
        time.sleep(0.1)
    raise RuntimeError("the server did not start")
