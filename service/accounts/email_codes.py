"""Six-digit codes sent by e-mail: five minutes, five tries, one use, the newest only.

A code proves that its reader holds the mailbox; it never counts as a second factor. It is bound to its purpose, its
subject (account or registration), the browser that asked, and the address. People we do not know get the same pages: a
row with no subject, whose code no one can know.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from service import audit, mail
from service.accounts import throttling
from service.accounts.models import CodePurpose, EmailCode, EmailProof
from service.accounts.usernames import email_key
from service.clock import now
from service.db import is_keyed_digest, keyed_digest, new_id
from service.single_use import spend

LIFE = timedelta(minutes=5)
RESEND_AFTER = timedelta(seconds=60)
TRIES = 5
PER_HOUR, PER_DAY = 5, 10
PROOF_LIFE = timedelta(minutes=10)
_HOUR, _DAY = 3_600, 86_400
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_CODE = re.compile(r"[0-9]{6}")


@dataclass(frozen=True)
class Recipient:
    """Whom a code is for. `subject_id` is None for people we do not know; `counted_as` names their limits."""

    subject_id: str | None
    address: str
    counted_as: str
    language: str = "en"
    template: str = "password_code"


@dataclass(frozen=True)
class Flow:
    """What a code is for and where it was asked for."""

    purpose: CodePurpose
    browser_id: str
    key: bytes


def send(session: Session, flow: Flow, recipient: Recipient) -> bool:
    """Send a new code and void the older; False when the limits say not now. People never learn which."""
    owner = None if flow.purpose is CodePurpose.REGISTRATION else recipient.subject_id
    if not _within_limits(session, flow.purpose, recipient.counted_as):
        audit.record(session, "accounts:email_code:send", outcome=audit.Outcome.REFUSED, account_id=owner)
        return False
    code, row_id, moment = f"{secrets.randbelow(1_000_000):06d}", new_id(), now()
    _void(session, flow, recipient)
    session.add(
        EmailCode(
            id=row_id, purpose=flow.purpose, subject_id=recipient.subject_id, browser_id=flow.browser_id,
            email_key=email_key(recipient.address), code_hash=keyed_digest(flow.key, _bound(flow, row_id), code),
            sent_at=moment, expires_at=moment + LIFE,
        )
    )  # fmt: skip
    # A mail to somebody unknown is queued like any other, already too old to be sent: equal work, equal time.
    known = recipient.subject_id is not None
    mail.enqueue(
        session, to=recipient.address, template=recipient.template, language=recipient.language,
        expires_at=moment + LIFE if known else _LONG_AGO, sealed_code=mail.seal(flow.key, code),
    )  # fmt: skip
    audit.record(session, "accounts:email_code:send", account_id=owner)
    return True


def verify(session: Session, flow: Flow, address: str, given: str) -> EmailCode | None:
    """Spend the flow's newest code if `given` is it; None otherwise. Every call costs one of its tries."""
    row = _newest(session, flow, address)
    if row is None:
        return None
    if not _take_try(session, row):
        _end_if_over(session, row)
        return None
    fits = is_keyed_digest(row.code_hash, flow.key, _bound(flow, row.id), _digits(given))
    if not fits or row.subject_id is None:
        audit.record(session, "accounts:email_code:verify", outcome=audit.Outcome.FAILED)
        return None
    return row if spend(session, EmailCode, EmailCode.id == row.id, *_alive()) else None


def open_proof(session: Session, code: EmailCode, *, browser_token: str) -> EmailProof:
    """The half-way state after a right code: ten minutes for the next page of the same flow, in this browser."""
    if code.subject_id is None:
        raise ValueError("a code for nobody proves nothing")
    proof = EmailProof(
        purpose=code.purpose, subject_id=code.subject_id, browser_token=browser_token, email_key=code.email_key,
        expires_at=now() + PROOF_LIFE,
    )  # fmt: skip
    session.add(proof)
    return proof


