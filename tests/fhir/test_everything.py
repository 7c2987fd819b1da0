"""`Patient/[id]/$everything` and `DocumentReference/$docref`."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.loading import ingest
from service.audit import AuditEvent
from tests.fhir import records
from tests.fhir.conftest import OTHER, Api, bundle, entries, ids
from tests.fhir.records import concept

CCD = "34133-9"


def next_of(found: dict[str, Any]) -> str | None:
    return next((link["url"] for link in found["link"] if link["relation"] == "next"), None)


def whole(api: Api, path: str) -> list[dict[str, Any]]:
    """Every match of every page."""
    found: list[dict[str, Any]] = []
    following: str | None = path
    while following:
        answer = api.get(following)
        found += entries(answer)
        following = next_of(bundle(answer))
    return found


def test_a_members_whole_record_comes_in_pages_each_once(api: Api, engine: Engine, session: Session) -> None:
    mine = f"Patient/{api.patient_id}/$everything"
    found = whole(api, f"{mine}?_count=3")
    keys = [(one["resourceType"], one["id"]) for one in found]

    # Eight of nine: the sensitive claim was not ticked. And what was agreed with the app.
    assert len(keys) == len(set(keys)) == 9
    assert f"eob-s-{api.patient_id}" not in {key[1] for key in keys}
    types = {"Consent", "Patient", "Coverage", "ExplanationOfBenefit", "Observation", "Provenance"}
    assert {key[0] for key in keys} == types
    assert OTHER not in str(found)
    first = api.get(mine)
    assert sorted(ids(first)) == sorted(key[1] for key in keys)
    assert set(ids(first, "include")) == {"payer", "clinic", "doctor"}
    assert next_of(bundle(first)) is None
    assert sorted(ids(api.call("POST", mine, json={"resourceType": "Parameters"}))) == sorted(ids(first))
    assert bundle(api.get(f"{mine}?_count=0"))["total"] == 9
    rows = session.scalars(
        select(AuditEvent).where(AuditEvent.tag == "fhir:Patient:everything").order_by(AuditEvent.id)
    ).all()
    assert [row.count for row in rows][-3:] == [12, 12, 0] and all(row.member_id for row in rows)


def test_it_is_limited_by_type_date_and_change(api: Api, engine: Engine, system: Access) -> None:
    mine = f"Patient/{api.patient_id}/$everything"
    assert {one["resourceType"] for one in whole(api, f"{mine}?_type=Coverage,Observation")} == {
        "Coverage",
        "Observation",
    }
    only = api.get(f"{mine}?_type=ExplanationOfBenefit,Practitioner")
    assert ids(only, "include") == ["doctor"]
    by_care = {one["id"] for one in whole(api, f"{mine}?start=2026-02-01&end=2026-02-28")}
    assert f"eob-2-{api.patient_id}" in by_care and f"lab-{api.patient_id}" in by_care
    assert not {f"eob-1-{api.patient_id}", f"eob-3-{api.patient_id}"} & by_care
    assert {api.patient_id, f"cov-{api.patient_id}"} <= by_care, "what has no date of care stays"
    moment = entries(api.get(f"Observation?_id=lab-{api.patient_id}"))[0]["meta"]["lastUpdated"]
    changed = records.observation(f"late-{api.patient_id}", api.patient_id)
    assert ingest.load_resources(engine, [changed], access=system).rejected == 0
    late = entries(api.get(f"Observation?_id=late-{api.patient_id}"))[0]["meta"]["lastUpdated"]
    assert late > moment
    assert ids(api.get(f"{mine}?_since={late}")) == [f"late-{api.patient_id}"]


def test_scopes_labels_and_owners_hold(connect: Callable[..., Api], api: Api) -> None:
    for stranger in (OTHER, "nobody"):
        answer = api.get(f"Patient/{stranger}/$everything")
        assert answer.status_code == 404 and OTHER not in answer.text
    narrow = connect("launch/patient patient/Patient.rs patient/Coverage.rs patient/Observation.rs?category=laboratory")
    mine = f"Patient/{narrow.patient_id}/$everything"
    answer = narrow.get(mine)
    assert sorted(ids(answer)) == sorted([narrow.patient_id, f"cov-{narrow.patient_id}", f"lab-{narrow.patient_id}"])
    assert ids(answer, "include") == []
    assert narrow.get(f"{mine}?_type=ExplanationOfBenefit").status_code == 403
    assert connect("launch/patient patient/Coverage.rs").get(mine).status_code == 403
    page = next_of(bundle(api.get(f"Patient/{api.patient_id}/$everything?_count=1")))
    assert page and narrow.get(page).status_code == 404, "a page link is its grant's own"


def test_what_is_asked_wrongly_is_told(api: Api) -> None:
    mine = f"Patient/{api.patient_id}/$everything"
    for query in (
        "_count=-1", "_count=x", "start=yesterday", "_type=Nonsense", "start=2026-02-01&end=2026-01-01", "_page=x",
        "start=2026&start=2025",
    ):  # fmt: skip
        assert api.get(f"{mine}?{query}").status_code == 400, query
    assert api.get(f"{mine}?bogus=1").status_code == 200
    assert api.get(f"{mine}?bogus=1", headers={"Prefer": "handling=strict"}).status_code == 400
    bad = ({"resourceType": "Patient"}, {"resourceType": "Parameters", "parameter": [{"name": "start"}]}, [])
    for body in bad:
        assert api.call("POST", mine, json=body).status_code == 400
    assert api.call("POST", mine, data="{", content_type="application/fhir+json").status_code == 400
    for deep in (101, 490, 1_000, 5_000):
        text = f'{{"resourceType": "Parameters", "parameter": {"[" * deep + "]" * deep}}}'
        assert api.call("POST", mine, data=text, content_type="application/fhir+json").status_code == 400, deep
    assert api.call("POST", mine, data="<x/>", content_type="application/fhir+xml").status_code == 415
    links = bundle(api.get(f"{mine}?_count=9999"))["link"]
    assert links[0]["url"].endswith("?_count=100"), "self tells what was done"
    by_body = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueString": "Coverage"}]}
    assert ids(api.call("POST", mine, json=by_body)) == [f"cov-{api.patient_id}"]


def document(name: str, patient_id: str, kind: str, start: str | None = None, **given: Any) -> dict[str, Any]:
    """A DocumentReference."""
    context = {"context": {"period": {"start": start, "end": start}}} if start else {}
    return {
        "resourceType": "DocumentReference", "id": name, "status": "current", "type": concept(records.LOINC, kind),
        "category": [concept("http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                             "clinical-note")],
        "subject": records.to(f"Patient/{patient_id}"), "date": f"{start or '2026-05-01'}T00:00:00Z",
        "content": [{"attachment": {"contentType": "text/plain", "data": "SGk="}}],
    } | context | given  # fmt: skip


def test_documents_by_kind_and_time(api: Api, engine: Engine, system: Access) -> None:
    mine = api.patient_id
    made = [
        document("ccd-old", mine, CCD, "2025-01-01"), document("ccd-new", mine, CCD, "2026-01-01"),
        document("note", mine, "11506-3", "2026-02-01", meta={"profile": ["https://example.org/note|1"]}),
        document("theirs", OTHER, CCD, "2026-03-01"),
    ]  # fmt: skip
    assert ingest.load_resources(engine, made, access=system).rejected == 0
    docref = "DocumentReference/$docref"
    assert ids(api.get(f"{docref}?patient={mine}")) == ["ccd-new"]
    assert ids(api.get(f"{docref}?patient={mine}&type={records.LOINC}|11506-3")) == ["note"]
    assert ids(api.get(f"{docref}?patient={mine}&start=2025-06-01&end=2026-01-31")) == ["ccd-new"]
    assert set(ids(api.get(f"{docref}?patient={mine}&start=2024-01-01"))) == {"ccd-old", "ccd-new", "note"}
    assert ids(api.get(f"{docref}?patient={mine}&start=2024&profile=https://example.org/note")) == ["note"]
    assert ids(api.get(f"{docref}?patient={mine}&on-demand=true")) == [], "none is made on demand"
    body = {"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueId": mine},
        {"name": "type", "valueCoding": {"system": records.LOINC, "code": "11506-3"}},
    ]}  # fmt: skip
    assert ids(api.call("POST", docref, json=body)) == ["note"]
    for stranger in (OTHER, "nobody"):
        assert api.get(f"{docref}?patient={stranger}").status_code == 403
    for query in ("", "?patient=a/b", f"?patient={mine}&start=x", f"?patient={mine}&on-demand=maybe"):
        assert api.get(docref + query).status_code == 400, query


def test_the_latest_document_of_a_profile_is_found_behind_any_number_of_others(
    api: Api, engine: Engine, system: Access
) -> None:
    mine = api.patient_id
    others = [document(f"other-{number}", mine, CCD, "2026-01-01") for number in range(60)]
    wanted = document("wanted", mine, CCD, "2020-01-01", meta={"profile": ["https://example.org/ccd"]})
    assert ingest.load_resources(engine, [*others, wanted], access=system).rejected == 0

    asked = f"DocumentReference/$docref?patient={mine}&profile=https://example.org/"
    assert ids(api.get(f"{asked}ccd")) == ["wanted"] and ids(api.get(f"{asked}none")) == []


def test_documents_need_their_scope(connect: Callable[..., Api]) -> None:
    narrow = connect("launch/patient patient/Patient.rs")
    assert narrow.get(f"DocumentReference/$docref?patient={narrow.patient_id}").status_code == 403
