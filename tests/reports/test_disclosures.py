"""Accounting of disclosures: what is entered, corrected and told, for six years, and what is told besides."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from service import audit
from service.accounts.models import Account
from service.audit import AuditEvent
from service.clock import now
from service.plan.models import Member
from service.reports import disclosures
from service.reports.disclosures import CorrectedAlready, NotYetDisclosed
from service.reports.models import AccountableDisclosure, DisclosurePurpose
from tests.factories import make_account, make_member
from tests.reports.days import read


@pytest.fixture
def officer(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def member(session: Session) -> Member:
    return make_member(session)


def told(**given: Any) -> dict[str, Any]:
    return {
        "disclosed_on": now().date(), "recipient": "County Health Department", "recipient_address": "1 Main St",
        "description": "Immunizations of 2025", "purpose": DisclosurePurpose.PUBLIC_HEALTH,
        "basis": "Their letter of May 3", "corrects": "",
    } | given  # fmt: skip


def test_an_account_tells_what_was_entered_and_keeps_that_it_was_given(
    session: Session, officer: Account, member: Member
) -> None:
    disclosures.record(session, member, told(), by_account_id=officer.id)
    disclosures.record(session, make_member(session), told(recipient="Somebody else"), by_account_id=officer.id)

    made = disclosures.account(session, member, by_account_id=officer.id)

    assert [entry.disclosure.recipient for entry in made.entries] == ["County Health Department"]
    event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:disclosure:account")).one()
    assert (event.account_id, event.member_id, event.count) == (officer.id, member.id, 1)
    assert "County Health Department,1 Main St,Immunizations of 2025,public_health" in disclosures.as_csv(made)


def test_a_correction_stands_in_the_place_of_the_other_which_stays(
    session: Session, officer: Account, member: Member
) -> None:
    wrong = disclosures.record(session, member, told(recipient="=cmd()"), by_account_id=officer.id)
    disclosures.record(session, member, told(recipient="=right()", corrects=wrong.id), by_account_id=officer.id)

    made = disclosures.account(session, member, by_account_id=officer.id)

    assert {entry.disclosure.recipient: entry.corrected for entry in made.entries} == {
        "=cmd()": True, "=right()": False,
    }  # fmt: skip
    lines = disclosures.as_csv(made).splitlines()
    assert len(lines) == 2 and ",'=right()," in lines[1]
    with pytest.raises(CorrectedAlready):
        disclosures.record(session, member, told(corrects=wrong.id), by_account_id=officer.id)


def test_an_entry_of_another_member_cannot_be_corrected_here(
    session: Session, officer: Account, member: Member
) -> None:
    other = disclosures.record(session, make_member(session), told(), by_account_id=officer.id)

    with pytest.raises(LookupError):
        disclosures.record(session, member, told(corrects=other.id), by_account_id=officer.id)


@pytest.mark.parametrize("days", [1, -6 * 366])
def test_a_day_to_come_or_before_the_six_years_is_refused(
    session: Session, officer: Account, member: Member, days: int
) -> None:
    with pytest.raises(NotYetDisclosed):
        disclosures.record(
            session, member, told(disclosed_on=now().date() + timedelta(days=days)), by_account_id=officer.id
        )


def test_reads_of_apps_offices_and_staff_are_told_besides(session: Session, officer: Account, member: Member) -> None:
    read(session, member.id, "grant-1")
    read(session, member.id, "grant-1")
    audit.record(session, "provider:claim:search", member_id=member.id)
    audit.record(session, "staff:member:lookup", member_id=member.id)
    audit.record(session, "accounts:account:authenticate", member_id=member.id)

    made = disclosures.account(session, member, by_account_id=officer.id)

    assert sorted((other.kind, other.requests) for other in made.others) == [
        ("app", 2), ("plan staff", 1), ("provider office", 1),
    ]  # fmt: skip


def test_what_was_entered_cannot_be_changed(session: Session, officer: Account, member: Member) -> None:
    disclosures.record(session, member, told(), by_account_id=officer.id)
    session.commit()

    for statement in ("UPDATE accountable_disclosure SET recipient = ''", "DELETE FROM accountable_disclosure"):
        with pytest.raises(DatabaseError, match="append-only"):
            session.execute(text(statement))
        session.rollback()
    assert session.scalars(select(AccountableDisclosure)).all()


def test_an_account_holds_what_was_told_of_each_record_that_became_the_members(
    session: Session, officer: Account, member: Member
) -> None:
    between, first = make_member(session), make_member(session)
    entered = disclosures.record(session, first, told(recipient="Of the first"), by_account_id=officer.id)
    read(session, first.id, "grant-1")
    first.merged_into_id, between.merged_into_id = between.id, member.id
    session.flush()

    made = disclosures.account(session, member, by_account_id=officer.id)
    assert [entry.disclosure.recipient for entry in made.entries] == ["Of the first"]
    assert [(other.kind, other.requests) for other in made.others] == [("app", 1)]

    disclosures.record(session, member, told(recipient="Right", corrects=entered.id), by_account_id=officer.id)
    corrected = {
        one.disclosure.recipient: one.corrected
        for one in disclosures.account(session, member, by_account_id=officer.id).entries
    }
    assert corrected == {"Of the first": True, "Right": False}
