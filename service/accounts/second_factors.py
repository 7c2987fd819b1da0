"""The second factor: an authenticator app (TOTP, RFC 6238), and recovery codes for whoever lost it or a passkey.

A code is good for its 30-second step and the one before and after, and works once: `last_step` only ever rises. Wrong
codes are counted by account, so that a new sign-in, another browser or another worker starts no new count. A password
reset leaves the factor as it is.
"""

import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast

import pyotp
from sqlalchemy import ColumnElement, CursorResult, delete, exists, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service import audit
from service.accounts import notifications, throttling
from service.accounts.models import Account, Passkey, RecoveryCode, Totp
from service.clock import now
from service.db import Statement, keyed_digest, keyed_digests
from service.resealing import Sealed
from service.sealing import NotSealed, seal, unseal
from service.single_use import spend

STEP_SECONDS = 30
RECOVERY_CODES = 10
SET_UP_LIFE = timedelta(minutes=30)
LIMITS = (("five_minutes", 5, 300), ("hour", 20, 3_600))
"""Wrong codes an account may enter: name of the counter, how many, in how many seconds."""
_DAY = 86_400
_SECRET, _OFFER = "totp-secret", "totp-offer"
SEALED = Sealed.text("authenticator apps", Totp.account_id, Totp.sealed_secret, _SECRET)
# By hand: each sign-in asks.
HAS_FACTOR = (
    "(EXISTS (SELECT 1 FROM totp WHERE account_id = %s AND confirmed_at IS NOT NULL)"
    " OR EXISTS (SELECT 1 FROM passkey WHERE account_id = %s))"
)
"""What `has_factor` says, as a condition of hand-kept statements about an account, whose id is given twice."""
_STANDING = Statement(f"SELECT 1 WHERE {HAS_FACTOR}")
_SIX_DIGITS = re.compile(r"[0-9]{6}")
# Crockford's alphabet: no i, l, o or u, so that a code copied from paper is read one way only. 16 letters hold 80 bits.
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 16
_MISREAD = str.maketrans("oil", "011", " -")


class Shown(StrEnum):
    """With what a person showed their second factor."""

    APP = "app"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery_code"


class WrongFactor(Exception):
    """Mistyped, too old, used already, or one try too many: nobody is told which."""

    status = 400


class TooManyFactors(WrongFactor):
    """The limit was reached; the sentence is the same."""

    status = 429


class FactorStands(Exception):
    """The account has an authenticator app already; it is removed before another is set up."""


class OfferOver(Exception):
    """The page with the secret is too old, another session's, or was altered."""


@dataclass(frozen=True, slots=True)
class Held:
    """What an account has besides passkeys."""

    has_app: bool
    codes_left: int


def has_factor(session: Session, account_id: str) -> bool:
    """Whether the account has an authenticator app that was confirmed by a code, or a passkey."""
    session.flush()
    return bool(_STANDING.run(session, account_id, account_id).fetchall())


def has_app(session: Session, account_id: str) -> bool:
    """Whether the account has an authenticator app that was confirmed by a code."""
    return held(session, account_id).has_app


def held(session: Session, account_id: str) -> Held:
    """Whether it has such an app, and how many of its recovery codes are still good."""
    app = exists().where(Totp.account_id == account_id, Totp.confirmed_at.is_not(None))
    left = select(func.count(RecoveryCode.code_hash)).where(
        RecoveryCode.account_id == account_id, RecoveryCode.spent_at.is_(None)
    )
    return Held(*session.execute(select(app, left.scalar_subquery())).one())


def new_secret() -> str:
    """A fresh secret of 160 bits (RFC 4226 §4 R6), in base32."""
    return pyotp.random_base32(32)


def offer(key: bytes, secret: str, login_session_id: str) -> str:
    """The secret sealed for the page that shows it, bound to one session.

    It lies in no table until it is confirmed: whoever else is signed in to the account cannot learn or plant it.
    """
    held = {"secret": secret, "session": login_session_id, "until": (now() + SET_UP_LIFE).timestamp()}
    return seal(key, _OFFER, json.dumps(held))


def open_offer(key: bytes, offered: str, login_session_id: str) -> str:
    """The secret that was offered to this session; raises OfferOver."""
    try:
        held = json.loads(unseal(key, _OFFER, offered))
    except NotSealed:
        raise OfferOver from None
    if held["session"] != login_session_id or held["until"] <= now().timestamp():
        raise OfferOver
    return str(held["secret"])


