"""Whether a link stands: asked of its row and of the member's death at each use, as SQL and of a row that was read.

The token's own statement asks the same (`oauth.statements`, `oauth.tokens.token_rows`).
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_

from consent.models import Basis, RepresentativeLink
from service.clock import now
from service.plan.models import Member


def standing_now() -> tuple[ColumnElement[bool], ...]:
    """The conditions (on RepresentativeLink) under which somebody may act by a link now."""
    return (*not_over(), RepresentativeLink.valid_from <= now())


def not_over() -> tuple[ColumnElement[bool], ...]:
    """The conditions (on RepresentativeLink) that a link is neither over nor shut out."""
    return (
        RepresentativeLink.ended_at.is_(None),
        RepresentativeLink.safety_block.is_(False),
        or_(RepresentativeLink.valid_until.is_(None), RepresentativeLink.valid_until > now()),
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
