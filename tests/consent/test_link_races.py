"""A link that is made while the roster is loaded, records are merged, or another link is made: one comes first.

Each pair is told three ways: the one waits for the other's commit, the other way round, and both begin at a barrier.
Whichever was first, what stands afterwards is what would stand had they come one after the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from consent import childhood
from consent.birthdays import majority, twelfth_birthday
from consent.link_refusals import LinkRefused
from consent.models import Basis, EndedBy, PersonalRepresentative, RepresentativeLink
from consent.policy import plan_system
from consent.representatives import acting_for, block, link, right_for
from fhir.merges import merging
from service.accounts.models import Account
from service.clock import now
from service.plan.members import roster
from service.plan.models import Member
from tests.attacks.families import NEW_YORK
from tests.consent.conftest import AtOnce, Deed
from tests.factories import make_account, make_member, make_representative


def born(years: int) -> date:
    """The 15th of January of the year in which somebody was born who became `years` old this year."""
    return date(now().astimezone(NEW_YORK).year - years, 1, 15)


@dataclass
class Pair:
    """A member of some age, and somebody with an account who is to be linked to them."""

    sessions: sessionmaker[Session]
    member_id: str
    account_id: str
    representative_id: str

    def link(self, basis: Basis) -> Deed:
        """Link the two, as the second person's yes does; the refusal where there is one."""

        def make(session: Session) -> LinkRefused | None:
            # What the reviewer's page has read is there already, and may be old.
            member = session.get_one(Member, self.member_id)
            someone = session.get_one(PersonalRepresentative, self.representative_id)
            try:
                link(session, someone, member, basis=basis, timezone=NEW_YORK)
            except LinkRefused as refusal:
                return refusal
            return None

        return make

    def load(self, **changed: str) -> Deed:
        """Load the member's line of the roster with what has changed, as `flask members load` does."""

        def run(session: Session) -> None:
            member = session.get_one(Member, self.member_id)
            line = {
                "patient": member.patient_id, "member_id": member.member_number, "given": member.given_name,
                "family": member.family_name, "birth_date": member.birth_date.isoformat(),
            }  # fmt: skip
            summary = roster.load(session, [line | changed])
            assert (summary.problems, summary.changed) == ([], 1)
            childhood.follow_birth_dates(session, summary.born_otherwise, NEW_YORK)

        return run

    def merge_into(self, survivor_id: str) -> Deed:
        """Make the member's record part of another."""

        def run(session: Session) -> None:
            pair = session.get_one(Member, self.member_id), session.get_one(Member, survivor_id)
            merging.merge(session, plan_system("tests"), *pair, reason="one person, two cards")

        return run

    def made(self, session: Session) -> RepresentativeLink | None:
        """The link, if one was made."""
        return session.scalar(select(RepresentativeLink).where(RepresentativeLink.member_id == self.member_id))

    def acts(self, session: Session) -> bool:
        """Whether the representative may act for the member."""
        return right_for(session, session.get_one(Account, self.account_id), self.member_id) is not None


def _pairs(at_once: AtOnce, sessions: sessionmaker[Session], **member: Any) -> Iterator[Pair]:
    """A pair for each time that the two are told."""
    for _ in range(at_once.rounds):
        with sessions.begin() as session:
            account = make_account(session)
            ids = make_member(session, **member).id, account.id, make_representative(session, account).id
        yield Pair(sessions, *ids)


@pytest.mark.parametrize("basis", [Basis.PARENT, Basis.GUARDIAN])
def test_a_birth_date_that_makes_the_member_of_age(
    at_once: AtOnce, sessions: sessionmaker[Session], basis: Basis
) -> None:
    for pair in _pairs(at_once, sessions, birth_date=born(9)):
        refusal, _ = at_once(pair.link(basis), pair.load(birth_date=born(19).isoformat()))
        with sessions() as session:
            made = pair.made(session)
            if made is None or made.ended_at is not None:
                assert not pair.acts(session)
                assert (made is None) == (refusal is not None)
                assert made is None or made.ended_by is EndedBy.TIME
            else:
                # The load came first: an adult has a guardian by an order of their own, and no parent.
                assert (basis, made.valid_until, made.narrows_at) == (Basis.GUARDIAN, None, None)


@pytest.mark.parametrize("basis", [Basis.PARENT, Basis.GUARDIAN])
def test_a_birth_date_that_makes_the_member_older_but_not_of_age(
    at_once: AtOnce, sessions: sessionmaker[Session], basis: Basis
) -> None:
    for pair in _pairs(at_once, sessions, birth_date=born(9)):
        refusal, _ = at_once(pair.link(basis), pair.load(birth_date=born(13).isoformat()))
        with sessions() as session:
            made = pair.made(session)
            assert refusal is None and made is not None
            bounds = twelfth_birthday(born(13), NEW_YORK), majority(born(13), NEW_YORK)
            assert (made.narrows_at, made.valid_until, made.ended_at) == (*bounds, None)


