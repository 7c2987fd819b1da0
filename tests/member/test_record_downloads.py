"""A record on its way to somebody whose right changes meanwhile, and records that hold what hardly a record holds."""

import json
from typing import Any

import pytest

from consent.models import LinkScope, RepresentativeLink
from fhir import whole_record
from service.member.information import record_downloads
from tests.factories import make_account
from tests.fhir import records
from tests.member.pages import Reader, represent
from tests.member.test_my_information import PAGES, load, priced, record
from tests.oauth.desk import Desk


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    """The member with a record."""
    load(desk, *record(desk.member.patient_id))
    return Reader(desk, desk.account)


def test_a_link_narrowed_in_mid_download_narrows_the_rest(
    desk: Desk, rosa: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_record, "PIECE", 1)
    with desk.session() as session:
        dana = make_account(session)
        account_id = dana.id
    link = represent(desk, dana, desk.member, scope=LinkScope.ALL)
    held = desk.app.extensions["latchstring"]
    pieces = record_downloads._pieces(held, record_downloads._Wanted(account_id, desk.member.id, "http://base"))
    sent = [next(pieces), next(pieces)]

    with desk.session() as session:
        session.get_one(RepresentativeLink, link.id).scope = LinkScope.CLAIMS_ONLY
    sent += pieces

    kinds = {one["resource"]["resourceType"] for one in json.loads(b"".join(sent))["entry"]}
    assert {"Patient", "Coverage", "ExplanationOfBenefit"} <= kinds
    assert not kinds & {"Condition", "Observation"}


ODD_DAYS = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00")


@pytest.mark.parametrize("day", ODD_DAYS)
def test_days_at_the_ends_of_the_calendar_are_shown_or_passed_over(desk: Desk, day: str) -> None:
    patient = desk.member.patient_id
    condition = {
        "resourceType": "Condition", "id": "odd", "subject": records.to(f"Patient/{patient}"), "onsetDateTime": day,
        "code": records.concept(records.ICD, "I10") | {"text": "High pressure"}, "recordedDate": day,
        "clinicalStatus": records.concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "category": [
            records.concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")
        ],
    }  # fmt: skip
    load(
        desk, records.patient(patient), condition, records.observation("odd-1", patient, effectiveDateTime=day),
        records.observation("odd-2", patient), records.coverage(patient) | {"period": {"start": day}},
        priced("odd-c", patient, "2025-01-02", paid="1", owed="1", billablePeriod={"start": day}),
    )  # fmt: skip
    reader = Reader(desk, desk.account)

    for page in (*PAGES, "/results/odd-1", "/claims/claim/odd-c", "/download/record.pdf"):
        assert reader.take(f"/my-information{page}").status_code in {200, 404}, page
    assert "High pressure" in reader.get("/my-information/conditions").text


@pytest.mark.parametrize(("low", "high"), [(1e300, 1e308), (-1.7e308, 1.7e308), (1e-320, 2e-320), (0.0, 1e35)])
def test_values_beyond_all_measure_are_drawn_or_listed(desk: Desk, low: float, high: float) -> None:
    patient = desk.member.patient_id

    def lab(name: str, day: str, value: float) -> dict[str, Any]:
        quantity = {"value": value, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}
        return records.observation(name, patient, effectiveDateTime=day, valueQuantity=quantity)

    load(
        desk, records.patient(patient), lab("one", "2025-01-01", low), lab("two", "2025-02-01", high),
        priced("dear", patient, "2025-01-02", paid=repr(high), owed="1"),
        priced("cheap", patient, "2025-01-03", paid=repr(low), owed="1"),
    )  # fmt: skip
    reader = Reader(desk, desk.account)

    for page in ("/results", "/results/one", "/claims", "/claims/2025", "/claims/claim/dear", "/download/record.pdf"):
        assert reader.take(f"/my-information{page}").status_code == 200, page


def test_a_value_longer_than_a_page_fits_into_the_pdf(desk: Desk) -> None:
    patient = desk.member.patient_id
    long = records.observation("long", patient)
    del long["valueQuantity"]
    wide = records.observation("wide", patient, valueQuantity={"value": 1, "unit": "W" * 3_000})
    load(desk, records.patient(patient), long | {"valueString": "word " * 4_000}, wide)
    reader = Reader(desk, desk.account)

    assert reader.get("/my-information/results").status_code == 200
    assert reader.take("/my-information/download/record.pdf").status_code == 200
