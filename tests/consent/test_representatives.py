"""Links between representatives and members: made under rules, ended by date, majority, staff or the member."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from consent import safety_blocks
from consent.birthdays import birthday, majority
from consent.link_refusals import (
    CircularLink,
    ConfidentialMember,
    LinkedAlready,
    MergedRecord,
    MinorsPermission,
    NoTimeLeft,
    PastMajority,
    SelfLink,
    ShutOut,
)
from consent.models import Basis, EndedBy, LinkScope, RepresentativeLink
from consent.representatives import (
    AlreadyRegistered,
    RightOver,
    attach_account,
    attach_member,
    block,
    end_link,
    find_by_number,
    hold,
    link,
    members_for,
    representative_of,
    represented_by,
    right_for,
)
from service.clock import now
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_representative

NEW_YORK = ZoneInfo("America/New_York")


def linked(session: Session, **given: object) -> RepresentativeLink:
    account = make_account(session)
    member = make_member(session)
    values: dict[str, object] = {"basis": Basis.POWER_OF_ATTORNEY, "timezone": NEW_YORK}
    return link(session, make_representative(session, account), member, **values | given)  # type: ignore[arg-type]


def test_a_member_with_a_link_chooses_between_both_records(session: Session) -> None:
    account = make_account(session, member=make_member(session))
    father = make_member(session, given_name="Zeno")
    link(session, make_representative(session, account), father, basis=Basis.POWER_OF_ATTORNEY, timezone=NEW_YORK)
    choices = members_for(session, account)
    assert [choice.is_self for choice in choices] == [True, False]
    assert choices[1].member is father


def test_an_ended_or_blocked_link_gives_no_right(session: Session) -> None:
    for undo in (
        lambda made: end_link(session, made, by=EndedBy.PLAN),
        lambda made: block(session, made, by_account_id=None),
    ):
        made = linked(session)
        account = make_account_of(session, made)
        assert right_for(session, account, made.member_id)
        undo(made)
        session.flush()
        assert right_for(session, account, made.member_id) is None
        assert made.version == 2


def make_account_of(session: Session, made: RepresentativeLink):  # type: ignore[no-untyped-def]
    from service.accounts.models import Account

    return session.get(Account, made.representative.account_id)


def test_nobody_represents_themselves(session: Session) -> None:
    member = make_member(session)
    account = make_account(session, member=member)
    with pytest.raises(SelfLink):
        link(session, make_representative(session, account), member, basis=Basis.GUARDIAN, timezone=NEW_YORK)


def test_two_people_cannot_represent_each_other(session: Session) -> None:
    first, second = make_member(session), make_member(session)
    first_account, second_account = make_account(session, member=first), make_account(session, member=second)
    link(session, make_representative(session, first_account), second, basis=Basis.GUARDIAN, timezone=NEW_YORK)
    with pytest.raises(CircularLink):
        link(session, make_representative(session, second_account), first, basis=Basis.GUARDIAN, timezone=NEW_YORK)


@pytest.mark.parametrize("confidential", [False, True])
def test_a_dead_member_is_linked_to_an_executor_only(session: Session, confidential: bool) -> None:
    member = make_member(session, deceased_on=date(2026, 1, 1), confidential=confidential)
    representative = make_representative(session)
    with pytest.raises(ConfidentialMember):
        link(session, representative, member, basis=Basis.GUARDIAN, timezone=NEW_YORK)
    assert link(session, representative, member, basis=Basis.EXECUTOR, timezone=NEW_YORK).ended_at is None


@pytest.mark.parametrize(
    ("born", "grown_up"),
    [
        (date(2010, 6, 15), datetime(2028, 6, 15, 4, tzinfo=UTC)),
        (date(2008, 2, 29), datetime(2026, 3, 1, 5, tzinfo=UTC)),
    ],
)
def test_majority_is_midnight_in_the_plans_time_zone(born: date, grown_up: datetime) -> None:
    assert majority(born, NEW_YORK) == grown_up


def test_a_parents_link_ends_at_the_childs_majority(session: Session, clock: MovableClock) -> None:
    account = make_account(session)
    today = now().astimezone(NEW_YORK).date()
    child = make_member(
        session, birth_date=today.replace(year=today.year - 18, day=1, month=1).replace(year=today.year - 17)
    )
    made = link(session, make_representative(session, account), child, basis=Basis.PARENT, timezone=NEW_YORK)
    assert made.valid_until == majority(child.birth_date, NEW_YORK)
    seconds = (made.valid_until - now()).total_seconds()
    clock.advance(seconds - 2)
    assert right_for(session, account, child.id)
    clock.advance(3)
    assert right_for(session, account, child.id) is None


def test_a_parent_of_an_adult_needs_another_basis(session: Session) -> None:
    with pytest.raises(PastMajority):
        linked(session, basis=Basis.PARENT)


def test_registration_needs_number_name_and_birth_date_all_right(session: Session) -> None:
    someone = make_representative(session, number="PR100205", family_name="O'Neil")
    right = {"number": "pr-100 205", "family_name": "ONEIL", "birth_date": someone.birth_date}
    assert find_by_number(session, **right) is someone  # type: ignore[arg-type]
    for wrong in ({"number": "PR100206"}, {"family_name": "Neil"}, {"birth_date": date(1980, 3, 1)}):
        assert find_by_number(session, **right | wrong) is None  # type: ignore[arg-type]


def test_one_representative_has_one_account(session: Session) -> None:
    someone = make_representative(session)
    attach_account(session, someone, make_account(session))
    with pytest.raises(AlreadyRegistered):
        attach_account(session, someone, make_account(session))


def child_of(session: Session, years: int, **given: object) -> RepresentativeLink:
    """A parent's link to a child who was `years` old on the 15th of January."""
    today = now().astimezone(NEW_YORK).date()
    child = make_member(session, birth_date=date(today.year - years, 1, 15))
    parent = make_representative(session, make_account(session))
    return link(session, parent, child, basis=Basis.PARENT, timezone=NEW_YORK, **given)  # type: ignore[arg-type]


