"""PINs sent by post: for an office without a payment at hand (product.md PV 2, security.md 124 and 125).

A PIN is random, kept as keyed digest, and goes only to an address that the plan has on file. Until its letter is
printed it also lies sealed under the installation's key; printing wipes that.
"""

import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from service import audit, sealing
from service.clock import now
from service.db import is_keyed_digest, keyed_digest, new_id
from service.plan.models import MailedPin, PlanStaff, ProviderAddress, ProviderGroup, ProviderStaff, StaffStatus
from service.plan.staff import plan_staff
from service.resealing import Sealed
from service.single_use import spend

LIFE = timedelta(days=30)
TRIES = 5
LETTERS, LETTERS_WITHIN = 3, timedelta(days=30)
# 31 letters and digits that no eye takes for another; ten of them are 49 bits.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_LENGTH, _GROUP = 10, 5
_ORDER = ("mailing", "correspondence", "billing", "payment", "practice")
_MOST = 500
_SEALED_AS = "mailed-pin"
SEALED = Sealed.text("PINs of letters to print", MailedPin.id, MailedPin.sealed, _SEALED_AS)


class PinRefused(Exception):
    """The PIN is wrong, over, void or somebody else's: nobody is told which."""


class NoAddress(Exception):
    """The plan has no current address of this group."""


class LettersUsedUp(Exception):
    """Three letters have been asked for this group within thirty days."""


class PinOver(Exception):
    """The PIN was used, has run out or is void already."""


@dataclass(frozen=True)
class PinLetter:
    """One letter to print: the PIN in the clear, who asked for it, and the address on file."""

    pin_id: str
    pin: str
    attention: str
    organization: str
    address: dict[str, str]
    expires_at: datetime


def require_sendable(session: Session, group_id: str) -> None:
    """Raise NoAddress or LettersUsedUp where no letter can go to this group now."""
    _address_of(session, group_id)
    since = now() - LETTERS_WITHIN
    sent = select(func.count()).where(MailedPin.group_id == group_id, MailedPin.created_at > since)
    if session.scalar(sent) >= LETTERS:  # type: ignore[operator]  # a count is never null
        raise LettersUsedUp


def send(
    session: Session, staff: ProviderStaff, group_id: str, *, key: bytes, by_account_id: str | None = None
) -> MailedPin:
    """Make a PIN for this login, void its older ones, and leave the letter for the printer.

    Raises NoAddress or LettersUsedUp.
    """
    # Two requests for one office wait for each other here, so that they cannot both be the third.
    session.execute(select(ProviderGroup.id).where(ProviderGroup.id == group_id).with_for_update())
    require_sendable(session, group_id)
    void_all(session, staff)
    row_id, pin, moment = new_id(), _new_pin(), now()
    made = MailedPin(
        id=row_id, staff_id=staff.id, group_id=group_id, pin_hash=keyed_digest(key, _bound(row_id), pin),
        sealed=sealing.seal(key, _SEALED_AS, pin),
        address=_as_written(_address_of(session, group_id)), created_at=moment, expires_at=moment + LIFE,
    )  # fmt: skip
    session.add(made)
    session.flush()
    _record(session, "send", made, by_account_id or staff.account_id)
    return made


def verify(session: Session, staff: ProviderStaff, given: str, *, key: bytes) -> MailedPin:
    """Spend this login's PIN if `given` is it; raises PinRefused. Each call costs one of its five tries."""
    row = newest(session, staff)
    if row is None or staff.status is not StaffStatus.AWAITING_PIN or not _take_try(session, row):
        _refuse(session, staff)
    if not is_keyed_digest(row.pin_hash, key, _bound(row.id), normal(given)):
        _void(session, MailedPin.id == row.id, MailedPin.tries >= TRIES)
        _refuse(session, staff)
    if not spend(session, MailedPin, MailedPin.id == row.id, *_alive(), sealed=""):
        _refuse(session, staff)
    _record(session, "verify", row, staff.account_id)
    return row