def test_a_birth_date_by_which_the_member_was_not_of_age_to_permit_it(
    at_once: AtOnce, sessions: sessionmaker[Session]
) -> None:
    for pair in _pairs(at_once, sessions, birth_date=born(30)):
        at_once(pair.link(Basis.PERMISSION), pair.load(birth_date=born(9).isoformat()))
        with sessions() as session:
            assert not pair.acts(session)


def test_a_death(at_once: AtOnce, sessions: sessionmaker[Session]) -> None:
    for pair in _pairs(at_once, sessions, birth_date=born(9)):
        at_once(pair.link(Basis.PARENT), pair.load(deceased_on=now().date().isoformat()))
        with sessions() as session:
            assert not pair.acts(session)
            assert acting_for(session, session.get_one(Member, pair.member_id)) == []


def test_a_death_that_the_roster_takes_back_while_an_executor_is_linked(
    at_once: AtOnce, sessions: sessionmaker[Session]
) -> None:
    for pair in _pairs(at_once, sessions, deceased_on=now().date()):
        at_once(pair.link(Basis.EXECUTOR), pair.load(deceased_on=""))
        with sessions() as session:
            assert not pair.acts(session), "the member lives"


def test_a_merge_leaves_no_link_at_the_record_that_is_gone(at_once: AtOnce, sessions: sessionmaker[Session]) -> None:
    for pair in _pairs(at_once, sessions):
        with sessions.begin() as session:
            survivor = make_member(session).id
        at_once(pair.link(Basis.GUARDIAN), pair.merge_into(survivor))
        with sessions.begin() as session:
            made = pair.made(session)
            assert made is None or made.ended_by is EndedBy.PLAN
            merging.unmerge(session, plan_system("tests"), session.get_one(Member, pair.member_id), reason="two people")
            assert not pair.acts(session), "consents come back by a new link alone"


def test_a_merge_shuts_out_at_the_survivor_whom_the_merged_record_shuts_out(
    at_once: AtOnce, sessions: sessionmaker[Session]
) -> None:
    for pair in _pairs(at_once, sessions):
        with sessions.begin() as session:
            other = make_member(session)
            someone = session.get_one(PersonalRepresentative, pair.representative_id)
            block(session, link(session, someone, other, basis=Basis.GUARDIAN, timezone=NEW_YORK), by_account_id=None)
            gone = Pair(sessions, other.id, pair.account_id, pair.representative_id)
        at_once(pair.link(Basis.GUARDIAN), gone.merge_into(pair.member_id))
        with sessions() as session:
            assert not pair.acts(session)


def test_the_same_link_made_twice_is_one(at_once: AtOnce, sessions: sessionmaker[Session]) -> None:
    for pair in _pairs(at_once, sessions):
        refusals = at_once(pair.link(Basis.GUARDIAN), pair.link(Basis.POWER_OF_ATTORNEY))
        assert [refusal is None for refusal in refusals].count(True) == 1
        with sessions() as session:
            mine = RepresentativeLink.member_id == pair.member_id
            assert session.scalar(select(func.count()).select_from(RepresentativeLink).where(mine)) == 1


def test_two_people_never_come_to_act_for_each_other(at_once: AtOnce, sessions: sessionmaker[Session]) -> None:
    for pair in _pairs(at_once, sessions):
        with sessions.begin() as session:
            mine = make_member(session)
            session.get_one(Account, pair.account_id).member_id = mine.id
            theirs = make_account(session, member=session.get_one(Member, pair.member_id))
            back = Pair(sessions, mine.id, theirs.id, make_representative(session, theirs).id)
        refusals = at_once(pair.link(Basis.GUARDIAN), back.link(Basis.GUARDIAN))
        assert [refusal is None for refusal in refusals].count(True) == 1


def test_who_is_linked_to_two_members_at_once_is_one_person(at_once: AtOnce, sessions: sessionmaker[Session]) -> None:
    for pair in _pairs(at_once, sessions):
        with sessions.begin() as session:
            second = Pair(sessions, make_member(session).id, pair.account_id, pair.representative_id)
        assert at_once(pair.link(Basis.GUARDIAN), second.link(Basis.GUARDIAN)) == (None, None)
        with sessions() as session:
            assert session.get_one(PersonalRepresentative, pair.representative_id).person_id is not None
