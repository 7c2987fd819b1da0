"""Lists of members when records become one, and part again: a list names people, whatever their record is now."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from consent.policy import plan_system
from fhir.bulk import groups
from fhir.bulk.models import GroupKind, MemberGroup
from fhir.merges import merging
from service.clock import now
from service.db import microseconds
from service.plan.models import Member
from tests.conftest import MovableClock
from tests.factories import make_member


def listed(session: Session, group_id: str) -> dict[str, int]:
    """Whom a list names, and since when, in pages of one."""
    group, found, after = session.get_one(MemberGroup, group_id), {}, ""
    while page := groups.members_after(session, group, after, 1):
        found |= dict(page)
        after = page[-1][0]
    return found


def merge(session: Session, merged: Member, survivor: Member) -> None:
    merging.merge(session, plan_system("tests"), merged, survivor, reason="one person")


@pytest.fixture
def people(session: Session) -> list[Member]:
    """Four members, in order of their patients' ids."""
    return sorted((make_member(session) for _ in range(4)), key=lambda one: one.patient_id)


@pytest.mark.parametrize("turned", [False, True])
def test_a_list_follows_a_merge_and_what_undoes_it(
    session: Session, people: list[Member], clock: MovableClock, turned: bool
) -> None:
    merged, survivor, last, other = reversed(people) if turned else people
    groups.load(session, "care", "In care", GroupKind.PLAN, [merged.member_number, other.member_number])
    joined = listed(session, "care")[other.patient_id]
    clock.advance(60)
    before = microseconds(now())

    merge(session, merged, survivor)
    told = listed(session, "care")
    assert told.keys() == {survivor.patient_id, other.patient_id} and told[other.patient_id] == joined
    assert told[survivor.patient_id] >= before, "new to who reads changes, so told whole"
    merge(session, survivor, last)
    merge(session, other, last)

    assert list(listed(session, "care")) == [last.patient_id]
    assert [number for _group, number in groups.list_all(session)] == [1]
    assert groups.load(session, "care", "In care", GroupKind.PLAN, [merged.member_number]).members == 1
    assert list(listed(session, "care")) == [last.patient_id]
    for one in (other, survivor, merged):
        merging.unmerge(session, plan_system("tests"), one, reason="two people")
    assert list(listed(session, "care")) == [merged.patient_id], "the other's record is nobody's of this list"


def test_whoever_is_listed_by_both_numbers_counts_once_and_since_the_first(
    session: Session, people: list[Member], clock: MovableClock
) -> None:
    merged, survivor, *_ = people
    groups.load(session, "care", "In care", GroupKind.PLAN, [survivor.member_number])
    first = listed(session, "care")[survivor.patient_id]
    clock.advance(60)
    loaded = groups.load(session, "care", "In care", GroupKind.PLAN, [one.member_number for one in (merged, survivor)])
    assert loaded.members == 2

    merge(session, merged, survivor)

    assert listed(session, "care") == {survivor.patient_id: first}
    group = session.get_one(MemberGroup, "care")
    assert groups.members_after(session, group, "", 10, joined_by=now() - timedelta(days=1)) == []
    assert groups.members_after(session, group, survivor.patient_id, 10) == []


def test_who_opted_out_by_either_number_is_left_out_until_they_opt_in(
    session: Session, people: list[Member], clock: MovableClock
) -> None:
    merged, survivor, *_ = people
    groups.load(session, "care", "In care", GroupKind.ATTRIBUTION, [merged.member_number])
    merge(session, merged, survivor)
    groups.opt_out(session, merged.member_number, out=True)
    assert listed(session, "care") == {}
    clock.advance(60)
    before = microseconds(now())

    groups.opt_out(session, merged.member_number, out=False)

    told = listed(session, "care")
    assert told.keys() == {survivor.patient_id} and told[survivor.patient_id] >= before