def find_proof(session: Session, purpose: CodePurpose, *, browser_token: str) -> EmailProof | None:
    """The open proof of this flow in this browser."""
    return session.scalar(
        select(EmailProof)
        .where(
            EmailProof.purpose == purpose, EmailProof.browser_token == browser_token,
            EmailProof.spent_at.is_(None), EmailProof.expires_at > now(),
        )
        .limit(1)
    )  # fmt: skip


def spend_proof(session: Session, proof: EmailProof) -> bool:
    """Use the proof up; False when another request has."""
    return spend(session, EmailProof, EmailProof.id == proof.id, EmailProof.expires_at > now())


def void_all(session: Session, subject_id: str) -> None:
    """Void every open code and proof of a subject: after a password change, for instance."""
    moment = now()
    session.execute(
        update(EmailCode)
        .where(EmailCode.subject_id == subject_id, EmailCode.voided_at.is_(None))
        .values(voided_at=moment)
    )  # fmt: skip
    session.execute(
        update(EmailProof)
        .where(EmailProof.subject_id == subject_id, EmailProof.spent_at.is_(None))
        .values(spent_at=moment)
    )  # fmt: skip


def _within_limits(session: Session, purpose: CodePurpose, counted_as: str) -> bool:
    # The pause is asked first: a reload within it costs nothing of the hour's and the day's budget.
    name = f"code:{purpose}:{counted_as}"
    return (
        throttling.hit(session, f"{name}:pause", 1, RESEND_AFTER.total_seconds())
        and throttling.hit(session, f"{name}:hour", PER_HOUR, _HOUR)
        and throttling.hit(session, f"{name}:day", PER_DAY, _DAY)
    )


def _void(session: Session, flow: Flow, recipient: Recipient) -> None:
    older = EmailCode.browser_id == flow.browser_id
    if recipient.subject_id is not None:
        older |= EmailCode.subject_id == recipient.subject_id
    session.execute(
        update(EmailCode)
        .where(EmailCode.purpose == flow.purpose, older, EmailCode.voided_at.is_(None), EmailCode.spent_at.is_(None))
        .values(voided_at=now())
    )


def _newest(session: Session, flow: Flow, address: str) -> EmailCode | None:
    return session.scalar(
        select(EmailCode)
        .where(
            EmailCode.purpose == flow.purpose, EmailCode.browser_id == flow.browser_id,
            EmailCode.email_key == email_key(address), EmailCode.spent_at.is_(None), EmailCode.voided_at.is_(None),
        )
        .order_by(EmailCode.sent_at.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )  # fmt: skip


def _take_try(session: Session, row: EmailCode) -> bool:
    taken = session.scalar(
        update(EmailCode)
        .where(EmailCode.id == row.id, EmailCode.tries < TRIES, EmailCode.spent_at.is_(None), *_alive())
        .values(tries=EmailCode.tries + 1)
        .returning(EmailCode.id)
        .execution_options(synchronize_session=False)
    )
    return taken is not None


def _alive() -> tuple[ColumnElement[bool], ...]:
    # At 5:00.0 it is over. A clock set back before the sending revives nothing either.
    moment = now()
    return EmailCode.expires_at > moment, EmailCode.sent_at <= moment, EmailCode.voided_at.is_(None)


def _end_if_over(session: Session, row: EmailCode) -> None:
    """Void a code that was seen expired, so that a clock set back does not revive it."""
    session.execute(
        update(EmailCode)
        .where(EmailCode.id == row.id, EmailCode.expires_at <= now(), EmailCode.voided_at.is_(None))
        .values(voided_at=now())
    )


def _digits(given: str) -> str:
    # Spaces and dashes are how people copy a code; other scripts' digits are refused, not folded.
    text = re.sub(r"[ \-]", "", given.strip())
    return text if _CODE.fullmatch(text) else ""


def _bound(flow: Flow, row_id: str) -> str:
    return f"email-code:{flow.purpose}:{row_id}"
