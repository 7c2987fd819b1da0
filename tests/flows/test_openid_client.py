"""npm openid-client, unmodified, against a running server with two workers."""

import json
import shutil
import subprocess
from typing import Any

from tests.conftest import ROOT, require
from tests.flows.visitor import Visitor
from tests.oauth.desk import CALLBACK, SCOPE, App, Desk

CLIENTS = ROOT / "tests" / "clients"


def complete(desk: Desk, app: App) -> dict[str, Any]:
    """The whole flow by the node script; what it got."""
    node = shutil.which("node")
    require(node, "node is not installed")
    require(
        (CLIENTS / "node_modules" / "openid-client").is_dir(), "run `npm ci` in tests/clients first (npm is needed)"
    )
    assert node
    command = [
        node, "openid_client.mjs", desk.settings.base_url, app.id, app.secret or "", CALLBACK,
        desk.settings.fhir_base, SCOPE,
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=CLIENTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        link = process.stdout.readline().strip()
        if link:
            process.stdin.write(Visitor(desk.account.username).walk(link, CALLBACK) + "\n")
        told, problem = process.communicate(timeout=60)
    assert process.returncode == 0, problem
    got: dict[str, Any] = json.loads(told)
    return got


def test_openid_client_completes_the_flow_as_public_and_as_confidential_app(live_desk: Desk) -> None:
    for app in (live_desk.register(), live_desk.register_confidential()):
        got = complete(live_desk, app)
        assert got["patient"] == got["patientAgain"] == live_desk.member.patient_id
        assert set(got["scope"].split()) == set(SCOPE.split())
        assert got["claims"]["aud"] == app.id and got["user"]["sub"] == got["claims"]["sub"]
        assert got["user"]["fhirUser"].endswith(f"/Patient/{live_desk.member.patient_id}")
        assert got["afterRefresh"] == [401, 200]
        assert got["afterRevocation"] == 401
