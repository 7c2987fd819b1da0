"""Safety blocks under review (45 CFR 164.502(g)(5)): a privacy officer says whether each stays.

Whoever is shut out is told nothing, when it begins, when it stays and when it is lifted. A member who had shut them out
hears that they act again.
"""

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from consent import representative_notices
from consent.link_standing import is_over
from consent.models import RepresentativeLink
from service import audit
from service.accounts.models import Account
from service.clock import now


class BlockOver(Exception):
    """The link is not blocked, or not any more."""

    sentence = "This was reviewed meanwhile. Nothing was changed now."


class OwnBlock(Exception):
    """Who blocked wants to lift."""

    sentence = "You set this safety block yourself, so a colleague must lift it."


def list_to_review(session: Session) -> list[RepresentativeLink]:
    """Blocks that no privacy officer has looked at, the oldest first."""
    return list(session.scalars(select(RepresentativeLink).where(*_unseen()).order_by(RepresentativeLink.blocked_at)))


def count_to_review(session: Session) -> int:
    """How many they are."""
    return session.scalars(select(func.count()).select_from(RepresentativeLink).where(*_unseen())).one()


def confirm(session: Session, link: RepresentativeLink, *, by_account_id: str, reason: str) -> None:
    """It stays; raises BlockOver."""
    _take(session, link)
    link.block_reviewed_at = now()
    _record(session, "confirm", link, by_account_id, reason)


def lift(session: Session, link: RepresentativeLink, *, by_account_id: str, reason: str) -> None:
    """The person may act again; grants of before stay dead. Raises BlockOver, OwnBlock."""
    _take(session, link)
    if link.blocked_by_account_id == by_account_id:
        raise OwnBlock
    by_member = _is_by_member(session, link)
    link.safety_block = False
    link.block_reviewed_at = link.changed_at = now()
    link.version += 1
    _record(session, "lift", link, by_account_id, reason)
    if by_member and not is_over(link):
        representative_notices.let_in_again(session, link)


def _unseen() -> tuple[ColumnElement[bool], ...]:
    # Also of links that are over: the block keeps the person from a new one.
    return RepresentativeLink.safety_block.is_(True), RepresentativeLink.block_reviewed_at.is_(None)


def _is_by_member(session: Session, link: RepresentativeLink) -> bool:
    blocker = session.get(Account, link.blocked_by_account_id) if link.blocked_by_account_id else None
    return blocker is not None and blocker.member_id == link.member_id


def _take(session: Session, link: RepresentativeLink) -> None:
    session.refresh(link, with_for_update={"of": RepresentativeLink, "key_share": True})
    if not link.safety_block:
        raise BlockOver


def _record(session: Session, action: str, link: RepresentativeLink, by_account_id: str, reason: str) -> None:
    audit.record(
        session, f"consent:safety_block:{action}", account_id=by_account_id, member_id=link.member_id, link_id=link.id,
        reason=reason,
    )  # fmt: skip
