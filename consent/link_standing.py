"""Whether a link stands: asked of its row and of the member's death at each use, as SQL and of a row that was read.

And whether a grant's giver may still act: by the link as it was when they gave it, which its version tells.

The token's own statement asks the same (`oauth.statements`, `oauth.tokens.token_rows`).
"""

from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement, and_, or_, select

from consent.models import Basis, Grant, RepresentativeLink
from service.clock import now
from service.plan.models import Member


def standing_now(moment: BindParameter[datetime] | None = None) -> tuple[ColumnElement[bool], ...]:
    """The conditions (on RepresentativeLink) under which somebody may act by a link now.

    `moment` stands for now in a statement that is made once and run again and again.
    """
    at = now() if moment is None else moment
    return (*not_over(moment), RepresentativeLink.valid_from <= at)


def not_over(moment: BindParameter[datetime] | None = None) -> tuple[ColumnElement[bool], ...]:
    """The conditions (on RepresentativeLink) that a link is neither over nor shut out; `moment` as above."""
    at = now() if moment is None else moment
    return (
        RepresentativeLink.ended_at.is_(None),
        RepresentativeLink.safety_block.is_(False),
        or_(RepresentativeLink.valid_until.is_(None), RepresentativeLink.valid_until > at),
        ~ended_by_death(),
        ~waits_for_death(),
    )


def ended_by_death() -> ColumnElement[bool]:
    """The condition that the member has died, with whom every right ends but an executor's."""
    has_died = RepresentativeLink.member.has(Member.deceased_on.is_not(None))
    return and_(RepresentativeLink.basis != Basis.EXECUTOR, has_died)


def waits_for_death() -> ColumnElement[bool]:
    """The condition that an executor's member lives, as the roster knows by now: the right begins with a death."""
    lives = RepresentativeLink.member.has(Member.deceased_on.is_(None))
    return and_(RepresentativeLink.basis == Basis.EXECUTOR, lives)


def is_current(link: RepresentativeLink, at: datetime) -> bool:
    """Whether somebody may act at that moment by a link that was read."""
    begun = link.ended_at is None and not link.safety_block and link.valid_from <= at
    # A death that the roster takes back takes the executor's right with it.
    by_life = (link.member.deceased_on is None) is (link.basis is not Basis.EXECUTOR)
    return begun and by_life and (link.valid_until is None or at < link.valid_until)


def is_over(link: RepresentativeLink) -> bool:
    """Whether the link is over for good; one that has not begun, or is shut out, is not.

    A member's death, which the roster may take back, makes it so once the job `consent.link_ends` has kept it.
    """
    return link.ended_at is not None or (link.valid_until is not None and link.valid_until <= now())


def right_stands(grant: Grant) -> bool:
    """Whether whoever gave the grant may still act for the member, by the right as it was when they gave it."""
    link = grant.link
    return link is None or (link.version == grant.link_version and is_current(link, now()))


def right_stands_now() -> ColumnElement[bool]:
    """The same as a condition (on Grant)."""
    same = (RepresentativeLink.id == Grant.link_id, RepresentativeLink.version == Grant.link_version)
    return or_(Grant.link_id.is_(None), select(RepresentativeLink.id).where(*same, *standing_now()).exists())
