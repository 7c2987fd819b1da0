"""The web server's command in deploy/: the same for systemd and the image, and many idle clients keep nobody out."""

import json
import shlex
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
import requests
import yaml

from service.settings import Settings
from tests.conftest import free_port, running_server
from tests.deploy.test_files import DEPLOY, unit

_STARTS = (b"", b"GET /sign-in HTTP/1.1\r\nHost: 127.")


def of_unit() -> list[str]:
    """Options of the web server under systemd, without where it listens."""
    words = shlex.split(unit(DEPLOY / "latchstring.service")["Service"]["ExecStart"])
    return _without_address(words[1:-1])


def of_image() -> list[str]:
    """The same of the image."""
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    words = json.loads(text[text.rindex("CMD [") + 4 :])
    return _without_address(words[1:-1])


def _without_address(words: list[str]) -> list[str]:
    found = words.copy()
    for name in ("--host", "--port"):
        at = found.index(name)
        del found[at : at + 2]
    return found


def test_the_image_runs_what_systemd_runs() -> None:
    assert of_image() == of_unit()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("engine")
def test_case_161_three_hundred_idle_clients_a_worker_keep_no_probe_waiting(settings: Settings) -> None:
    with running_server(settings, options=of_unit()) as server, ExitStack() as opened:
        # Until both workers listen.
        assert requests.get(f"{server.url}/health/live", timeout=60).status_code == 200
        for number in range(600):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            client.sendall(_STARTS[number % 2])
        for path in ("/health/live", "/sign-in") * 5:
            began = time.monotonic()
            assert requests.get(server.url + path, timeout=60).status_code == 200
            # Shown out they are after 30 seconds: nobody waits for that, however busy the machine is.
            assert time.monotonic() - began < 15, path


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("engine")
def test_the_health_check_of_compose_tells_whether_the_server_answers(settings: Settings) -> None:
    web = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["web"]
    _cmd, _python, option, program = web["healthcheck"]["test"]

    def checked(port: int) -> int:
        asked = [sys.executable, option, program.replace(":8000", f":{port}")]
        return subprocess.run(asked, capture_output=True, check=False).returncode

    assert checked(free_port()) != 0
    with running_server(settings) as server:
        assert checked(server.port) == 0
