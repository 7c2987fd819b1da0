"""smart-fetch, unmodified: it exports a group in bulk and fetches what the records refer to."""

import gzip
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from consent.policy import plan_system
from fhir.bulk import groups
from fhir.bulk.models import GroupKind
from fhir.loading import ingest
from tests.conftest import ROOT, require, running_worker
from tests.fhir import records
from tests.fhir.conftest import OTHER
from tests.oauth.desk import Desk
from tests.oauth.keyed import register_backend

_SMART_FETCH = ROOT / "tests" / "clients" / ".venv" / "bin" / "smart-fetch"


@pytest.mark.slow
def test_smart_fetch_exports_a_group_and_what_it_refers_to(live_desk: Desk, tmp_path: Path) -> None:
    require(_SMART_FETCH.exists(), "smart-fetch is missing: run `make browser`")
    mine, program = live_desk.member.patient_id, register_backend(live_desk)
    prescription = {
        "resourceType": "MedicationRequest", "id": f"rx-{mine}", "status": "active", "intent": "order",
        "subject": records.to(f"Patient/{mine}"), "medicationReference": records.to("Medication/pill"),
        "requester": records.to("Practitioner/doctor"),
    }  # fmt: skip
    pill = {"resourceType": "Medication", "id": "pill", "code": records.concept(records.SNOMED, "1")}
    some = [*records.shared(), pill, *records.record_of(mine), prescription, *records.record_of(OTHER)]
    engine = live_desk.app.extensions["latchstring"].engine
    assert ingest.load_resources(engine, some, access=plan_system("tests")).rejected == 0
    with live_desk.session() as session:
        groups.load(session, "clinic", "Clinic", GroupKind.PLAN, [live_desk.member.member_number])
    key = tmp_path / "key.jwks"
    key.write_text(json.dumps({"keys": [program.pair.key.as_dict(private=True) | {
        "alg": program.pair.algorithm, "kid": program.pair.kid, "key_ops": ["sign"],
    }]}))  # fmt: skip
    command = [
        str(_SMART_FETCH), "export", "--fhir-url", live_desk.settings.fhir_base, "--smart-client-id", program.id,
        "--smart-key", str(key), "--group", "clinic", "--type", "Patient,Observation,MedicationRequest",
        str(tmp_path / "out"),
    ]  # fmt: skip
    environment = os.environ | {"HOME": str(tmp_path), "NO_COLOR": "1"}
    with running_worker(live_desk.settings):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = _lines(tmp_path / "out")
    assert {one["id"] for one in found["Patient"]} == {mine}
    assert {one["id"] for one in found["Observation"]} == {f"lab-{mine}", f"pulse-{mine}"}
    assert {one["id"] for one in found["MedicationRequest"]} == {f"rx-{mine}"}
    assert {one["id"] for one in found["Practitioner"]} == {"doctor"}, "read one by one where a record refers to it"
    assert {one["id"] for one in found["Medication"]} == {"pill"}


def _lines(folder: Path) -> dict[str, list[Any]]:
    """The resources of each type, in the newest files that it made."""
    found: dict[str, list[Any]] = {}
    for path in sorted(folder.glob("*.ndjson.gz")):
        lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        found.setdefault(path.name.partition(".")[0], []).extend(lines)
    return found
