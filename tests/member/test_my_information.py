"""My information: what of the record is shown to whom, the sums, the charts, and what reading it costs and leaves."""

import json
import re
from typing import Any

import pytest
from sqlalchemy import select

from consent.models import LinkScope
from consent.policy import plan_system
from fhir.loading import ingest
from service.audit import AuditEvent
from tests.door.places import in_a_place_each
from tests.factories import make_account, make_member
from tests.fhir import records
from tests.member.counting import Statements
from tests.member.pages import Reader, represent
from tests.oauth.desk import Desk

ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"
_MOST_STATEMENTS = 6
PAGES = (
    "", "/coverage", "/claims", "/claims/2025", "/claims/claim/c1", "/results", "/results/lab-2", "/visits",
    "/conditions", "/medicines", "/allergies", "/vaccines", "/treatments", "/reports", "/care", "/devices",
    "/questionnaires",
)  # fmt: skip


def load(desk: Desk, *resources: dict[str, Any]) -> None:
    """Load resources as the plan does."""
    engine = desk.app.extensions["latchstring"].engine
    summary = ingest.load_resources(engine, [*records.shared(), *resources], access=plan_system("tests"))
    assert summary.rejected == 0


def priced(claim_id: str, patient: str, day: str, *, paid: str, owed: str, **given: Any) -> dict[str, Any]:
    """A claim with its amounts."""
    amounts = {"submitted": "300.10", "eligible": "200", "benefit": paid, "memberliability": owed}
    total = [
        {"category": records.concept(ADJUDICATION, code), "amount": {"value": float(value), "currency": "USD"}}
        for code, value in amounts.items()
    ]
    return records.claim(claim_id, patient, day, **{"total": total} | given)


def record(patient: str) -> list[dict[str, Any]]:
    """A record with two years of claims, a lab over time and a problem of the mind."""
    lab = {"valueQuantity": {"value": 5.50, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}}
    return [
        records.patient(patient), records.coverage(patient),
        priced("c1", patient, "2025-03-04", paid="150.15", owed="49.85"),
        priced("c2", patient, "2025-03-20", paid="10", owed="5.05", kind="pharmacy"),
        priced("c3", patient, "2025-07-01", paid="900", owed="90", status="cancelled"),
        priced("c4", patient, "2024-07-01", paid="1", owed="2"),
        records.observation("lab-1", patient, effectiveDateTime="2025-01-02"),
        records.observation("lab-2", patient, effectiveDateTime="2025-06-02", **lab),
        records.observation("lab-3", patient, effectiveDateTime="2026-01-02", **lab),
        {
            "resourceType": "Condition", "id": "mind", "subject": records.to(f"Patient/{patient}"),
            "code": records.concept(records.ICD, "F33.1") | {"text": "A canary of the mind"},
            "clinicalStatus": records.concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
            "category": [
                records.concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")
            ],
        },
    ]  # fmt: skip


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    """The member with a record."""
    load(desk, *record(desk.member.patient_id))
    return Reader(desk, desk.account)


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def test_each_page_takes_few_statements_and_one_audit_row(desk: Desk, rosa: Reader) -> None:
    statements = Statements(desk.app.extensions["latchstring"].engine)
    for path in (
        *("/my-information" + page for page in PAGES),
        "/member",
        "/profile",
        "/settings",
        "/who-has-looked",
        "/apps",
        "/people",
    ):
        rosa.get(path)
        statements.clear()
        page = rosa.get(path)
        said = list(statements.said)
        assert page.status_code == 200, path
        assert 2 <= len(said) <= _MOST_STATEMENTS, (path, said)
        written = [one for one in said if one.startswith("INSERT INTO audit_event")]
        assert len(written) == (1 if path.startswith(("/my-information", "/profile")) else 0), path
        assert len(page.data) < 60_000, path


def test_sums_count_what_stands_and_nothing_else(rosa: Reader) -> None:
    years = words_of(rosa.get("/my-information/claims").text)
    assert "2025 2 $600.20 $160.15 $54.90" in years
    assert "2024 1 $300.10 $1.00 $2.00" in years
    assert "In all 3 $900.30 $161.15 $56.90" in years
    page = rosa.get("/my-information/claims/2025").text
    assert "March 2 $600.20 $160.15 $54.90" in words_of(page)
    assert "Withdrawn or replaced: does not count" in page and "July" not in words_of(page).split("Every claim")[0]
    assert "Pharmacy 1 $300.10 $10.00 $5.05" in words_of(page)