def set_up(session: Session, key: bytes, account: Account, secret: str, given: str) -> None:
    """Keep the authenticator app whose first code is `given` and tell the owner; raises WrongFactor or FactorStands."""
    step = _step_of(secret, given)
    if step is None:
        raise WrongFactor
    install(session, key, account, secret, step=step)
    notifications.factor_set_up(session, account)
    audit.record(session, "accounts:factor:set_up", account_id=account.id)


def install(session: Session, key: bytes, account: Account, secret: str, *, step: int = 0) -> None:
    """Write down a confirmed app; codes up to `step` are taken. Raises FactorStands."""
    session.execute(delete(Totp).where(Totp.account_id == account.id, Totp.confirmed_at.is_(None)))
    made = Totp(account_id=account.id, sealed_secret=seal(key, _SECRET, secret), confirmed_at=now(), last_step=step)
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:
        raise FactorStands from None


def show(session: Session, key: bytes, account: Account, given: str) -> Shown:
    """Take a code of the app or a recovery code; raises WrongFactor or TooManyFactors. Every wrong one is counted.

    The caller answers with a page and does not raise further, so that the counters stay.
    """
    if not _within_limits(session, account):
        audit.record(session, "accounts:factor:show", outcome=audit.Outcome.REFUSED, account_id=account.id)
        _tell_of_guessing(session, account)
        raise TooManyFactors
    shown = _take(session, key, account, given)
    if shown is None:
        audit.record(session, "accounts:factor:show", outcome=audit.Outcome.FAILED, account_id=account.id)
        raise WrongFactor
    for name, _limit, _seconds in LIMITS:
        throttling.give_back(session, _counter(account, name))
    audit.record(session, "accounts:factor:show", account_id=account.id, detail={"by": shown.value})
    return shown


def new_recovery_codes(session: Session, key: bytes, account: Account) -> list[str]:
    """Ten fresh recovery codes, to be shown this once; the older ones end."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(_LENGTH)) for _ in range(RECOVERY_CODES)]
    purpose = _purpose(account)
    session.add_all(RecoveryCode(account_id=account.id, code_hash=keyed_digest(key, purpose, code)) for code in codes)
    session.flush()
    audit.record(session, "accounts:recovery_codes:make", account_id=account.id, count=len(codes))
    return ["-".join(code[at : at + 4] for at in range(0, _LENGTH, 4)) for code in codes]


def codes_left(session: Session, account: Account) -> int:
    """How many recovery codes are still good."""
    return held(session, account.id).codes_left


def holds_codes(session: Session, key: bytes, account: Account, codes: Sequence[str]) -> bool:
    """Whether these are the account's recovery codes, the spent among them: not where newer ones were made since."""
    held = set(session.scalars(select(RecoveryCode.code_hash).where(RecoveryCode.account_id == account.id)))
    given = [keyed_digests(key, _purpose(account), code.translate(_MISREAD)) for code in codes]
    return any(set(under_one) == held for under_one in zip(*given, strict=True))


def count_accounts_with_codes(session: Session, *, before: datetime) -> int:
    """How many accounts hold good recovery codes that were made before a moment."""
    counted = select(func.count(RecoveryCode.account_id.distinct())).where(*_good_codes(before))
    return session.scalars(counted).one()


def end_codes_of_earlier_key(session: Session, *, before: datetime, limit: int = 100) -> int:
    """End the recovery codes of some accounts that were made before a moment, and tell the owners; how many accounts.

    A digest cannot be made anew under the present key without the code that it is of.
    """
    some = select(RecoveryCode.account_id).where(*_good_codes(before)).distinct().limit(limit)
    accounts = session.scalars(select(Account).where(Account.id.in_(some))).all()
    for account in accounts:
        older = (RecoveryCode.account_id == account.id, RecoveryCode.created_at < before)
        session.execute(delete(RecoveryCode).where(*older))
        notifications.recovery_codes_ended(session, account)
        audit.record(session, "accounts:recovery_codes:end", account_id=account.id)
    return len(accounts)


def forget_codes_without_factor(session: Session, account: Account) -> None:
    """Recovery codes stand in for a factor: where none is left, they end."""
    if not has_factor(session, account.id):
        session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))


