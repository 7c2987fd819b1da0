"""Eligibility: coverage on a day, for whoever names a member rightly and says why."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from werkzeug.test import TestResponse

from consent import billing_authorizations
from service.audit import Outcome
from service.plan.logins.lookups import ON_FILE
from service.plan.models import PortalFunction
from tests.accounts.visitor import Visitor
from tests.fhir import records
from tests.provider.office import Office, billed, office, shape

__all__ = ["office"]
ELIGIBILITY = "/provider/eligibility"
WHY = {"purpose": "treatment", "reason_text": "new patient"}
NOT_FOUND = "We could not find that member"


def coverage(patient_id: str, **given: Any) -> dict[str, Any]:
    """A Coverage of a plan, from the start of 2024."""
    kind = records.concept("https://nahdo.org/sopt", "512")
    kind["coding"][0]["display"] = "Commercial Managed Care - PPO"
    plan = records.concept("http://terminology.hl7.org/CodeSystem/coverage-class", "plan")
    relationship = records.concept("http://terminology.hl7.org/CodeSystem/subscriber-relationship", "self")
    values = {
        "id": f"cov-{patient_id}", "type": kind, "class": [{"type": plan, "value": "P1", "name": "Choice PPO"}],
        "relationship": relationship,
    }  # fmt: skip
    return records.coverage(patient_id) | values | given


@pytest.fixture
def desk(office: Office) -> Visitor:
    """An office of the group `mine`, which has a claim for `ann` and none for `far`, both covered since 2024."""
    mine = office.group("mine")
    office.member("ann", family_name="O'Neil", given_name="Ann")
    office.member("far", given_name="Fara")
    office.load(billed("a1", "ann", mine), coverage("ann"), coverage("far"))
    visitor = office.browser(office.login(mine))
    visitor.get(ELIGIBILITY)
    return visitor


def check(desk: Visitor, number: str = "M-ANN", **given: str) -> TestResponse:
    """The answer to a form."""
    return desk.post(ELIGIBILITY, **{"member_number": number, "birth_date": "1956-04-30"} | given)


def test_coverage_of_a_patient_on_file_is_told_at_once(desk: Visitor, office: Office) -> None:
    answer = check(desk, service_date="2026-03-01")

    assert answer.status_code == 200
    for told in ("Ann O&#39;Neil", "Covered on Mar 1, 2026", "Choice PPO", "Commercial Managed Care - PPO",
                 "Jan 1, 2024",
                 "No end on file", "Subscriber", "no guarantee of payment"):  # fmt: skip
        assert told in answer.text, told
    (event,) = office.events()
    assert (event.tag, event.outcome, event.count) == ("provider:eligibility:lookup", Outcome.SUCCESS, 1)
    assert event.reason == ON_FILE
    assert event.member_id is not None


def test_nothing_but_coverage_and_name_is_told(desk: Visitor) -> None:
    _, page, _ = shape(check(desk))

    for kept in ("SUB-ann", "19104", "female", "CLM-A1", "EFT-a1", "Note of"):
        assert kept not in page, kept


def test_without_a_claim_on_file_the_reason_is_asked_first(desk: Visitor, office: Office) -> None:
    answer = check(desk, "M-FAR")
    assert "Please tell us why you ask" in answer.text
    assert "Fara" not in answer.text
    assert office.events() == []

    answer = check(desk, "M-FAR", **WHY)

    assert "Fara" in answer.text
    (event,) = office.events()
    assert event.reason == "treatment: new patient"


def test_nobody_tells_which_of_the_fields_did_not_fit(desk: Visitor, office: Office) -> None:
    wrong = (
        {"number": "M-NOBODY"}, {"birth_date": "1956-05-01"}, {"last_name": "Wrong"},
        {"number": "M-FAR", "birth_date": "1956-05-01"}, {"number": "M-FAR", "last_name": "Wrong"},
    )  # fmt: skip
    asked, answered = [], []
    for one in wrong:
        asked.append(_without_values(check(desk, **one), one))
        answered.append(_without_values(check(desk, **one, **WHY), one))

    assert all(one == asked[0] for one in asked), "whoever does not fit is asked like whoever is not on file"
    assert all(one == answered[0] for one in answered)
    assert NOT_FOUND in answered[0][1]
    assert [event.outcome for event in office.events()] == [Outcome.FAILED] * len(wrong)
    assert {event.member_id for event in office.events()} == {None}


def _without_values(answer: TestResponse, given: dict[str, str]) -> tuple[int, str]:
    status, text, _ = shape(answer)
    for value in (*given.values(), "M-ANN", "1956-04-30"):
        text = text.replace(f'value="{value}"', "")
    return status, text


def test_a_name_fits_without_accents_case_and_punctuation(desk: Visitor) -> None:
    assert "Covered on" in check(desk, last_name="ONEIL").text


def test_both_ends_of_a_period_are_covered(desk: Visitor, office: Office) -> None:
    office.load(coverage("ann", period={"start": "2024-01-01", "end": "2025-06-30"}, status="cancelled"))

    expected = {"2023-12-31": False, "2024-01-01": True, "2025-06-30": True, "2025-07-01": False}
    for day, covered in expected.items():
        page = check(desk, service_date=day).text
        assert ("Covered on" in page, "No active coverage on" in page) == (covered, not covered), day
        assert ("Choice PPO" in page) is covered
        desk.get(ELIGIBILITY)


@pytest.mark.parametrize("status", ["draft", "entered-in-error", "cancelled"])
def test_a_coverage_that_does_not_stand_is_none(desk: Visitor, office: Office, status: str) -> None:
    office.load(coverage("ann", status=status))

    assert "No active coverage on" in check(desk).text


def test_dependents_are_told_from_subscribers(desk: Visitor, office: Office) -> None:
    child = records.concept("http://terminology.hl7.org/CodeSystem/subscriber-relationship", "child")
    office.load(coverage("ann", relationship=child), coverage("ann", id="cov-dental", relationship={"coding": []}))

    page = check(desk).text

    assert "Dependent (child)" in page
    assert page.count("Choice PPO") == 2


def test_death_and_confidentiality_are_not_told(office: Office) -> None:
    mine = office.group("mine")
    office.member("gone", deceased_on=date(2026, 2, 1))
    office.member("quiet", confidential=True)
    office.load(coverage("gone"), coverage("quiet"), billed("g", "gone", mine), billed("q", "quiet", mine))
    desk = office.browser(office.login(mine))
    desk.get(ELIGIBILITY)

    before = check(desk, "M-GONE", service_date="2026-02-01").text
    desk.get(ELIGIBILITY)
    after = check(desk, "M-GONE", service_date="2026-02-02").text
    desk.get(ELIGIBILITY)
    quiet = check(desk, "M-QUIET").text

    assert "Covered on Feb 1, 2026" in before
    assert "No active coverage on Feb 2, 2026" in after
    assert "Covered on" in quiet
    for page in (before, after, quiet):
        assert not {"decease", "died", "death", "confidential"} & set(page.casefold().split())


def test_bad_input_is_told_in_a_sentence(desk: Visitor) -> None:
    cases = {
        "member_number": ("", "x" * 41), "birth_date": ("", "30/04/1956", "2999-01-01", "1800-01-01"),
        "service_date": ("soon", "9999-01-01"), "purpose": ("curiosity",), "last_name": ("y" * 101,),
    }  # fmt: skip
    for name, values in cases.items():
        for value in values:
            given = {"number": "M-ANN"} | ({"number": value} if name == "member_number" else {name: value})
            answer = check(desk, **given)
            assert answer.status_code == 400, (name, value)
            assert "Please" in answer.text or "longer than we can read" in answer.text
            assert "Covered on" not in answer.text


def test_a_login_that_reaches_no_provider_checks_nobody(office: Office) -> None:
    office.member("ann")
    office.load(coverage("ann"))
    desk = office.browser(office.login())
    desk.get(ELIGIBILITY)

    answer = check(desk, **WHY)

    assert "Your account reaches no provider yet" in answer.text
    assert office.events() == []


def test_a_billing_firm_checks_for_clients_that_allow_it(office: Office) -> None:
    client = office.group("client")
    office.member("ann")
    office.load(coverage("ann"), billed("a1", "ann", client))
    staff, authorization = office.client_of(client)
    desk = office.browser(staff)
    desk.get(ELIGIBILITY)
    assert "Covered on" in check(desk).text

    authorization.functions = ["claims"]
    office.session.commit()
    desk.get(ELIGIBILITY)

    assert "Your account reaches no provider yet" in check(desk, **WHY).text


def test_a_provider_reads_how_often_its_billing_firm_checked(office: Office) -> None:
    client, other = office.group("client"), office.group("other")
    office.member("ann")
    office.load(coverage("ann"), billed("a1", "ann", client))
    staff, permission = office.client_of(client)
    desk = office.browser(staff)
    desk.get(ELIGIBILITY)

    assert "Covered on" in check(desk).text
    desk.get(ELIGIBILITY)
    assert NOT_FOUND in check(desk, "M-NOBODY", **WHY).text

    assert [event.detail for event in office.events()] == [{"groups": [client.id]}] * 2
    seen = billing_authorizations.lookups(office.session, permission, ZoneInfo("America/New_York"))
    assert [one.count for one in seen] == [1], "a look-up that told nothing is in the audit stream, and not counted"
    both = office.login(client, other)
    desk = office.browser(both)
    desk.get(ELIGIBILITY)
    check(desk)
    assert office.events()[-1].detail == {"groups": sorted([client.id, other.id])}


def test_without_the_application_there_is_no_page(office: Office) -> None:
    mine = office.group("mine")
    desk = office.browser(office.login(mine, functions=[PortalFunction.CLAIMS.value]))

    assert desk.get(ELIGIBILITY).status_code == 403
    assert Visitor(office.app).get(ELIGIBILITY).status_code == 303
    assert office.stranger().get(ELIGIBILITY).status_code == 404
