"""The job that writes down which links are over: by their last day, at majority, or by the member's death.

Time ends a link by itself at its moment: nothing that is asked for afterwards needs this job. It keeps the row, tells
both people, and ends what only the roster knows.
"""

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session, sessionmaker

from consent import representative_notices, representatives
from consent.models import Basis, EndedBy, RepresentativeLink
from service.clock import now
from service.plan.models import Member
from service.settings import Settings

_BATCH = 200


def run(sessions: sessionmaker[Session], _settings: Settings) -> None:
    """End at most 200 links that are over."""
    with sessions.begin() as session:
        for link in _over(session):
            by_death = link.valid_until is None or link.valid_until > now()
            by = EndedBy.PLAN if by_death else EndedBy.TIME
            representatives.end_link(session, link, by=by, at=None if by_death else link.valid_until)
            if not link.safety_block and not by_death:
                representative_notices.ended(session, link)


def _over(session: Session) -> list[RepresentativeLink]:
    by_time = RepresentativeLink.valid_until <= now()
    by_death = and_(Member.deceased_on.is_not(None), RepresentativeLink.basis != Basis.EXECUTOR)
    statement = (
        select(RepresentativeLink)
        .join(Member, Member.id == RepresentativeLink.member_id)
        .where(RepresentativeLink.ended_at.is_(None), or_(by_time, by_death))
        .limit(_BATCH)
    )
    return list(session.scalars(statement).unique())
