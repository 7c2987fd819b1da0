"""Whose a reference with an address is: ours below a base of ours or of the load, nobody's elsewhere (security 84)."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from consent.policy import Access
from fhir import bases
from fhir.compartment import foreign_names, names_member
from fhir.loading import ingest, own_addresses
from tests.fhir import records
from tests.fhir.conftest import Api
from tests.fhir.test_plan_base import issue, program
from tests.oauth.desk import Desk

ELSEWHERE = "https://elsewhere.example/fhir"


def _load(engine: Engine, system: Access, folder: Path, *resources: Any, source_base: str = "") -> ingest.LoadSummary:
    path = folder / "all.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in resources))
    checks = ingest.Checks(bases=(source_base,) if source_base else ())
    return ingest.load(engine, [path], access=system, checks=checks, rejects=folder / "rejected.ndjson")


def _observation(patient: str, **given: Any) -> dict[str, Any]:
    return records.observation("o-1", "p") | {"subject": {"reference": patient}} | given


@pytest.mark.parametrize("tail", ["", "/_history/2"])
def test_a_patient_on_another_server_is_none_of_ours(
    engine: Engine, system: Access, tmp_path: Path, tail: str
) -> None:  # fmt: skip
    told = _load(engine, system, tmp_path, records.patient("p"), _observation(f"{ELSEWHERE}/Patient/p{tail}"))

    assert (told.added, told.rejected) == (1, 1)
    assert "Observation.subject: patient. This patient is at an address that is not ours" in str(told.problems[0])
    reject = json.loads((tmp_path / "rejected.ndjson").read_text())
    assert reject["resource"]["subject"]["reference"] == f"{ELSEWHERE}/Patient/p{tail}", "as it came, to be corrected"


def test_the_base_of_a_load_is_where_its_references_lead(engine: Engine, system: Access, tmp_path: Path) -> None:
    resources = (records.patient("p"), _observation(f"{ELSEWHERE}/Patient/p"))
    told = _load(engine, system, tmp_path, *resources, source_base=ELSEWHERE + "/")
    assert (told.added, told.rejected) == (2, 0)

    neighbour = _observation("https://elsewhere.example/fhir2/Patient/p", id="o-2")
    assert _load(engine, system, tmp_path, neighbour, source_base=ELSEWHERE).rejected == 1


def test_what_is_included_is_ours(api: Api, engine: Engine, system: Access) -> None:
    here = {"reference": "Practitioner/doctor"}
    there = {"reference": f"{ELSEWHERE}/Practitioner/doctor", "display": "Dr. Elsewhere"}
    resources = [
        {"resourceType": "Practitioner", "id": "doctor"},
        records.observation("near", api.patient_id, performer=[here]),
        records.observation("far", api.patient_id, performer=[there]),
    ]
    assert ingest.load_resources(engine, resources, access=system).rejected == 0

    def found(query: str) -> set[str]:
        return {one["resource"]["id"] for one in api.get(f"Observation?{query}").get_json().get("entry", [])}

    assert found("_id=near&_include=Observation:performer") == {"near", "doctor"}
    assert found("_id=far&_include=Observation:performer") == {"far"}
    assert found("performer=Practitioner/doctor") == {"near"}


def test_the_plans_programs_are_held_to_it(desk: Desk) -> None:
    plan = program(desk)
    plan.call("PUT", "/Patient/p", records.patient("p"))
    refused = plan.call("PUT", "/Observation/o-1", _observation(f"{ELSEWHERE}/Patient/p"))
    assert issue(refused) == (422, "business-rule")

    for base in bases.own(desk.settings.base_url):
        made = plan.call("PUT", "/Observation/o-1", _observation(f"{base}/Patient/p"))
        assert made.status_code in {200, 201}
        assert made.get_json()["subject"] == {"reference": "Patient/p"}


def test_only_references_are_made_relative() -> None:
    told = json.dumps({
        "reference": f"{ELSEWHERE}/Patient/p", "url": f"{ELSEWHERE}/Patient/p",
        "div": f'"reference":"{ELSEWHERE}/Patient/p"',
    })  # fmt: skip
    for text in (told, told.replace("/", "\\/")):
        made = json.loads(own_addresses.relative(text.encode(), (ELSEWHERE,)))
        assert made == json.loads(told) | {"reference": "Patient/p"}
        assert own_addresses.relative(text.encode(), ()) == text.encode()


def test_people_elsewhere_are_people_still() -> None:
    """Their names go as those of other members do, and what everybody sees refers to none of them."""
    other = {"reference": f"{ELSEWHERE}/Patient/p", "display": "Somebody"}

    assert foreign_names([other], "p", frozenset()) == [other]
    assert names_member({"resourceType": "Organization", "extension": [{"valueReference": other}]})