def remove_app(session: Session, account: Account) -> None:
    """Take the authenticator app away and tell the owner; with the last factor the recovery codes go too."""
    session.execute(delete(Totp).where(Totp.account_id == account.id))
    forget_codes_without_factor(session, account)
    notifications.factor_removed(session, account)
    audit.record(session, "accounts:factor:remove", account_id=account.id)


def remove_all(session: Session, account: Account, *, by_account_id: str, reason: str) -> None:
    """Take app, passkeys and recovery codes of somebody who lost them all, and tell the owner.

    By plan staff, who give the reason; the console asks a second person before (security.md 145).
    """
    for model in (Totp, Passkey, RecoveryCode):
        session.execute(delete(model).where(model.account_id == account.id))
    notifications.factors_reset(session, account)
    audit.record(
        session, "accounts:factor:remove_all", account_id=by_account_id, member_id=account.member_id, reason=reason,
        detail={"owner": account.id},
    )  # fmt: skip


def remove_since(session: Session, account: Account, moment: datetime) -> None:
    """Take away what was added from `moment` on by whoever held the account then; recovery codes made since too."""
    added = (
        (Totp, Totp.confirmed_at >= moment),
        (Passkey, Passkey.created_at >= moment),
        (RecoveryCode, RecoveryCode.created_at >= moment),
    )
    gone = [
        cast(CursorResult[Any], session.execute(delete(model).where(model.account_id == account.id, since))).rowcount
        for model, since in added
    ]
    forget_codes_without_factor(session, account)
    audit.record(session, "accounts:factor:remove_since", account_id=account.id, count=gone[0] + gone[1])


def _within_limits(session: Session, account: Account) -> bool:
    within = [throttling.hit(session, _counter(account, name), limit, seconds) for name, limit, seconds in LIMITS]
    return all(within)


def _counter(account: Account, name: str) -> str:
    return f"factor:{name}:{account.id}"


def _tell_of_guessing(session: Session, account: Account) -> None:
    """At most one mail a day: whoever guesses here knows the password."""
    if throttling.hit(session, f"factor:told:{account.id}", 1, _DAY):
        notifications.factor_guessed(session, account)


def _take(session: Session, key: bytes, account: Account, given: str) -> Shown | None:
    if _take_app_code(session, key, account, given):
        return Shown.APP
    if _take_recovery_code(session, key, account, given):
        return Shown.RECOVERY_CODE
    return None


def _take_app_code(session: Session, key: bytes, account: Account, given: str) -> bool:
    sealed = session.scalar(select(Totp.sealed_secret).where(Totp.account_id == account.id))
    step = None if sealed is None else _step_of(unseal(key, _SECRET, sealed), given)
    if step is None:
        return False
    taken = session.execute(
        update(Totp)
        .where(Totp.account_id == account.id, Totp.last_step < step, Totp.confirmed_at.is_not(None))
        .values(last_step=step)
        .execution_options(synchronize_session=False)
    )
    return cast(CursorResult[Any], taken).rowcount == 1


def _take_recovery_code(session: Session, key: bytes, account: Account, given: str) -> bool:
    code = given.strip().casefold().translate(_MISREAD)
    if len(code) != _LENGTH or not set(code) <= set(_LETTERS):
        return False
    hashes = keyed_digests(key, _purpose(account), code)
    theirs = (RecoveryCode.account_id == account.id, RecoveryCode.code_hash.in_(hashes))
    if not spend(session, RecoveryCode, *theirs):
        return False
    notifications.recovery_code_used(session, account, left=codes_left(session, account))
    return True


def _step_of(secret: str, given: str) -> int | None:
    """The step whose code this is: now's, the one before or the one after, for clocks that are a little off."""
    text = re.sub(r"[ \-]", "", given.strip())
    if not _SIX_DIGITS.fullmatch(text):
        return None
    app, current = pyotp.TOTP(secret), int(now().timestamp()) // STEP_SECONDS
    fitting = [
        step for step in (current, current - 1, current + 1) if hmac.compare_digest(app.generate_otp(step), text)
    ]
    return fitting[0] if fitting else None


def _good_codes(before: datetime) -> tuple[ColumnElement[bool], ...]:
    return RecoveryCode.spent_at.is_(None), RecoveryCode.created_at < before


def _purpose(account: Account) -> str:
    return f"recovery-code:{account.id}"
