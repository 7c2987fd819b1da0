"""A member who has come of age decides anew what parents and guardians had let in (identity.md, ID-45).

Their links are over from midnight of the 18th birthday on, and every app with them. Nothing goes on by itself:
the new adult connects an app in their own name, or leaves it.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from consent.birthdays import majority
from consent.models import EndedBy, Grant, RepresentativeLink
from service import audit
from service.accounts.models import Account
from service.clock import now
from service.plan.models import Member


def undecided(session: Session, member: Member, timezone: ZoneInfo) -> list[RepresentativeLink]:
    """The links of a minor that ended as they came of age and about which they have not decided; none before that.

    Whoever was shut out as they came of age had acted no more by then, and is not named.
    """
    link, grown_up = RepresentativeLink, majority(member.birth_date, timezone)
    if grown_up > now():
        return []
    statement = select(link).where(
        link.member_id == member.id, link.narrows_at.is_not(None), link.valid_until >= grown_up,
        link.valid_until <= now(), link.adult_decided_at.is_(None),
        or_(link.ended_by.is_(None), link.ended_by == EndedBy.TIME),
        # A block may have been lifted since; then it was reviewed last.
        link.safety_block.is_(False), or_(link.block_reviewed_at.is_(None), link.block_reviewed_at < link.valid_until),
    )  # fmt: skip
    return list(session.scalars(statement.limit(20)).unique())


def decided_at(session: Session, member: Member) -> datetime | None:
    """When the member last said that they have decided; None for who never had to."""
    link = RepresentativeLink
    return session.scalar(select(func.max(link.adult_decided_at)).where(link.member_id == member.id))


def lasted_till_then(grant: Grant, links: Sequence[RepresentativeLink]) -> bool:
    """Whether an app was still let in when the right that it came in by ended."""
    link = next((one for one in links if one.id == grant.link_id), None)
    if link is None or link.valid_until is None:
        return False
    return grant.expires_at > link.valid_until and (grant.ended_at is None or grant.ended_at >= link.valid_until)


def decide(session: Session, account: Account, links: Sequence[RepresentativeLink]) -> None:
    """Keep that the member has seen what ended and needs not be asked again."""
    for link in links:
        link.adult_decided_at = now()
        audit.record(
            session, "consent:coming_of_age:decide", account_id=account.id, member_id=link.member_id, link_id=link.id
        )  # fmt: skip
