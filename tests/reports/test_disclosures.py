"""Accounting of disclosures: what is entered, corrected and told, for six years, and what is told besides."""

import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from service import audit
from service.accounts.models import Account
from service.audit import AuditEvent
from service.clock import now
from service.db import make_sessions, new_id
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


def csv_of(session: Session, member: Member, officer: Account) -> str:
    made = disclosures.begin_csv(session, member, by_account_id=officer.id)
    session.commit()
    bind = session.get_bind()
    assert isinstance(bind, Engine)
    return "".join(made.pieces(make_sessions(bind)))


def enter_many(session: Session, member: Member, officer: Account, number: int) -> None:
    """Entries of the last days, some hundred a day, all of one moment."""
    rows = [
        told(
            id=new_id(), member_id=member.id, recipient=f"Court {one}", corrects_id=None, recorded_at=now(),
            recorded_by_account_id=officer.id, disclosed_on=now().date() - timedelta(days=one // 300),
        )
        for one in range(number)
    ]  # fmt: skip
    for row in rows:
        del row["corrects"]
    session.execute(insert(AccountableDisclosure), rows)
    session.commit()


def test_a_long_account_is_told_page_by_page_each_kept(session: Session, officer: Account, member: Member) -> None:
    number = 2 * disclosures.PAGE + 7
    enter_many(session, member, officer, number)
    read(session, member.id, "grant-1")
    wrong = disclosures.account(session, member, by_account_id=officer.id).entries[-1].disclosure
    disclosures.record(session, member, told(recipient="Right", corrects=wrong.id), by_account_id=officer.id)
    session.commit()

    made = [disclosures.account(session, member, by_account_id=officer.id)]
    while (older := made[-1].older) is not None:
        made.append(disclosures.account(session, member, by_account_id=officer.id, behind=older))

    assert [len(one.entries) for one in made] == [disclosures.PAGE, disclosures.PAGE, 8]
    assert [len(one.others) for one in made] == [1, 0, 0]
    entries = [entry for one in made for entry in one.entries]
    assert {one.disclosure.recipient for one in entries} == {"Right", *(f"Court {one}" for one in range(number))}
    assert [one.disclosure.id for one in entries if one.corrected] == [wrong.id]
    days = [one.disclosure.disclosed_on for one in entries]
    assert days == sorted(days, reverse=True)
    events = session.scalars(select(AuditEvent.count).where(AuditEvent.tag == "plan:disclosure:account")).all()
    assert list(events)[-3:] == [disclosures.PAGE, disclosures.PAGE, 8]


def test_a_page_behind_an_entry_of_somebody_else_is_not_told(
    session: Session, officer: Account, member: Member
) -> None:
    other = disclosures.record(session, make_member(session), told(), by_account_id=officer.id)
    for behind in (other.id, "nothing"):
        with pytest.raises(LookupError):
            disclosures.account(session, member, by_account_id=officer.id, behind=behind)


def test_a_long_account_takes_no_more_memory_as_csv_than_a_short_one(
    session: Session, officer: Account, member: Member
) -> None:
    number = 20_000
    enter_many(session, member, officer, number)
    made = disclosures.begin_csv(session, member, by_account_id=officer.id)
    session.commit()
    bind = session.get_bind()
    assert isinstance(bind, Engine)
    sessions = make_sessions(bind)
    recipients: set[str] = set()
    tracemalloc.start()
    for piece in made.pieces(sessions):
        recipients.update(line.split(",")[1] for line in piece.splitlines())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert recipients == {"recipient", *(f"Court {one}" for one in range(number))}
    assert most < 16_000_000, f"{most} bytes at once"
    event = select(AuditEvent.count).where(AuditEvent.tag == "plan:disclosure:account")
    assert session.scalars(event).one() == number


def test_an_account_tells_what_was_entered_and_keeps_that_it_was_given(
    session: Session, officer: Account, member: Member
) -> None:
    disclosures.record(session, member, told(), by_account_id=officer.id)
    disclosures.record(session, make_member(session), told(recipient="Somebody else"), by_account_id=officer.id)

    made = disclosures.account(session, member, by_account_id=officer.id)

    assert [entry.disclosure.recipient for entry in made.entries] == ["County Health Department"]
    event = session.scalars(select(AuditEvent).where(AuditEvent.tag == "plan:disclosure:account")).one()
    assert (event.account_id, event.member_id, event.count) == (officer.id, member.id, 1)
    assert "County Health Department,1 Main St,Immunizations of 2025,public_health" in csv_of(session, member, officer)


def test_a_correction_stands_in_the_place_of_the_other_which_stays(
    session: Session, officer: Account, member: Member
) -> None:
    wrong = disclosures.record(session, member, told(recipient="=cmd()"), by_account_id=officer.id)
    disclosures.record(session, member, told(recipient="=right()", corrects=wrong.id), by_account_id=officer.id)

    made = disclosures.account(session, member, by_account_id=officer.id)

    assert {entry.disclosure.recipient: entry.corrected for entry in made.entries} == {
        "=cmd()": True, "=right()": False,
    }  # fmt: skip
    lines = csv_of(session, member, officer).splitlines()
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
