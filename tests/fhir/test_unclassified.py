"""What could not be classified stays with the member: out of every way in that a third party has (identity.md 10)."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from consent.models import SensitiveClass
from consent.policy import Access, consent_preview, for_attribution, own_record
from consent.representatives import MemberChoice
from consent.scopes import parse
from fhir import store
from fhir.loading import ingest, labels
from fhir.loading.preparation import prepare_resource
from fhir.search.query import Search
from fhir.storage.results import Sweep
from service.db import make_sessions
from tests.fhir import records
from tests.fhir.conftest import Api, bundle, ids
from tests.oauth.desk import Desk

_WORDS = {"text": "in the plan's own words"}
_OURS = records.concept("https://plan.example/codes", "A1")
_PART = records.concept(records.SNOMED, "368209003")


def _vague(patient_id: str) -> list[dict[str, Any]]:
    """One record of each type that no table can classify, each with a known code where it says nothing of it."""
    subject = records.to(f"Patient/{patient_id}")

    def one(resource_type: str, **given: Any) -> dict[str, Any]:
        return {"resourceType": resource_type, "id": f"vague-{resource_type}", "subject": subject, **given}

    return [
        one("Condition", code=_WORDS, bodySite=[_PART]),
        one("Observation", status="final", code=_OURS, bodySite=_PART, method=_PART),
        one("DiagnosticReport", status="final", code=_OURS, category=[records.concept(records.LOINC, "LP29684-5")]),
        one("Procedure", status="completed", code=_WORDS, bodySite=[_PART]),
        one("Encounter", status="finished", type=[_OURS], **{"class": {"code": "AMB"}}),
        one("DocumentReference", status="current", type=_WORDS, content=[{"attachment": {"title": "Note"}}]),
        one("MedicationRequest", status="active", intent="order", medicationReference=records.to("#m"),
            contained=[{"resourceType": "Medication", "id": "m", "code": _WORDS}], category=[_PART]),
        one("QuestionnaireResponse", status="completed", item=[{"linkId": "1", "text": "How are you?"}]),
        records.claim("vague-ExplanationOfBenefit", patient_id, diagnosis=[
            {"sequence": 1, "diagnosisCodeableConcept": _OURS}]),
    ]  # fmt: skip


@pytest.fixture
def vague(loaded: str, engine: Engine, system: Access) -> list[tuple[str, str]]:
    """Stored records that could not be classified, one of them named by an ordinary Provenance; type and id of each."""
    resources = _vague(loaded)
    names = [(one["resourceType"], one["id"]) for one in resources]
    told_by = records.provenance("of-vague", f"Patient/{loaded}", "Condition/vague-Condition")
    summary = ingest.load_resources(engine, [*resources, told_by], access=system)
    assert summary.rejected == 0, summary.problems
    return names


def test_a_third_party_meets_none_of_it(connect: Callable[..., Api], vague: list[tuple[str, str]]) -> None:
    api = connect()
    for resource_type, resource_id in vague:
        for way in ("", "/_history", "/_history/1"):
            assert api.get(f"{resource_type}/{resource_id}{way}").status_code == 404, resource_type
        found = api.get(f"{resource_type}?patient={api.patient_id}&_count=100")
        assert resource_id not in ids(found)
        by_id = api.post_search(resource_type, {"_id": resource_id, "_summary": "count"})
        assert bundle(by_id)["total"] == 0
    whole = api.get(f"Patient/{api.patient_id}/$everything?_count=200").text
    asked = [{"request": {"method": "GET", "url": f"{kind}/{name}"}} for kind, name in vague]
    batch = api.call("POST", "", json={"resourceType": "Bundle", "type": "batch", "entry": asked})
    assert {one["response"]["status"] for one in batch.get_json()["entry"]} == {"404"}
    assert '"id":"vague-' not in whole and '"id":"vague-' not in batch.text
    assert "vague-Condition" not in ids(api.get("Provenance?_include=Provenance:target"), "include")


def test_no_choice_of_the_member_gives_it_to_an_app(
    desk: Desk, engine: Engine, loaded: str, vague: list[tuple[str, str]]
) -> None:
    choice, every = MemberChoice(desk.member, None), frozenset(SensitiveClass)
    preview = consent_preview(desk.account, choice, parse("patient/*.rs"), client_id="app", sensitive=every)
    with make_sessions(engine)() as session:
        told, own = store.counts(session, preview), store.counts(session, own_record(desk.account, choice))

    of_record = {kind for kind, _ in vague} - {"ExplanationOfBenefit", "Observation"}
    assert not of_record & told.keys() and of_record <= own.keys()
    assert (told["ExplanationOfBenefit"], own["ExplanationOfBenefit"]) == (4, 5)


def test_the_member_sees_all_of_it(desk: Desk, engine: Engine, vague: list[tuple[str, str]]) -> None:
    access = own_record(desk.account, MemberChoice(desk.member, None))
    with make_sessions(engine)() as session:
        for resource_type, resource_id in vague:
            assert store.read(session, access, resource_type, resource_id).id == resource_id
            page = store.search(session, access, Search(resource_type, count=100))
            assert resource_id in {one.id for one in page.matches}


def test_providers_get_none_of_it_in_bulk(
    session: Session, system: Access, loaded: str, vague: list[tuple[str, str]]
) -> None:
    access = for_attribution(system)
    for resource_type, resource_id in vague:
        asked = Sweep(resource_type, patients=frozenset({loaded}))
        assert resource_id not in store.sweep(session, access, asked, "", 100).ids
        assert resource_id in store.sweep(session, system, asked, "", 100).ids


def test_a_form_is_classified_by_the_loinc_codes_it_is_made_of() -> None:
    def labelled(**given: Any) -> frozenset[str]:
        response = {"resourceType": "QuestionnaireResponse", "id": "q", "status": "completed", **given}
        return labels.labels(response)

    mood = {"linkId": "/44250-9", "text": "Little interest in doing things?"}
    assert labelled(questionnaire="http://loinc.org/q/44249-1|2.7") == {"mental_health"}
    assert labelled(item=[{"linkId": "1", "item": [mood]}]) == {"mental_health"}
    assert labelled(item=[{"linkId": "/89574-8"}]) == frozenset()
    assert labelled(questionnaire="https://plan.example/form") == {"restricted"}


def test_a_medication_takes_no_label_of_the_source_away() -> None:
    secret = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    order = {
        "resourceType": "MedicationRequest", "id": "m", "meta": secret, "status": "active", "intent": "order",
        "subject": records.to("Patient/p"), "medicationReference": records.to("Medication/b"),
    }  # fmt: skip

    own = prepare_resource(order).labels

    assert own == {"restricted"} == labels.with_medication(own, frozenset())
