"""What comes along with the matches of a search, and the scopes that it needs."""

from collections.abc import Callable

from sqlalchemy import Engine

from consent.policy import Access
from fhir.loading import ingest
from fhir.search import query
from tests.fhir import records
from tests.fhir.conftest import Api, entries, ids


def test_what_claims_refer_to_comes_along(api: Api) -> None:
    def included(query: str) -> set[str]:
        answer = api.get(f"ExplanationOfBenefit?_id=eob-1-{api.patient_id}&{query}")
        assert ids(answer) == [f"eob-1-{api.patient_id}"]
        return {f"{one['resourceType']}/{one['id']}" for one in entries(answer, "include")}

    mine, cov = f"Patient/{api.patient_id}", f"Coverage/cov-{api.patient_id}"
    assert included("_include=ExplanationOfBenefit:patient") == {mine}
    assert included("_include=ExplanationOfBenefit:provider") == {"Organization/clinic"}
    assert included("_include=ExplanationOfBenefit:care-team") == {"Practitioner/doctor"}
    assert included("_include=ExplanationOfBenefit:insurer") == {"Organization/payer"}
    assert included("_include=ExplanationOfBenefit:coverage") == {cov}
    everything = {mine, cov, "Organization/clinic", "Organization/payer", "Practitioner/doctor"}
    assert included("_include=ExplanationOfBenefit:*") == everything
    assert included("_include=*") == everything
    chained = "_include=ExplanationOfBenefit:coverage&_include:iterate=Coverage:payor"
    assert included(chained) == {cov, "Organization/payer"}
    assert included("_revinclude=Provenance:target") == {f"Provenance/prov-{api.patient_id}"}
    assert included("_include=ExplanationOfBenefit:nothing") == set()


def test_included_resources_need_their_own_scope(connect: Callable[..., Api]) -> None:
    api = connect("launch/patient patient/ExplanationOfBenefit.rs patient/Organization.s")

    answer = api.get("ExplanationOfBenefit?_include=*&_revinclude=Provenance:target")

    assert ids(answer)
    assert entries(answer, "include") == []


def test_a_granular_scope_holds_for_what_comes_along(connect: Callable[..., Api]) -> None:
    claims = "patient/ExplanationOfBenefit.rs?type=http://terminology.hl7.org/CodeSystem/claim-type"

    def included(scope: str) -> int:
        answer = connect(f"launch/patient patient/Provenance.rs {scope}").get("Provenance?_include=Provenance:target")
        assert ids(answer)
        return len(entries(answer, "include"))

    whole = included("patient/ExplanationOfBenefit.rs")
    parts = [included(f"{claims}|{kind}") for kind in ("professional", "pharmacy", "institutional", "oral", "vision")]
    assert whole == sum(parts) == 1 and parts.count(0) == 4


def test_what_comes_along_by_revinclude_is_iterated_too(api: Api) -> None:
    brought = f"ExplanationOfBenefit?_id=eob-1-{api.patient_id}&_revinclude=Provenance:target"
    found = entries(api.get(f"{brought}&_include:iterate=Provenance:agent"), "include")
    assert {one["id"] for one in found} == {f"prov-{api.patient_id}", "payer"}
    both = f"{brought}&_include=ExplanationOfBenefit:insurer&_include:iterate=Provenance:agent"
    assert len(entries(api.get(both), "include")) == 2, "each once"


def test_a_long_line_of_references_is_followed_to_its_end(api: Api, engine: Engine, system: Access) -> None:
    line = [
        {"resourceType": "Organization", "id": f"level-{number}", "name": "Level"}
        | ({"partOf": records.to(f"Organization/level-{number + 1}")} if number < 6 else {})
        for number in range(7)
    ]
    assert ingest.load_resources(engine, line, access=system).rejected == 0

    found = api.get("Organization?_id=level-0&_include:iterate=Organization:partof")

    assert sorted(ids(found, "include")) == [f"level-{number}" for number in range(1, 7)]


def test_an_include_that_is_named_many_times_is_followed_once() -> None:
    """Each costs a look at every reference of a page: a short address must not cost what a hundred do."""
    named = [("_include", "ExplanationOfBenefit:insurer"), ("_include:iterate", "Coverage:payor")]
    asked = query.parse("ExplanationOfBenefit", named * 20, base="", patient_ids=None, strict=True)
    assert [(one.name, one.iterate) for one in asked.includes] == [("insurer", False), ("payor", True)]
