"""The end of what representatives had let in, as their link changes or ends: at that moment, and told to nobody.

The API asks for no row of this: each use compares the link and its version. It is written for people, so that an app
reads as ended since the moment at which it was shut out, and is no news afterwards. Whoever ends a link tells of the
link; of a safety block nobody is told, so that what is kept of a grant does not say which of these it was.
"""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent.grant_rows import touch, write_audit
from consent.link_standing import right_stands
from consent.models import EndedBy, Grant, GrantStatus, RepresentativeLink
from service.audit import AuditEvent
from service.clock import now

_CHANGES = tuple(f"consent:representative_link:{action}" for action in ("limit", "shorten", "block", "end"))
"""The audit rows of what makes grants of before void."""


def end_with(session: Session, link: RepresentativeLink, at: datetime, *, covers_less: bool = False) -> None:
    """End everything that was let in by a link, which is over, shut out or another than before from `at` on.

    Where it `covers_less`, what had ended before is rendered otherwise too. Nothing else is to be seen there:
    of a safety block it would tell when it began.
    """
    theirs = [Grant.member_id == link.member_id, Grant.link_id == link.id]
    if not covers_less:
        theirs.append(Grant.ended_at.is_(None))
    statement = select(Grant).where(*theirs).order_by(Grant.id).with_for_update(of=Grant)
    for grant in session.scalars(statement, execution_options={"populate_existing": True}).all():
        if grant.ended_at is None:
            _end(session, grant, at)
        else:
            touch(grant)


def end_left(session: Session, *, limit: int) -> None:
    """End at most `limit` grants that links took with them under a release that did not write it down."""
    link = RepresentativeLink
    statement = (
        select(Grant)
        .join(link, (link.member_id == Grant.member_id) & (link.id == Grant.link_id))
        # A link that has never changed has its first version; that leaves most of them out.
        .where(link.version > 1, link.version != Grant.link_version, Grant.ended_at.is_(None))
        .order_by(Grant.id)
        .limit(limit)
        .with_for_update(of=Grant)
    )
    for grant in session.scalars(statement).all():
        _end(session, grant, _first_change(session, grant))


def over_since(grant: Grant) -> datetime | None:
    """Since when nobody comes in under a grant that does not stand, never later than now.

    None where that is not known: the member's death, and their life where an executor acted, bear no moment.
    """
    passed = [moment for moment in _ends(grant) if moment <= now()]
    return min(passed, default=None)


def is_by_right(grant: Grant) -> bool:
    """Whether a grant that does not stand is over because its giver may not act any more by the right of then.

    The plan ends no grant of a representative for another cause, but by a person of its own, whom the row names.
    """
    link = grant.link
    if link is None:
        return False
    if grant.ended_at is None:
        return not right_stands(grant) and over_since(grant) != grant.expires_at
    unnamed = grant.ended_by is EndedBy.PLAN and grant.ended_by_account_id is None
    return unnamed and link.version != grant.link_version


def _end(session: Session, grant: Grant, at: datetime) -> None:
    # As long as nothing is written, each of these makes a version of the Consent that is rendered from the grant: its
    # number must not go back as they stop counting.
    passed = [turn for turn in (grant.expires_at, _link_end(grant)) if turn and grant.created_at < turn <= now()]
    if grant.expires_at <= at:
        # Its time was over before, and its Consent has said so since.
        grant.status, grant.ended_at, grant.ended_by = GrantStatus.EXPIRED, grant.expires_at, EndedBy.TIME
        grant.revision += len(passed)
        grant.changed_at = max(grant.changed_at, *passed)
    else:
        grant.status, grant.ended_at, grant.ended_by = GrantStatus.REVOKED, at, EndedBy.PLAN
        write_audit(session, grant, "end_with_right", None)
        grant.revision += len(passed)
        touch(grant)
    grant.version += 1


def _link_end(grant: Grant) -> datetime | None:
    return grant.link.ended_at if grant.link is not None else None


def _ends(grant: Grant) -> Iterator[datetime]:
    yield grant.ended_at or grant.expires_at
    link = grant.link
    if link is None:
        return
    if over := link.ended_at or link.valid_until:
        yield over
    if link.safety_block and link.blocked_at is not None:
        yield link.blocked_at


def _first_change(session: Session, grant: Grant) -> datetime:
    """When the link changed first after the grant's answer; now, where nothing tells of it any more."""
    event, link, given = AuditEvent, session.get_one(RepresentativeLink, grant.link_id), grant.decision.at
    theirs = (event.member_id == grant.member_id, event.link_id == grant.link_id)
    first = session.scalar(select(func.min(event.at)).where(*theirs, event.at >= given, event.tag.in_(_CHANGES)))
    moments = [moment for moment in (first, link.ended_at, link.blocked_at) if moment is not None]
    return min((moment for moment in moments if moment >= given), default=now())
