"""What people hear of a grant: the member, and whoever gave it for them as long as they may act for the member.

What somebody does is told as it happens (`consent.grants` calls `tell`). What only time or the app does is found by the
job: the first read, 30 days before the end, the end.
"""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, sessionmaker

from consent.models import Duration, EndedBy, Grant
from consent.representatives import MemberChoice
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
    for account in _concerned(session, grant):
        is_own = account.id == by_account_id
        who = by.full_name if by and not is_own else ""
        about = About(grant.member_id, grant.client_id, grant.id, who)
        notices.tell(session, account, kind, about, by_owner=is_own)


def run(sessions: sessionmaker[Session], _settings: Settings) -> None:
    """The job: tell of first reads, of ends that come, and of those that have come."""
    for kind, told_at, found in _NEWS:
        with sessions.begin() as session:
            untold = select(Grant).where(told_at.is_(None), *found()).limit(_BATCH).with_for_update(of=Grant)
            for grant in session.scalars(untold).all():
                setattr(grant, told_at.key, now())
                tell(session, grant, kind)


def _concerned(session: Session, grant: Grant) -> list[Account]:
    """The member's own account and the giver's; a giver who may not act for the member any more hears nothing."""
    member = session.scalar(select(Account).where(Account.member_id == grant.member_id))
    link = grant.link
    acts = link is not None and link.version == grant.link_version and MemberChoice(link.member, link).is_current(now())
    giver = session.get(Account, grant.account_id) if acts or link is None else None
    return [account for account in (giver, member if member is not giver else None) if account is not None]


def _read() -> tuple[ColumnElement[bool], ...]:
    event = audit.AuditEvent
    read = select(event.id).where(
        event.grant_id == Grant.id, event.tag.startswith("fhir:"), event.outcome == audit.Outcome.SUCCESS
    )
    return Grant.ended_at.is_(None), read.exists()


def _over_soon() -> tuple[ColumnElement[bool], ...]:
    soon = (Grant.expires_at > now(), Grant.expires_at <= now() + WARNED_BEFORE)
    return Grant.ended_at.is_(None), Grant.duration != Duration.ONCE, *soon


def _over() -> tuple[ColumnElement[bool], ...]:
    by_time = or_(Grant.ended_at.is_(None), Grant.ended_by == EndedBy.TIME)
    return Grant.duration != Duration.ONCE, Grant.expires_at <= now(), Grant.expires_at > now() - _LATE, by_time


_NEWS: tuple[tuple[NoticeKind, InstrumentedAttribute[object], Callable[[], tuple[ColumnElement[bool], ...]]], ...] = (
    (NoticeKind.APP_READ, Grant.read_told_at, _read),
    (NoticeKind.APP_ENDS_SOON, Grant.end_warned_at, _over_soon),
    (NoticeKind.APP_OVER, Grant.end_told_at, _over),
)
