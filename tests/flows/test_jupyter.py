"""jupyter-smart-on-fhir, unmodified, in a Jupyter server of its own: launched from the portal for a member."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.conftest import ROOT, answers, free_port, require, wait_until
from tests.flows.visitor import Visitor
from tests.oauth.desk import App, Desk
from tests.oauth.launches import launch_for

_JUPYTER = ROOT / "tests" / "clients" / ".venv" / "bin" / "jupyter-server"
# As its authors configure it.
SCOPES = ["openid", "fhirUser", "launch", "patient/*.*"]


def test_jupyter_is_launched_from_the_portal_and_reads_its_member(live_desk: Desk, tmp_path: Path) -> None:
    require(_JUPYTER.exists(), "jupyter-smart-on-fhir is missing: run `make browser`")
    port, visitor = free_port(), Visitor(live_desk.account.username)
    jupyter = f"http://127.0.0.1:{port}/smart-on-fhir"
    app = live_desk.register(redirect_uris=[f"{jupyter}/callback"], launch_uris=[f"{jupyter}/launch"])
    with _jupyter_server(app, port, tmp_path):
        visitor.sign_in(live_desk.settings.base_url)
        callback = visitor.walk(launch_for(live_desk, live_desk.account, app), f"{jupyter}/callback")
        answer = visitor.browser.get(callback, allow_redirects=False, timeout=30)
    assert answer.is_redirect, (tmp_path / "jupyter.log").read_text("utf-8")
    kept = json.loads((tmp_path / "token.json").read_text("utf-8"))
    patient = kept["token"]["patient"]
    assert patient == live_desk.member.patient_id
    assert visitor.seen == ["Sign in", "Allow"]
    read = requests.get(
        f"{kept['fhir_url']}/Patient/{patient}", timeout=30,
        headers={"Authorization": f"Bearer {kept['token']['access_token']}"},
    )  # fmt: skip
    assert read.json()["name"][0]["family"] == live_desk.member.family_name


@contextmanager
def _jupyter_server(app: App, port: int, folder: Path) -> Iterator[None]:
    """A Jupyter server on `port` that lets everybody in."""
    whole = {
        "ServerApp": {
            "ip": "127.0.0.1", "port": port, "port_retries": 0, "open_browser": False, "allow_root": True,
            "root_dir": str(folder),
        },
        # Its other way to let people in, SMARTIdentityProvider, reads every access token as a JWT; ours are opaque.
        "IdentityProvider": {"token": ""},
        "SMARTExtensionApp": {
            "client_id": app.id, "scopes": SCOPES, "token_file": str(folder / "token.json"),
        },
    }  # fmt: skip
    (folder / "jupyter_server_config.json").write_text(json.dumps(whole), encoding="utf-8")
    environment = {
        "HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder),
        "JUPYTER_DATA_DIR": str(folder), "PATH": str(_JUPYTER.parent),
    }  # fmt: skip
    log = folder / "jupyter.log"
    with log.open("w") as told, subprocess.Popen([_JUPYTER], cwd=folder, env=environment, stderr=told) as process:
        try:
            wait_until(lambda: answers(port), 90, "the Jupyter server did not start")
            yield
        finally:
            process.terminate()
