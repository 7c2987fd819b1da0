"""Other people's FHIR clients, unmodified: they page through a record, search it and follow its references."""

import json
import subprocess
from typing import Any

from consent.policy import plan_system
from fhir.loading import ingest
from tests.conftest import ROOT, require
from tests.fhir import records
from tests.flows import node_client
from tests.oauth.desk import Desk

_CLIENTS = ROOT / "tests" / "clients"
_PYTHON = _CLIENTS / ".venv" / "bin" / "python"
_CLAIMS = 25
_SINCE = "2026-03-20"


def test_fhirpy_pages_through_searches_and_follows(live_desk: Desk) -> None:
    installed = subprocess.run([str(_PYTHON), "-c", "import fhirpy"], capture_output=True, check=False)
    require(_PYTHON.exists() and not installed.returncode, "fhirpy is missing: run `make browser`")
    asked = _record(live_desk)

    command = [str(_PYTHON), str(_CLIENTS / "fhirpy_pages.py"), json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert sorted(told["all"]) == sorted(told["iterated"]) == _ids(live_desk)
    assert (told["first_page"], told["count"]) == (10, _CLAIMS)
    assert sorted(told["some"]) == _ids(live_desk, since=20)
    assert told["one"] == asked["one"]
    assert told["included"] == ["clinic"]
    assert told["patient"] == told["named"] == live_desk.member.patient_id


def test_npm_fhirclient_pages_through_searches_and_follows(live_desk: Desk) -> None:
    told = node_client.run("fhirclient_pages.mjs", _record(live_desk), lambda address: address)

    assert told["pages"] == 3
    assert sorted(told["all"]) == _ids(live_desk)
    assert sorted(told["some"]) == _ids(live_desk, since=20)
    assert told["patient"] == live_desk.member.patient_id
    assert told["provider"] == "clinic"


def _record(desk: Desk) -> dict[str, Any]:
    """Loads a member's claims of so many days of March, and what a client is told of them."""
    mine = desk.member.patient_id
    claims = [
        records.claim(one, mine, day=f"2026-03-{day:02}", provider=records.to("Organization/clinic"))
        for day, one in _claims(desk)
    ]
    some = [{"resourceType": "Organization", "id": "clinic", "active": True, "name": "Clinic"}, *claims]
    engine = desk.app.extensions["latchstring"].engine
    assert ingest.load_resources(engine, some, access=plan_system("tests")).rejected == 0
    token = desk.connect(desk.register())["access_token"]
    base = desk.settings.fhir_base
    return {"fhirBase": base, "token": token, "patient": mine, "since": _SINCE, "one": claims[0]["id"]}


def _ids(desk: Desk, since: int = 1) -> list[str]:
    return sorted(one for day, one in _claims(desk) if day >= since)


def _claims(desk: Desk) -> list[tuple[int, str]]:
    return [(day, f"claim-{day}-{desk.member.patient_id}") for day in range(1, _CLAIMS + 1)]
