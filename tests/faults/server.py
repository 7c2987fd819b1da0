"""A server in a process group of its own, so that all of it can be killed at one moment."""

import os
import signal
import subprocess
import sys
import time

import requests

from bench import UNLIMITED
from service.settings import Settings
from tests.conftest import ROOT

_PATIENCE = 120.0


class Server:
    """granian with two workers for an installation."""

    def __init__(self, settings: Settings, port: int) -> None:
        self._settings, self._port = settings, port
        self._process: subprocess.Popen[bytes] | None = None
        self.url = settings.base_url

    def start(self) -> float:
        """Start it and wait until it says that requests may come; the seconds that took. The schema has to be there."""
        environment = os.environ | {
            "MODE": "sandbox", "VAR": str(self._settings.var), "DATABASE_URL": self._settings.database_url,
            "BASE_URL": self._settings.base_url, "SECRET_KEY": self._settings.secret_key.hex(),
            **UNLIMITED,
        }  # fmt: skip
        began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self._port),
             "--workers", "2", "--blocking-threads", "64", "--log-level", "critical", "wsgi:app"],
            cwd=ROOT, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while not self.is_ready():
            if time.monotonic() - began > _PATIENCE:
                raise TimeoutError("the server did not start again")
            time.sleep(0.05)
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL to the server and both of its workers."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def is_ready(self) -> bool:
        """Whether it says that requests may come: it answers, and so does its database, at a schema that it serves."""
        try:
            return requests.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        except requests.RequestException:
            return False