def newest(session: Session, staff: ProviderStaff) -> MailedPin | None:
    """The PIN made last for this login, in whatever state."""
    return session.scalar(
        select(MailedPin)
        .where(MailedPin.staff_id == staff.id)
        .order_by(MailedPin.created_at.desc(), MailedPin.id)
        .limit(1)
        .execution_options(populate_existing=True)
    )


def void(session: Session, pin_id: str, *, by: PlanStaff) -> None:
    """Make a PIN useless before its time, by plan staff; raises PinOver, or NotOneself for their own login's."""
    row = get_usable(session, pin_id)
    plan_staff.require_other(by, session.get_one(ProviderStaff, row.staff_id))
    _void(session, MailedPin.id == row.id)
    _record(session, "void", row, by.account_id)


def resend(session: Session, pin_id: str, *, key: bytes, by: PlanStaff | None = None) -> MailedPin:
    """Send a new letter in place of one that was lost: by plan staff for others, or (None) by the login's own person.

    Raises PinOver, NotOneself, NoAddress or LettersUsedUp.
    """
    row = session.get(MailedPin, pin_id)
    staff = session.get(ProviderStaff, row.staff_id) if row is not None else None
    if row is None or staff is None or staff.status is not StaffStatus.AWAITING_PIN:
        raise PinOver
    if by is not None:
        plan_staff.require_other(by, staff)
    return send(session, staff, row.group_id, key=key, by_account_id=by.account_id if by else None)


def void_all(session: Session, staff: ProviderStaff) -> None:
    """Void every PIN of a login: a newer one takes their place, or none is needed any more."""
    _void(session, MailedPin.staff_id == staff.id)


def get_usable(session: Session, pin_id: str) -> MailedPin:
    """A PIN that can still be entered; raises PinOver."""
    row = session.scalar(select(MailedPin).where(MailedPin.id == pin_id, MailedPin.spent_at.is_(None), *_alive()))
    if row is None:
        raise PinOver
    return row


def waiting_letters(session: Session) -> list[MailedPin]:
    """The letters to print, the oldest first."""
    return _waiting(session, _unprinted())


def count_waiting(session: Session) -> int:
    """How many letters are to be printed."""
    return session.scalars(select(func.count()).select_from(MailedPin).where(*_unprinted())).one()


def last_expiry(session: Session, *, before: datetime) -> datetime | None:
    """Until when a PIN made before a moment can be entered; None where there is none."""
    usable = (MailedPin.spent_at.is_(None), MailedPin.created_at < before, *_alive())
    return session.scalar(select(func.max(MailedPin.expires_at)).where(*usable))


def recent_letters(session: Session) -> list[MailedPin]:
    """Everything else of the last sixty days, the newest first."""
    since = now() - 2 * LIFE
    statement = select(MailedPin).where(MailedPin.created_at > since, ~MailedPin.id.in_(
        select(MailedPin.id).where(*_unprinted())
    )).order_by(MailedPin.created_at.desc())  # fmt: skip
    return list(session.scalars(statement.limit(_MOST)))


def take_for_printing(session: Session, *, key: bytes, by: PlanStaff) -> list[PinLetter]:
    """Take the waiting letters out of the queue: each is printed once, and its PIN is sealed nowhere any more.

    Those to the clerk's own logins stay: who prints a PIN could enter it, and has shown nothing (security.md 145).
    """
    own = select(ProviderStaff.id).where(ProviderStaff.account_id == by.account_id)
    return [
        _open(session, row, sealed, key)
        for row in _waiting(session, (*_unprinted(), MailedPin.staff_id.not_in(own)))
        if (sealed := row.sealed) and _take(session, row, by.account_id)
    ]


def normal(given: str) -> str:
    """A PIN as compared: upper case, without spaces and dashes."""
    return re.sub(r"[\s\-\u2010-\u2015.]+", "", unicodedata.normalize("NFKC", given[:100])).upper()


