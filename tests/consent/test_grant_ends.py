"""Grants end with the right by which they were given: at that moment, told to nobody, and by their row."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from consent import grant_ends, link_ends, representatives, safety_blocks
from consent.link_standing import right_stands, right_stands_now
from consent.models import Basis, Duration, EndedBy, Grant, GrantStatus, LinkScope, RepresentativeLink
from service.accounts.models import Account
from service.accounts.notice_model import Notice
from service.audit import AuditEvent
from service.clock import now
from service.db import make_sessions
from service.settings import Settings
from tests.attacks.families import NEW_YORK
from tests.conftest import MovableClock
from tests.consent.test_grants import Table
from tests.factories import make_account, make_client, make_representative

DAY = 86_400


class Family(Table):
    """The same screen, at which a representative answers for the member."""

    link: RepresentativeLink

    def __init__(self, session: Session, settings: Settings) -> None:
        super().__init__(session, settings)
        self.own, self.account = self.account, make_account(session)
        self.link = representatives.link(
            session, make_representative(session, self.account), self.member, basis=Basis.GUARDIAN,
            timezone=NEW_YORK, valid_until=now() + timedelta(days=500),
        )  # fmt: skip
        self.choice = representatives.MemberChoice(self.member, self.link)


@pytest.fixture
def family(session: Session, settings: Settings) -> Family:
    return Family(session, settings)


def allow_other(family: Family, settings: Settings) -> Grant:
    """Another app, let in for once."""
    family.client_id = make_client(family.session, settings)
    return family.allow("openid patient/*.rs", duration=Duration.ONCE)


def notices_of(session: Session, account: Account) -> int:
    return len(session.scalars(select(Notice.id).where(Notice.account_id == account.id)).all())


def near(told: datetime | None, at: datetime) -> bool:
    """Whether that is the moment, which the test took down just before the deed."""
    return told is not None and at <= told < at + timedelta(minutes=1)


def block(session: Session, link: RepresentativeLink) -> None:
    representatives.block(session, link, by_account_id=None)


def limit(session: Session, link: RepresentativeLink) -> None:
    representatives.limit(session, link, LinkScope.CLAIMS_ONLY, by_account_id=None)


def shorten(session: Session, link: RepresentativeLink) -> None:
    soon = now() + timedelta(days=30)
    assert representatives.shorten(session, link, valid_until=soon, narrows_at=soon)


def end(session: Session, link: RepresentativeLink) -> None:
    representatives.end_link(session, link, by=EndedBy.MEMBER)


CHANGES = [block, limit, shorten, end]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_link_ends_its_grants_at_that_moment_and_tells_nobody(
    family: Family, clock: MovableClock, change: Callable[[Session, RepresentativeLink], None]
) -> None:
    given, session = family.allow("openid patient/*.rs"), family.session
    told = [notices_of(session, one) for one in (family.own, family.account)]
    clock.advance(DAY)
    at = now()

    change(session, family.link)
    clock.advance(DAY)

    assert near(given.ended_at, at)
    assert (given.ended_by, given.status) == (EndedBy.PLAN, GrantStatus.REVOKED)
    assert (given.ended_by_account_id, given.version) == (None, 2), "nothing says which of these it was"
    assert (grant_ends.over_since(given), grant_ends.is_by_right(given)) == (given.ended_at, True)
    assert [notices_of(session, one) for one in (family.own, family.account)] == told
    tags = session.scalars(select(AuditEvent.tag).where(AuditEvent.grant_id == given.id)).all()
    assert tags[-1] == "consent:grant:end_with_right"


def test_other_grants_of_the_member_stay(family: Family) -> None:
    hers = family.allow("openid patient/*.rs")
    family.choice, family.account = representatives.MemberChoice(family.member, None), family.own
    own = family.allow("openid patient/*.rs")

    block(family.session, family.link)

    assert hers.ended_at is not None
    assert (own.ended_at, own.version, grant_ends.is_by_right(own)) == (None, 1, False)


def test_what_had_ended_before_keeps_its_end(family: Family, clock: MovableClock) -> None:
    over = family.allow("openid patient/*.rs", duration=Duration.ONCE)
    expiry = over.expires_at
    clock.advance(DAY)

    block(family.session, family.link)

    assert (over.ended_at, over.ended_by, over.status) == (expiry, EndedBy.TIME, GrantStatus.EXPIRED)
    assert (grant_ends.over_since(over), grant_ends.is_by_right(over)) == (expiry, False)


def test_the_last_day_of_a_link_is_that_of_its_grants(
    family: Family, clock: MovableClock, session: Session, settings: Settings
) -> None:
    last = now() + timedelta(days=30)
    family.link.valid_until = last
    given = family.allow("openid patient/*.rs")
    clock.advance((last - now()).total_seconds() + 5 * DAY)

    # Before the job has come by, the row of the link tells it.
    assert (given.ended_at, grant_ends.over_since(given), grant_ends.is_by_right(given)) == (None, last, True)
    session.commit()
    link_ends.run(make_sessions(session.get_bind()), settings)  # type: ignore[arg-type]
    session.expire_all()
    assert (given.ended_at, given.ended_by, grant_ends.is_by_right(given)) == (last, EndedBy.PLAN, True)


def test_a_grant_whose_time_was_over_before_the_right_was_is_over_by_time(family: Family, clock: MovableClock) -> None:
    given = family.allow("openid patient/*.rs")
    clock.advance(600 * DAY)

    assert (given.ended_at, right_stands(given)) == (None, False)
    assert (grant_ends.over_since(given), grant_ends.is_by_right(given)) == (given.expires_at, False)


def test_after_a_block_was_lifted_a_new_yes_makes_a_new_grant(family: Family) -> None:
    first = family.allow("openid patient/*.rs")
    block(family.session, family.link)
    safety_blocks.lift(family.session, family.link, by_account_id=family.own.id, reason="Another man")

    second = family.allow("openid patient/*.rs")

    assert first.id != second.id and first.ended_at is not None
    assert (second.ended_at, right_stands(second), grant_ends.is_by_right(first)) == (None, True, True)


def as_before(session: Session, *given: Grant) -> None:
    """As a release left them that ended no grant with its link."""
    ids = [one.id for one in given]
    session.execute(
        update(Grant)
        .where(Grant.id.in_(ids))
        .values(status=GrantStatus.ACTIVE, ended_at=None, ended_by=None, version=1)
    )
    session.commit()
    session.expire_all()


@pytest.mark.parametrize("change", CHANGES)
def test_what_an_earlier_release_left_is_ended_by_the_job_at_the_moment_of_the_change(
    family: Family, clock: MovableClock, settings: Settings, change: Callable[[Session, RepresentativeLink], None]
) -> None:
    given, session = family.allow("openid patient/*.rs"), family.session
    clock.advance(DAY)
    at = now()
    change(session, family.link)
    clock.advance(DAY)
    if change is block:
        # What came later does not count, nor what was before the answer.
        safety_blocks.lift(session, family.link, by_account_id=family.own.id, reason="Another man")
        limit(session, family.link)
        clock.advance(DAY)
    as_before(session, given)
    known = grant_ends.over_since(given)
    assert known is None or near(known, at), "never a moment that has not come"
    session.commit()

    for _ in range(2):
        link_ends.run(make_sessions(session.get_bind()), settings)  # type: ignore[arg-type]
    session.expire_all()

    assert near(given.ended_at, at)
    assert (given.ended_by, given.version) == (EndedBy.PLAN, 2)


def test_the_job_leaves_what_stands_and_what_is_over_by_time(
    family: Family, clock: MovableClock, session: Session, settings: Settings
) -> None:
    limit(session, family.link)
    clock.advance(1)
    standing = family.allow("openid patient/*.rs")
    expired = allow_other(family, settings)
    clock.advance(DAY)
    session.commit()
    link_ends.run(make_sessions(session.get_bind()), settings)  # type: ignore[arg-type]
    session.expire_all()
    assert (standing.ended_at, expired.ended_at) == (None, None)

    clock.advance(DAY)
    block(session, family.link)
    as_before(session, expired)
    link_ends.run(make_sessions(session.get_bind()), settings)  # type: ignore[arg-type]
    session.expire_all()
    assert (expired.ended_at, expired.ended_by) == (expired.expires_at, EndedBy.TIME)


@pytest.mark.parametrize("change", [None, *CHANGES])
def test_the_condition_and_the_row_agree(
    family: Family, change: Callable[[Session, RepresentativeLink], None] | None
) -> None:
    given, session = family.allow("openid patient/*.rs"), family.session
    if change is not None:
        change(session, family.link)
    session.flush()

    found = session.scalar(select(Grant.id).where(Grant.id == given.id, right_stands_now()))

    assert right_stands(given) is (change is None) is (found is not None)
