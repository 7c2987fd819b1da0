"""The job that writes down which links are over: by their last day, at majority, or by the member's death.

So it does of grants that went with a link under a release that left their rows as they were.

Time ends a link by itself at its moment, and the death that the roster tells of at once: nothing that is asked for
afterwards needs this job. It keeps the row and tells both people.
"""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, sessionmaker

from consent import childhood, grant_ends, representative_notices, representatives
from consent.link_standing import ended_by_death
from consent.models import EndedBy, RepresentativeLink
from service.clock import now
from service.settings import Settings

_BATCH = 200


def run(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Bound at most 200 links of minors that bear no bounds, and end at most 200 that are over; and as many grants."""
    with sessions.begin() as session:
        childhood.bound(session, settings.plan.timezone, limit=_BATCH)
    with sessions.begin() as session:
        for link in _over(session):
            by_death = link.valid_until is None or link.valid_until > now()
            by = EndedBy.PLAN if by_death else EndedBy.TIME
            representatives.end_link(session, link, by=by, at=None if by_death else link.valid_until)
            if not link.safety_block and not by_death:
                representative_notices.ended(session, link)
    with sessions.begin() as session:
        grant_ends.end_left(session, limit=_BATCH)


def _over(session: Session) -> list[RepresentativeLink]:
    by_time = RepresentativeLink.valid_until <= now()
    over = or_(by_time, ended_by_death())
    statement = select(RepresentativeLink).where(RepresentativeLink.ended_at.is_(None), over).limit(_BATCH)
    return list(session.scalars(statement).unique())