def test_a_chart_says_what_it_shows_and_its_figures_stand_beside_it(rosa: Reader) -> None:
    page = rosa.get("/my-information/claims/2025").text
    main = page.partition("<main")[2].partition("</main>")[0]
    assert page.count('role="img"') == 1 and "<script" not in main and "style=" not in page
    assert "In all the plan paid $160.15, and your share was $54.90." in page
    assert page.count('ls-chart__bar--0" x=') + page.count('ls-chart__bar--1" x=') >= 2
    lab = rosa.get("/my-information/results/lab-2").text
    assert lab.count("<circle") == 2 and "2 values from 5.5 to 5.5 %" in lab
    assert words_of(lab).count("5.5%") == 2 and "6.3" in lab


def test_one_claim_is_told_in_full_and_never_one_of_another(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        other = make_member(session)
    load(desk, records.patient(other.patient_id), priced("others", other.patient_id, "2025-01-01", paid="1", owed="1"))
    assert "Claim of Clinic" in rosa.get("/my-information/claims/claim/c1").text
    for path in ("claims/claim/others", "claims/claim/none", "results/others", "reports/DocumentReference/c1/file"):
        assert rosa.take(f"/my-information/{path}").status_code == 404, path
    answer = rosa.take("/my-information/download/record.json")
    with in_a_place_each(desk.app) as pieces:
        sent = list(answer.iter_encoded())
    assert pieces and b"others" not in b"".join(sent)


def test_a_download_waits_at_the_door_for_each_look_at_the_record_and_not_for_each_resource(
    desk: Desk, rosa: Reader
) -> None:
    patient = desk.member.patient_id
    load(desk, *(priced(f"many-{one}", patient, "2025-01-01", paid="1", owed="1") for one in range(300)))
    answer = rosa.take("/my-information/download/record.json")
    sent = list(answer.iter_encoded())
    taken = json.loads(b"".join(sent))
    kinds = {one["resource"]["resourceType"] for one in taken["entry"]}
    assert len(taken["entry"]) > 300 and len(sent) <= len(kinds) + 4, "a look at each type, one more at the claims"


def test_who_acts_for_claims_only_reads_and_takes_no_more(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member, scope=LinkScope.CLAIMS_WITHOUT_SENSITIVE)
    reader = Reader(desk, dana)

    page = reader.get("/my-information").text
    assert "for claims and coverage only" in page and "/my-information/conditions" not in page
    for section in ("conditions", "results", "results/lab-1", "reports"):
        assert reader.get(f"/my-information/{section}").status_code == 404, section
    taken = json.loads(reader.take("/my-information/download/record.json").data)
    kinds = {one["resource"]["resourceType"] for one in taken["entry"]}
    assert {"ExplanationOfBenefit", "Coverage", "Patient"} <= kinds and not kinds & {"Observation", "Condition"}
    assert reader.get("/who-has-looked").status_code == 404


def test_very_personal_topics_are_the_members_own_and_not_of_all_who_act(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        dana = make_account(session)
    represent(desk, dana, desk.member, scope=LinkScope.WITHOUT_SENSITIVE)
    reader = Reader(desk, dana)

    assert "A canary of the mind" in rosa.get("/my-information/conditions").text
    page = reader.get("/my-information/conditions").text
    assert "canary" not in page and "never shown to you here" in page
    for way in ("record.json", "record.pdf"):
        assert rosa.take(f"/my-information/download/{way}").status_code == 200
        assert b"canary" not in reader.take(f"/my-information/download/{way}").data
    assert b"A canary of the mind" in rosa.take("/my-information/download/record.json").data


def test_an_empty_record_says_so_on_every_page(desk: Desk) -> None:
    rosa = Reader(desk, desk.account)
    for page in PAGES:
        status = rosa.get(f"/my-information{page}").status_code
        assert status == (404 if page.count("/") > 1 and "2025" not in page else 200), page
    assert "No medicines are on file." in rosa.get("/my-information/medicines").text
    assert json.loads(rosa.take("/my-information/download/record.json").data)["entry"] == []
    assert rosa.take("/my-information/download/record.pdf").data.startswith(b"%PDF-")


def test_each_look_and_download_is_in_the_audit_stream(desk: Desk, rosa: Reader) -> None:
    rosa.get("/my-information/conditions")
    rosa.take("/my-information/download/record.json")
    with desk.session() as session:
        rows = session.scalars(
            select(AuditEvent).where(AuditEvent.tag.startswith("member:information:")).order_by(AuditEvent.id)
        ).all()
    assert [(row.tag, row.count, row.detail, row.member_id) for row in rows] == [
        ("member:information:view", 1, {"section": "conditions"}, desk.member.id),
        ("member:information:download", 10, {"form": "json"}, desk.member.id),
    ]
