"""Passkeys of an account: kept, named, shown, removed (WebAuthn; `passkey_ceremonies` reads what browsers send).

Its device checks the person by finger, face or PIN each time, so that a passkey alone is as good as password and code
together. A password reset leaves passkeys as they are.
"""

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service import audit
from service.accounts import notifications, second_factors, throttling
from service.accounts.models import Account, AccountStatus, Passkey
from service.accounts.passkey_answers import Made, Shown, WrongAnswer, ceremonies
from service.clock import now
from service.settings import Settings

MOST = 10
LONGEST_NAME = 60
PER_NETWORK, WINDOW = 60, 300
_DAY = 86_400


class PasskeyRefused(Exception):
    """Unknown, removed, another person's, not signed by its device, or a count that went back: nobody is told which."""

    status = 401


class TooManyPasskeyTries(PasskeyRefused):
    """The limit of this network was reached; the sentence is the same."""

    status = 429


class UnknownPasskey(Exception):
    """No account has such a passkey, or another one."""


class PasskeyKnown(Exception):
    """This very passkey is kept already."""


class TooManyPasskeys(Exception):
    """The account has as many as it may have."""


@dataclass(frozen=True)
class Answer:
    """What a browser sent: the sealed question, the device's answer to it, and from where."""

    question: str
    text: str
    bound_to: str
    """The login session that was asked, or the browser where nobody is signed in."""
    network: str


def list_of(session: Session, account_id: str) -> list[Passkey]:
    """The account's passkeys, the oldest first."""
    mine = select(Passkey).where(Passkey.account_id == account_id)
    return list(session.scalars(mine.order_by(Passkey.created_at, Passkey.id).limit(MOST)))


def find(session: Session, account: Account, passkey_id: str) -> Passkey | None:
    """One of the account's passkeys."""
    return session.scalar(select(Passkey).where(Passkey.id == passkey_id, Passkey.account_id == account.id))


def add(session: Session, account: Account, made: Made, name: str) -> Passkey:
    """Keep a passkey that was just made and tell the owner; raises TooManyPasskeys or PasskeyKnown."""
    if len(list_of(session, account.id)) >= MOST:
        raise TooManyPasskeys
    kept = Passkey(
        account_id=account.id, credential_id=made.credential_id, public_key=made.public_key,
        sign_count=made.sign_count, transports=made.transports, name=name[:LONGEST_NAME],
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(kept)
    except IntegrityError:
        raise PasskeyKnown from None
    notifications.passkey_added(session, account)
    audit.record(session, "accounts:passkey:add", account_id=account.id, detail={"passkey": kept.id})
    return kept


def show(session: Session, settings: Settings, answer: Answer, account: Account | None = None) -> Account:
    """The account whose passkey the answer proves: `account` where one was asked, else whoever's it is.

    Raises QuestionOver, PasskeyRefused or TooManyPasskeyTries. The caller answers with a page and does not raise
    further, so that counters and the question's end stay.
    """
    counter = f"passkey:network:{answer.network}"
    if not throttling.hit(session, counter, PER_NETWORK, WINDOW):
        audit.record(session, "accounts:factor:show", outcome=audit.Outcome.REFUSED)
        raise TooManyPasskeyTries
    owner = _prove(session, settings, answer, account)
    throttling.give_back(session, counter)
    audit.record(
        session, "accounts:factor:show", account_id=owner.id, detail={"by": second_factors.Shown.PASSKEY.value}
    )  # fmt: skip
    return owner


def rename(session: Session, passkey: Passkey, name: str) -> None:
    """Call it by another name."""
    passkey.name = name[:LONGEST_NAME]
    audit.record(session, "accounts:passkey:rename", account_id=passkey.account_id, detail={"passkey": passkey.id})


def remove(session: Session, account: Account, passkey: Passkey) -> None:
    """Take one passkey away and tell the owner; with the last factor the recovery codes go too."""
    session.execute(delete(Passkey).where(Passkey.id == passkey.id))
    second_factors.forget_codes_without_factor(session, account)
    notifications.passkey_removed(session, account)
    audit.record(session, "accounts:passkey:remove", account_id=account.id, detail={"passkey": passkey.id})


def _prove(session: Session, settings: Settings, answer: Answer, account: Account | None) -> Account:
    try:
        shown: Shown = ceremonies().read_shown(
            session, settings, answer.question, answer.text, bound_to=answer.bound_to
        )  # fmt: skip
        held, owner = _find(session, shown, account)
        ceremonies().prove(settings, shown, held)
    except (WrongAnswer, UnknownPasskey):
        _record_failure(session, account, "not proven")
        raise PasskeyRefused from None
    if not _count(session, held, shown.sign_count):
        _record_failure(session, owner, "count went back")
        _tell_of_copy(session, owner)
        raise PasskeyRefused
    return owner


def _find(session: Session, shown: Shown, account: Account | None) -> tuple[Passkey, Account]:
    """The passkey the answer names, and its owner; whoever nobody was asked of must be named too (§7.2 step 6)."""
    held = session.scalar(select(Passkey).where(Passkey.credential_id == shown.credential_id))
    owner = session.get(Account, held.account_id) if held else None
    if held is None or owner is None or owner.status is not AccountStatus.ACTIVE:
        raise UnknownPasskey
    if account is not None and owner.id != account.id:
        raise UnknownPasskey
    if shown.user_handle != owner.id.encode() and not (account and shown.user_handle is None):
        raise UnknownPasskey
    return held, owner


def _count(session: Session, held: Passkey, told: int) -> bool:
    """Keep the count that the device tells; False where it is not higher: two devices then hold one key (§6.1.1)."""
    rises = Passkey.sign_count < told if told else Passkey.sign_count == 0
    kept = session.execute(
        update(Passkey)
        .where(Passkey.id == held.id, rises)
        .values(sign_count=told, last_used_at=now())
        .execution_options(synchronize_session="fetch")
    )
    return cast(CursorResult[Any], kept).rowcount == 1


def _record_failure(session: Session, account: Account | None, why: str) -> None:
    audit.record(
        session, "accounts:factor:show", outcome=audit.Outcome.FAILED, account_id=account.id if account else None,
        detail={"by": second_factors.Shown.PASSKEY.value, "why": why},
    )  # fmt: skip


def _tell_of_copy(session: Session, account: Account) -> None:
    """At most one mail a day: the older of the two may be the owner's own."""
    if throttling.hit(session, f"passkey:copied:{account.id}", 1, _DAY):
        notifications.passkey_copied(session, account)