def grouped(pin: str) -> str:
    """A PIN as people read it."""
    return "-".join(pin[start : start + _GROUP] for start in range(0, len(pin), _GROUP))


def _waiting(session: Session, which: tuple[ColumnElement[bool], ...]) -> list[MailedPin]:
    statement = select(MailedPin).where(*which).order_by(MailedPin.created_at, MailedPin.id)
    return list(session.scalars(statement.limit(_MOST)))


def _take(session: Session, row: MailedPin, by_account_id: str) -> bool:
    # Two clerks at two printers: one of them gets each letter.
    taken = session.scalar(
        update(MailedPin)
        .where(MailedPin.id == row.id, *_unprinted())
        .values(printed_at=now(), sealed="")
        .returning(MailedPin.id)
        .execution_options(synchronize_session=False)
    )
    if taken is not None:
        _record(session, "print", row, by_account_id)
    return taken is not None


def _open(session: Session, row: MailedPin, sealed: str, key: bytes) -> PinLetter:
    staff = session.get_one(ProviderStaff, row.staff_id)
    return PinLetter(
        row.id,
        sealing.unseal(key, _SEALED_AS, sealed),
        staff.account.full_name,
        staff.organization.name,
        row.address,
        row.expires_at,
    )


def _address_of(session: Session, group_id: str) -> ProviderAddress:
    """Where letters to the group go: its current mailing, billing or practice address, in this order."""
    statement = select(ProviderAddress).where(ProviderAddress.group_id == group_id, ProviderAddress.current.is_(True))
    found = [address for address in session.scalars(statement.limit(200)) if address.use in _ORDER]
    if not found:
        raise NoAddress
    return min(found, key=lambda address: (_ORDER.index(address.use), address.line))


def _as_written(address: ProviderAddress) -> dict[str, str]:
    return {
        "name": address.name, "line": address.line, "city": address.city, "state": address.state,
        "zip_code": address.zip_code,
    }  # fmt: skip


def _take_try(session: Session, row: MailedPin) -> bool:
    taken = session.scalar(
        update(MailedPin)
        .where(MailedPin.id == row.id, MailedPin.spent_at.is_(None), MailedPin.tries < TRIES, *_alive())
        .values(tries=MailedPin.tries + 1)
        .returning(MailedPin.id)
        .execution_options(synchronize_session=False)
    )
    if taken is None:
        # Seen expired, it stays so: a clock set back revives nothing.
        _void(session, MailedPin.id == row.id, MailedPin.expires_at <= now())
    return taken is not None


def _alive() -> tuple[ColumnElement[bool], ...]:
    moment = now()
    return MailedPin.voided_at.is_(None), MailedPin.expires_at > moment, MailedPin.created_at <= moment


def _unprinted() -> tuple[ColumnElement[bool], ...]:
    return MailedPin.printed_at.is_(None), MailedPin.spent_at.is_(None), *_alive()


def _void(session: Session, *conditions: ColumnElement[bool]) -> None:
    session.execute(
        update(MailedPin)
        .where(MailedPin.voided_at.is_(None), MailedPin.spent_at.is_(None), *conditions)
        .values(voided_at=now(), sealed="")
    )


def _new_pin() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def _bound(row_id: str) -> str:
    return f"mailed-pin:{row_id}"


def _refuse(session: Session, staff: ProviderStaff) -> NoReturn:
    audit.record(session, "plan:mailed_pin:verify", outcome=audit.Outcome.FAILED, account_id=staff.account_id)
    raise PinRefused


def _record(session: Session, action: str, row: MailedPin, account_id: str) -> None:
    audit.record(
        session, f"plan:mailed_pin:{action}", account_id=account_id,
        detail={"pin": row.id, "staff": row.staff_id, "group": row.group_id},
    )  # fmt: skip
