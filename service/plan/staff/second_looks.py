"""Four eyes: an act asked for by one person of the plan takes effect on another's yes, once (security.md 145).

This module keeps who asked, who decided and the race between them. What the act does is the caller's, in the same
transaction, and only after `approve` has returned.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service import audit
from service.clock import now
from service.plan.models import ActKind, PendingAct
from service.single_use import spend

LASTS = timedelta(hours=48)
_MOST = 100


class SecondLookRefused(Exception):
    """The act cannot be decided so; `sentence` says why."""

    sentence = "This cannot be decided here."


class OwnAct(SecondLookRefused):
    """Who asked wants to approve."""

    sentence = "You asked for this yourself, so a colleague must look at it."


class ActOver(SecondLookRefused):
    """Somebody has decided it, or its 48 hours are over."""

    sentence = "This was decided already, or its 48 hours are over. Nothing was changed now."


class AlreadyAsked(SecondLookRefused):
    """The same act waits already."""

    sentence = "This waits for a second person already."


class UnknownAct(Exception):
    """No such act."""


def ask(
    session: Session, kind: ActKind, subject_id: str, changes: Sequence[dict[str, str]], *,
    by_account_id: str | None, reason: str, **content: Any,
) -> PendingAct:  # fmt: skip
    """Ask for an act; for a command, without an account, `content` holds the `operator`.

    `changes` are {"what", "before", "after"} as the second person will read them.
    """
    if find_waiting(session, kind, subject_id) is not None:
        raise AlreadyAsked
    moment = now()
    act = PendingAct(
        kind=kind, subject_id=subject_id, content={"changes": list(changes), **content}, reason=reason,
        asked_by_account_id=by_account_id, asked_at=moment, expires_at=moment + LASTS,
    )  # fmt: skip
    session.add(act)
    session.flush()
    _record(session, "ask", act, by_account_id, reason)
    return act


def approve(session: Session, act: PendingAct, *, by_account_id: str) -> None:
    """Say yes, for exactly one caller; raises OwnAct, ActOver. The act is then done in the same transaction."""
    if act.asked_by_account_id == by_account_id:
        raise OwnAct
    _decide(session, act, approved=True, by_account_id=by_account_id, reason="")
    _record(session, "approve", act, by_account_id)


def refuse(session: Session, act: PendingAct, *, by_account_id: str, reason: str) -> None:
    """Say no; who asked may take it back so. Raises ActOver."""
    _decide(session, act, approved=False, by_account_id=by_account_id, reason=reason)
    _record(session, "refuse", act, by_account_id, reason)


def get(session: Session, act_id: str) -> PendingAct:
    """An act, decided or not; raises UnknownAct."""
    found = session.get(PendingAct, act_id)
    if found is None:
        raise UnknownAct
    return found


def waits(act: PendingAct) -> bool:
    """Whether the act can still be decided."""
    return act.spent_at is None and now() < act.expires_at


def find_waiting(session: Session, kind: ActKind, subject_id: str) -> PendingAct | None:
    """The act of this kind that waits for the subject."""
    same = (PendingAct.kind == kind, PendingAct.subject_id == subject_id)
    return session.scalar(select(PendingAct).where(*same, *_waiting()).limit(1))


def find_approved(session: Session, kind: ActKind, subject_id: str) -> PendingAct | None:
    """The act of this kind for the subject to which somebody said yes within the last LASTS, the latest."""
    same = (PendingAct.kind == kind, PendingAct.subject_id == subject_id)
    fresh = (PendingAct.approved.is_(True), PendingAct.spent_at > now() - LASTS)
    return session.scalar(select(PendingAct).where(*same, *fresh).order_by(PendingAct.spent_at.desc()).limit(1))


def list_waiting(session: Session) -> list[PendingAct]:
    """Everything that waits for a second person, the oldest first."""
    return list(session.scalars(select(PendingAct).where(*_waiting()).order_by(PendingAct.asked_at).limit(_MOST)))


def list_over(session: Session) -> list[PendingAct]:
    """What was decided or lapsed, the latest first."""
    over = (PendingAct.spent_at.is_not(None)) | (PendingAct.expires_at <= now())
    return list(session.scalars(select(PendingAct).where(over).order_by(PendingAct.asked_at.desc()).limit(20)))


def count_waiting(session: Session) -> int:
    """How many acts wait."""
    return session.scalars(select(func.count()).select_from(PendingAct).where(*_waiting())).one()


def _waiting() -> tuple[Any, ...]:
    return PendingAct.spent_at.is_(None), PendingAct.expires_at > now()


def _decide(session: Session, act: PendingAct, *, approved: bool, by_account_id: str, reason: str) -> None:
    won = spend(
        session, PendingAct, PendingAct.id == act.id, PendingAct.expires_at > now(),
        approved=approved, decided_by_account_id=by_account_id, decision_reason=reason,
    )  # fmt: skip
    if not won:
        raise ActOver


def _record(session: Session, action: str, act: PendingAct, account_id: str | None, reason: str | None = None) -> None:
    audit.record(
        session, f"staff:pending_act:{action}", account_id=account_id, reason=reason or None,
        detail={"act": act.id, "kind": act.kind.value, "subject": act.subject_id},
    )  # fmt: skip
