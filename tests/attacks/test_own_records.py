"""Case 144 of security.md at pages that ask for no reason: who of the plan tries their own record is told of, too."""

from collections.abc import Mapping

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.audit import Outcome
from service.plan.models import Member, StaffRole
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.attacks.looks import make_officer, rows
from tests.conftest import MovableClock
from tests.factories import make_member
from tests.staff.console import Clerk, make_clerk, sign_in_clerk

_DISCLOSURES = "/staff/reports/disclosures/"
_OF = _DISCLOSURES + "of/{patient}"
_ENTRY = {
    "disclosed_on": "2026-01-02", "recipient": "Court", "description": "Claims", "purpose": "court", "basis": "Order",
}  # fmt: skip
_DAYS = {"since": "2020-01-01", "until": "2090-01-01"}
WAYS: Mapping[str, tuple[str, Mapping[str, str] | None, str]] = {
    "looked up": (_DISCLOSURES, {"member_number": "M-OWN"}, "plan:disclosure:lookup"),
    "account": (_OF, None, "plan:disclosure:account"),
    "account as CSV": (f"{_OF}?format=csv", None, "plan:disclosure:account"),
    "entered": (_OF, _ENTRY, "plan:disclosure:record"),
    "audit": ("/staff/audit/", _DAYS | {"member_number": "M-OWN"}, "audit:event:search"),
}


def _officer(app: Flask, session: Session) -> tuple[Clerk, Member]:
    """A privacy officer, signed in, and the record that is their own."""
    officer = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    own = make_member(session, member_number="M-OWN", family_name="Canary", email_on_file=officer.account.email)
    session.commit()
    return officer, own


def _ask(officer: Clerk, own: Member, way: str) -> tuple[int, str]:
    path, form, _tag = WAYS[way]
    path = path.format(patient=own.patient_id)
    officer.browser.get(_DISCLOSURES)
    answer = officer.browser.get(path) if form is None else officer.browser.post(path, **form)
    return answer.status_code, answer.text


@pytest.mark.parametrize("way", WAYS)
def test_case_144_a_try_at_ones_own_record_is_kept_and_told_to_the_other_officers(
    app: Flask, session: Session, settings: Settings, way: str
) -> None:
    other = make_officer(session)
    officer, own = _officer(app, session)

    status, page = _ask(officer, own, way)

    assert status == 403 and "a privacy officer was told" in page and "Canary" not in page
    [row] = rows(session, WAYS[way][2])
    assert (row.outcome, row.account_id, row.member_id) == (Outcome.REFUSED, officer.account.id, own.id)
    [told] = letters(session, settings, other.account.email)
    assert "/staff/audit/" in told and row.request_id and row.request_id in told
    for word in (own.member_number, own.family_name, officer.account.full_name, officer.account.username):
        assert word not in told
    assert letters(session, settings, officer.account.email) == []


def test_case_144_of_tries_in_one_hour_all_are_kept_and_the_first_is_told(
    app: Flask, session: Session, settings: Settings, clock: MovableClock
) -> None:
    other = make_officer(session)
    officer, own = _officer(app, session)
    for way in ("looked up", "account", "account"):
        assert _ask(officer, own, way)[0] == 403

    assert len(rows(session, "plan:disclosure:account")) == 2
    assert len(letters(session, settings, other.account.email)) == 1
    clock.advance(3_601)
    again = Clerk(officer.staff, sign_in_clerk(app, officer.account))
    _ask(again, own, "account")
    assert len(letters(session, settings, other.account.email)) == 2


def test_case_144_the_only_officer_is_not_told_that_somebody_was_told(app: Flask, session: Session) -> None:
    officer, own = _officer(app, session)

    status, page = _ask(officer, own, "audit")

    assert status == 403 and "no other privacy officer who could be told" in page
    assert "a privacy officer was told" not in page
    assert [row.outcome for row in rows(session, "audit:event:search")] == [Outcome.REFUSED]
