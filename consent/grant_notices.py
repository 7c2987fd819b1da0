"""What people hear of a grant: the member, and whoever gave it for them as long as they may act for the member.

What somebody does is told as it happens (`consent.grants` calls `tell`). What only time or the app does is found by the
job: the first read, 30 days before the end, the end.
"""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, sessionmaker

from consent.link_standing import right_stands, right_stands_now
from consent.models import Duration, EndedBy, Grant
from service import audit
from service.accounts import notices
from service.accounts.models import Account
from service.accounts.notice_model import NoticeKind
from service.accounts.notices import About
from service.clock import now
from service.settings import Settings

WARNED_BEFORE = timedelta(days=30)
# The worker may have been away; what is over for longer is no news.
_LATE = timedelta(days=7)
_BATCH = 200


def tell(session: Session, grant: Grant, kind: NoticeKind, by_account_id: str | None = None) -> None:
    """Tell the member and whoever gave the grant. `by_account_id` did it; None where the plan, the app or time did."""
    by = session.get(Account, by_account_id) if by_account_id else None
    for account in concerned(session, grant):
        is_own = account.id == by_account_id
        who = by.full_name if by and not is_own else ""
        notices.tell(session, account, kind, about(grant, who), by_owner=is_own)


def about(grant: Grant, who: str = "") -> About:
    """What a notice of this grant is about; the member is named as long as the giver may act for them.

    Who was shut out must not learn from a notice what the member is called since.
    """
    name = grant.member.full_name if grant.link is not None and right_stands(grant) else None
    return About(grant.member_id, grant.client_id, grant.id, who, name)


def run(sessions: sessionmaker[Session], _settings: Settings) -> None:
    """The job: tell of first reads, of ends that come, and of those that have come."""
    for kind, told_at, found in _NEWS:
        with sessions.begin() as session:
            untold = select(Grant).where(told_at.is_(None), *found()).order_by(Grant.id).limit(_BATCH)
            for grant in session.scalars(untold.with_for_update(of=Grant)).all():
                setattr(grant, told_at.key, now())
                tell(session, grant, kind)


def concerned(session: Session, grant: Grant) -> list[Account]:
    """The giver's account and the member's own; a giver who may not act for the member any more hears nothing.

    Whatever is told of an app that somebody let in is told to these.
    """
    member = session.scalar(select(Account).where(Account.member_id == grant.member_id))
    giver = session.get(Account, grant.account_id) if right_stands(grant) else None
    return [account for account in (giver, member if member is not giver else None) if account is not None]


def let_in() -> ColumnElement[bool]:
    """That nobody has ended a grant, nor the right by which it was given: where that is over, time ends nothing."""
    return and_(Grant.ended_at.is_(None), right_stands_now())


def _read() -> tuple[ColumnElement[bool], ...]:
    event = audit.AuditEvent
    read = select(event.id).where(
        event.grant_id == Grant.id, event.tag.startswith("fhir:"), event.outcome == audit.Outcome.SUCCESS
    )
    return Grant.ended_at.is_(None), read.exists()


def _over_soon() -> tuple[ColumnElement[bool], ...]:
    soon = (Grant.expires_at > now(), Grant.expires_at <= now() + WARNED_BEFORE)
    return let_in(), Grant.duration != Duration.ONCE, *soon


def _over() -> tuple[ColumnElement[bool], ...]:
    by_time = or_(let_in(), Grant.ended_by == EndedBy.TIME)
    return Grant.duration != Duration.ONCE, Grant.expires_at <= now(), Grant.expires_at > now() - _LATE, by_time


_NEWS: tuple[tuple[NoticeKind, InstrumentedAttribute[object], Callable[[], tuple[ColumnElement[bool], ...]]], ...] = (
    (NoticeKind.APP_READ, Grant.read_told_at, _read),
    (NoticeKind.APP_ENDS_SOON, Grant.end_warned_at, _over_soon),
    (NoticeKind.APP_OVER, Grant.end_told_at, _over),
)
