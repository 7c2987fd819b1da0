"""What links of minors take from a birth date, and follow when the roster corrects it: narrower at 12, over at 18."""

from collections.abc import Iterable
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import representative_notices, representatives
from consent.birthdays import majority, twelfth_birthday
from consent.link_standing import is_over
from consent.models import Basis, EndedBy, RepresentativeLink
from service.clock import now
from service.plan.models import Member

_CHILDHOOD = timedelta(days=18 * 366)
"""No shorter than anybody's first 18 years."""


def follow_birth_dates(session: Session, members: Iterable[Member], timezone: ZoneInfo) -> None:
    """Have the links of members whose birth date was corrected narrow and end by it, in the same transaction.

    They only ever get shorter: whoever turns out to be younger is acted for any longer by a new link. Those of who
    turns out to have been of age, and the permission of who turns out not to be, are over at once.
    """
    for member in members:
        for link in _not_ended(session, member):
            _follow(session, link, timezone)


def bound(session: Session, timezone: ZoneInfo, *, limit: int) -> None:
    """Bound at most `limit` links of minors that bear no bounds: those from before guardians' had any."""
    statement = (
        select(RepresentativeLink)
        .join(Member, Member.id == RepresentativeLink.member_id)
        .where(
            RepresentativeLink.ended_at.is_(None), RepresentativeLink.narrows_at.is_(None),
            RepresentativeLink.basis != Basis.EXECUTOR, Member.birth_date > (now() - _CHILDHOOD).date(),
        )
        .order_by(Member.birth_date.desc())
        .limit(limit)
    )  # fmt: skip
    for link in session.scalars(statement).unique().all():
        _follow(session, link, timezone)


def _not_ended(session: Session, member: Member) -> list[RepresentativeLink]:
    mine = (RepresentativeLink.member_id == member.id, RepresentativeLink.basis != Basis.EXECUTOR)
    statement = select(RepresentativeLink).where(*mine, RepresentativeLink.ended_at.is_(None))
    return list(session.scalars(statement.order_by(RepresentativeLink.id)).unique())


def _follow(session: Session, link: RepresentativeLink, timezone: ZoneInfo) -> None:
    born = link.member.birth_date
    grown_up = majority(born, timezone)
    is_adults = link.narrows_at is None and grown_up <= now()
    if is_adults or is_over(link):
        return
    if link.basis is Basis.PERMISSION:
        representatives.end_link(session, link, by=EndedBy.PLAN)
    elif not representatives.shorten(session, link, valid_until=grown_up, narrows_at=twelfth_birthday(born, timezone)):
        return
    _tell(session, link)


def _tell(session: Session, link: RepresentativeLink) -> None:
    if link.safety_block:
        return
    news = representative_notices.ended if is_over(link) else representative_notices.changed
    news(session, link)