def test_a_parents_link_narrows_at_the_twelfth_birthday(session: Session, clock: MovableClock) -> None:
    made, claims = child_of(session, 11), child_of(session, 11, scope=LinkScope.CLAIMS_ONLY)
    assert made.narrows_at == birthday(made.member.birth_date, 12, NEW_YORK)
    clock.advance((made.narrows_at - now()).total_seconds() - 2)
    assert (made.scope_now, claims.scope_now) == (LinkScope.ALL, LinkScope.CLAIMS_ONLY)
    clock.advance(3)
    assert made.scope_now is LinkScope.WITHOUT_SENSITIVE
    assert claims.scope_now is LinkScope.CLAIMS_WITHOUT_SENSITIVE


def test_an_adults_guardians_link_does_not_narrow(session: Session) -> None:
    assert linked(session, basis=Basis.GUARDIAN).narrows_at is None


def test_a_link_begins_and_ends_on_its_days(session: Session, clock: MovableClock) -> None:
    tomorrow, later = now() + timedelta(days=1), now() + timedelta(days=2)
    made = linked(session, valid_from=tomorrow, valid_until=later)
    account = make_account_of(session, made)
    assert right_for(session, account, made.member_id) is None
    assert [one.id for one in represented_by(session, account)] == [made.id]
    clock.advance(86_401)
    assert right_for(session, account, made.member_id)
    clock.advance(86_400)
    assert right_for(session, account, made.member_id) is None
    assert represented_by(session, account) == []


def test_a_link_without_time_or_by_a_minors_permission_is_refused(session: Session) -> None:
    with pytest.raises(NoTimeLeft):
        linked(session, valid_until=now() - timedelta(seconds=1))
    child = make_member(session, birth_date=now().date() - timedelta(days=365 * 16))
    with pytest.raises(MinorsPermission):
        link(session, make_representative(session), child, basis=Basis.PERMISSION, timezone=NEW_YORK)


def test_the_same_two_are_linked_once_and_never_around_a_block(session: Session) -> None:
    made = linked(session)
    again = {"basis": Basis.GUARDIAN, "timezone": NEW_YORK}
    with pytest.raises(LinkedAlready):
        link(session, made.representative, made.member, **again)  # type: ignore[arg-type]
    block(session, made, by_account_id=None, reason="The member called.")
    with pytest.raises(ShutOut):
        link(session, made.representative, made.member, **again)  # type: ignore[arg-type]


def test_a_block_outlives_its_link_until_an_officer_lifts_it(session: Session) -> None:
    made, officer = linked(session), make_account(session)
    again = {"basis": Basis.GUARDIAN, "timezone": NEW_YORK}
    block(session, made, by_account_id=None, reason="The member called.")
    end_link(session, made, by=EndedBy.PLAN)
    assert safety_blocks.list_to_review(session) == [made]
    with pytest.raises(ShutOut):
        link(session, made.representative, made.member, **again)  # type: ignore[arg-type]
    survivor = make_member(session)
    made.member.merged_into_id = survivor.id
    with pytest.raises(ShutOut):
        link(session, made.representative, survivor, **again)  # type: ignore[arg-type]
    safety_blocks.lift(session, made, by_account_id=officer.id, reason="Another man")
    assert link(session, made.representative, survivor, **again).safety_block is False  # type: ignore[arg-type]


def test_links_know_a_person_by_every_record_that_became_theirs(session: Session) -> None:
    former, middle, own, other = (make_member(session) for _ in range(4))
    given = {"basis": Basis.GUARDIAN, "timezone": NEW_YORK}
    oneself, friend = (make_representative(session, number=None, member_id=one.id) for one in (former, other))
    link(session, oneself, other, **given)  # type: ignore[arg-type]
    former.merged_into_id, middle.merged_into_id = middle.id, own.id
    session.flush()
    with pytest.raises(SelfLink):
        link(session, oneself, own, **given)  # type: ignore[arg-type]
    with pytest.raises(CircularLink):
        link(session, friend, own, **given)  # type: ignore[arg-type]
    with pytest.raises(MergedRecord):
        link(session, friend, former, **given)  # type: ignore[arg-type]


def test_who_acts_for_a_second_member_is_one_person(session: Session) -> None:
    made = linked(session)
    assert made.representative.person_id is None
    link(session, made.representative, make_member(session), basis=Basis.GUARDIAN, timezone=NEW_YORK)
    assert made.representative.person_id


def test_a_member_who_registers_is_the_representative_they_were_entered_as(session: Session) -> None:
    member = make_member(session)
    someone = make_representative(session, number=None, member_id=member.id)
    with pytest.raises(SelfLink):
        link(session, someone, member, basis=Basis.GUARDIAN, timezone=NEW_YORK)
    account = make_account(session, member=member)
    attach_member(session, account)
    assert representative_of(session, account) is someone


def test_a_right_that_changed_meanwhile_is_not_held(session: Session) -> None:
    made = linked(session)
    choice = right_for(session, make_account_of(session, made), made.member_id)
    assert choice
    hold(session, choice)
    session.execute(update(RepresentativeLink).values(version=2).execution_options(synchronize_session=False))
    with pytest.raises(RightOver):
        hold(session, choice)
