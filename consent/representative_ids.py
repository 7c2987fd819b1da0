"""Personal Representative IDs: issued to people who are no members, mailed or handed over, and issued again."""

import secrets

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from consent.link_standing import not_over
from consent.models import PersonalRepresentative, RepresentativeLink
from service import audit
from service.clock import now

_DIGITS = 9


class UnknownRepresentative(Exception):
    """No such person, or one who has no ID or has registered with it."""


def issue(session: Session) -> str:
    """A number that nobody has: PR and nine digits."""
    while True:
        number = f"PR{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"
        if session.scalar(select(PersonalRepresentative.id).where(PersonalRepresentative.number == number)) is None:
            return number


def shown(number: str) -> str:
    """The number in groups, as it stands in a letter: PR-482-739-105."""
    digits = number[2:]
    return "-".join([number[:2], *(digits[start : start + 3] for start in range(0, len(digits), 3))])


def list_waiting(session: Session) -> list[PersonalRepresentative]:
    """Who has an ID and has not registered with it, the latest first; only people with a link that is not over."""
    theirs = RepresentativeLink.representative_id == PersonalRepresentative.id
    standing = select(RepresentativeLink.id).where(theirs, *not_over())
    waiting = select(PersonalRepresentative).where(*_waiting(), standing.exists())
    return list(session.scalars(waiting.order_by(PersonalRepresentative.created_at.desc()).limit(200)))


def take_letter(session: Session, representative_id: str, *, by_account_id: str) -> PersonalRepresentative:
    """The person whose letter is to be printed, once more if need be; raises UnknownRepresentative."""
    found = _get(session, representative_id)
    found.letter_printed_at = now()
    _record(session, "print", found, by_account_id)
    return found


def renew(session: Session, representative_id: str, *, by_account_id: str) -> PersonalRepresentative:
    """A new number in place of one that was lost; the older one opens nothing. Raises UnknownRepresentative."""
    found = _get(session, representative_id)
    found.number, found.letter_printed_at = issue(session), None
    session.flush()
    _record(session, "renew", found, by_account_id)
    return found


def _get(session: Session, representative_id: str) -> PersonalRepresentative:
    wanted = select(PersonalRepresentative).where(PersonalRepresentative.id == representative_id, *_waiting())
    found = session.scalar(wanted.with_for_update())
    if found is None:
        raise UnknownRepresentative
    return found


def _waiting() -> tuple[ColumnElement[bool], ...]:
    return PersonalRepresentative.number.is_not(None), PersonalRepresentative.account_id.is_(None)


def _record(session: Session, action: str, found: PersonalRepresentative, by_account_id: str) -> None:
    audit.record(
        session, f"consent:representative_id:{action}", account_id=by_account_id, detail={"representative": found.id}
    )  # fmt: skip
