"""Links of minors: whoever acts, they narrow at 12 and end at 18, and follow a birth date that the roster corrects."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import childhood, coming_of_age, safety_blocks
from consent.birthdays import majority, twelfth_birthday
from consent.link_refusals import LivingMember
from consent.models import Basis, EndedBy, LinkScope, RepresentativeLink
from consent.representatives import block, end_link, link, right_for
from service.accounts.models import Account
from service.audit import AuditEvent
from service.clock import now
from service.mail import OutboxMail
from service.plan.members import roster
from service.plan.models import Member
from tests.attacks.families import NEW_YORK
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_representative

MINORS = (Basis.PARENT, Basis.GUARDIAN, Basis.CONSERVATOR, Basis.POWER_OF_ATTORNEY)


def born(years: int) -> date:
    """The 15th of January of the year in which somebody was born who became `years` old this year."""
    return date(now().astimezone(NEW_YORK).year - years, 1, 15)


def linked(session: Session, years: int, basis: Basis = Basis.GUARDIAN, **given: Any) -> RepresentativeLink:
    member = make_member(session, birth_date=born(years))
    someone = make_representative(session, make_account(session))
    return link(session, someone, member, basis=basis, timezone=NEW_YORK, **given)


def corrected(session: Session, member: Member, birth_date: date) -> None:
    """The roster is loaded with that birth date, and the links follow, as `flask members load` does."""
    summary = roster.load(session, [_line(member, birth_date)])
    assert summary.problems == [] and summary.born_otherwise == [member]
    childhood.follow_birth_dates(session, summary.born_otherwise, NEW_YORK)
    session.flush()


def _line(member: Member, birth_date: date) -> Mapping[str, str]:
    return {
        "patient": member.patient_id, "member_id": member.member_number, "given": member.given_name,
        "family": member.family_name, "birth_date": birth_date.isoformat(),
    }  # fmt: skip


def acts(session: Session, made: RepresentativeLink) -> bool:
    account = session.get_one(Account, made.representative.account_id)
    return right_for(session, account, made.member_id) is not None


def bounds(made: RepresentativeLink) -> tuple[datetime | None, datetime | None]:
    return made.narrows_at, made.valid_until


@pytest.mark.parametrize("basis", MINORS)
def test_whoever_acts_for_a_minor_sees_less_from_12_on_and_nothing_from_18_on(
    session: Session, clock: MovableClock, basis: Basis
) -> None:
    made = linked(session, 11, basis)
    birth_date = made.member.birth_date
    assert bounds(made) == (twelfth_birthday(birth_date, NEW_YORK), majority(birth_date, NEW_YORK))
    assert made.scope_now is LinkScope.ALL
    assert made.narrows_at and made.valid_until
    clock.advance((made.narrows_at - now()).total_seconds() + 1)
    assert made.scope_now is LinkScope.WITHOUT_SENSITIVE
    clock.advance((made.valid_until - now()).total_seconds() - 2)
    assert acts(session, made)
    clock.advance(3)
    assert not acts(session, made)


def test_an_adults_guardian_needs_a_link_of_their_own(session: Session, clock: MovableClock) -> None:
    made = linked(session, 17)
    assert made.valid_until
    clock.advance((made.valid_until - now()).total_seconds() + 1)
    again = link(session, made.representative, made.member, basis=Basis.GUARDIAN, timezone=NEW_YORK)
    assert bounds(again) == (None, None)
    assert acts(session, again)


def test_an_earlier_last_day_of_a_guardians_link_stays(session: Session) -> None:
    soon = now() + timedelta(days=30)
    assert linked(session, 9, valid_until=soon).valid_until == soon


def test_an_executor_acts_for_nobody_who_lives(session: Session) -> None:
    living = make_member(session, confidential=True)
    for member in (living, make_member(session)):
        with pytest.raises(LivingMember) as refused:
            link(session, make_representative(session), member, basis=Basis.EXECUTOR, timezone=NEW_YORK)
    assert "entered on the roster first" in refused.value.sentence


def test_an_executor_of_a_child_is_not_bounded_by_its_birthdays(session: Session) -> None:
    child = make_member(session, birth_date=born(9), deceased_on=now().date())
    made = link(session, make_representative(session), child, basis=Basis.EXECUTOR, timezone=NEW_YORK)
    assert bounds(made) == (None, None)
    corrected(session, child, born(30))
    assert (made.ended_at, made.version) == (None, 1)


@pytest.mark.parametrize("basis", [Basis.PARENT, Basis.GUARDIAN])
def test_a_child_who_turns_out_older_is_acted_for_less_long(session: Session, basis: Basis) -> None:
    made = linked(session, 9, basis)
    corrected(session, made.member, born(13))
    assert bounds(made) == (twelfth_birthday(born(13), NEW_YORK), majority(born(13), NEW_YORK))
    assert (made.version, made.ended_at, made.scope_now) == (2, None, LinkScope.WITHOUT_SENSITIVE)
    rows = session.scalars(select(AuditEvent).where(AuditEvent.tag == "consent:representative_link:shorten")).all()
    assert [row.link_id for row in rows] == [made.id]


@pytest.mark.parametrize("basis", [Basis.PARENT, Basis.GUARDIAN])
def test_acting_for_who_turns_out_to_be_of_age_is_over_at_once(session: Session, basis: Basis) -> None:
    made = linked(session, 9, basis)
    later = linked(session, 9, basis, valid_from=now() + timedelta(days=9))
    for one in (made, later):
        corrected(session, one.member, born(19))
        assert (one.ended_by, one.version) == (EndedBy.TIME, 2)
        assert one.ended_at and not acts(session, one)
    assert len(session.scalars(select(OutboxMail).where(OutboxMail.template == "representative_changed")).all()) == 2
    # Whoever has been of age all along is told which apps are over all the same.
    assert coming_of_age.undecided(session, made.member, NEW_YORK) == [made]


def test_a_new_adult_reads_nothing_of_who_was_shut_out_before(session: Session, clock: MovableClock) -> None:
    member = make_member(session, birth_date=born(17))
    shut_out, lifted_in_time, lifted_late = (
        link(session, make_representative(session, make_account(session)), member, basis=Basis.PARENT,
             timezone=NEW_YORK) for _each in range(3)
    )  # fmt: skip
    officer = make_account(session)
    for one in (shut_out, lifted_in_time, lifted_late):
        block(session, one, by_account_id=None)
    safety_blocks.lift(session, lifted_in_time, by_account_id=officer.id, reason="Another man")
    clock.advance((majority(member.birth_date, NEW_YORK) - now()).total_seconds() + 1)
    safety_blocks.lift(session, lifted_late, by_account_id=officer.id, reason="Another man")

    assert coming_of_age.undecided(session, member, NEW_YORK) == [lifted_in_time]


def test_a_child_who_turns_out_younger_is_acted_for_no_longer_than_agreed(session: Session) -> None:
    made = linked(session, 13)
    before = bounds(made)
    corrected(session, made.member, born(9))
    assert (bounds(made), made.version) == (before, 1)


def test_a_last_day_that_staff_set_stays_where_it_is_earlier(session: Session) -> None:
    soon = now() + timedelta(days=30)
    made = linked(session, 9, valid_until=soon)
    corrected(session, made.member, born(10))
    assert bounds(made) == (twelfth_birthday(born(10), NEW_YORK), soon)


def test_an_adult_who_turns_out_to_be_a_minor_has_their_links_bounded_and_permissions_ended(session: Session) -> None:
    member = make_member(session, birth_date=born(30))
    guardian, friend = (
        link(session, make_representative(session, make_account(session)), member, basis=basis, timezone=NEW_YORK)
        for basis in (Basis.GUARDIAN, Basis.PERMISSION)
    )
    corrected(session, member, born(9))
    assert bounds(guardian) == (twelfth_birthday(born(9), NEW_YORK), majority(born(9), NEW_YORK))
    assert (friend.ended_by, acts(session, friend)) == (EndedBy.PLAN, False)


def test_links_of_adults_that_are_over_or_shut_out_hear_nothing_of_a_corrected_birth_date(session: Session) -> None:
    adults, over, out = linked(session, 40), linked(session, 9), linked(session, 9)
    end_link(session, over, by=EndedBy.PLAN)
    block(session, out, by_account_id=None)
    for one, years in ((adults, 41), (over, 13), (out, 13)):
        corrected(session, one.member, born(years))
    assert [one.version for one in (adults, over, out)] == [1, 2, 3]
    assert out.valid_until == majority(born(13), NEW_YORK)
    assert session.scalars(select(OutboxMail)).all() == []


def test_links_from_before_guardians_were_bounded_are_bounded(session: Session) -> None:
    made, adults = linked(session, 9), linked(session, 40)
    made.narrows_at = made.valid_until = None
    session.flush()
    childhood.bound(session, NEW_YORK, limit=10)
    assert bounds(made) == (twelfth_birthday(born(9), NEW_YORK), majority(born(9), NEW_YORK))
    assert (made.version, adults.version) == (2, 1)
    childhood.bound(session, NEW_YORK, limit=10)
    assert made.version == 2


def test_loading_the_roster_has_links_follow(app: Flask, session: Session, tmp_path: Path) -> None:
    made = linked(session, 9)
    line = _line(made.member, born(19))
    file = tmp_path / "members.csv"
    file.write_text(",".join(line) + "\n" + ",".join(line.values()) + "\n")
    session.commit()
    told = app.test_cli_runner().invoke(args=["members", "load", str(file)])
    assert "1 changed" in told.output, told.output
    session.expire_all()
    assert made.ended_by is EndedBy.TIME
