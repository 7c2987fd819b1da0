"""Looks of member services at a member's page: begun with a reason, shown to the member, over after 15 minutes.

Records of oneself, of colleagues and protected ones need a second reason, of which a privacy officer hears at once
(break-glass, security.md 144); one's own stays shut even so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from service import audit, mail
from service.accounts import notices
from service.accounts.models import Account
from service.accounts.notice_model import NoticeKind
from service.accounts.notices import About
from service.audit import Outcome
from service.clock import now
from service.plan.models import Guard, Member, PlanStaff, StaffRole, SupportLook, SupportPurpose
from service.plan.staff import plan_staff, record_guards
from service.single_use import spend

LASTS = timedelta(minutes=15)
_MOST = 200


class LookRefused(Exception):
    """The look cannot begin so; `sentence` says why."""

    sentence = "This record cannot be opened so."


class SecondReasonNeeded(LookRefused):
    """The record is guarded, and no second reason was given."""

    sentence = "This record is protected. Please say why you must open it all the same."


class NobodyToTell(LookRefused):
    """There is no privacy officer who could be told."""

    sentence = "No privacy officer can be told of this, so the record stays closed. Please ask an administrator."


class LookOver(Exception):
    """The look has ended, or is another person's or another browser's."""


class OwnLook(Exception):
    """Who looked wants to review it themselves."""

    sentence = "This was your own look, so another privacy officer must review it."


class ReviewedAlready(Exception):
    """A colleague was faster."""

    sentence = "A colleague has reviewed this already."


@dataclass(frozen=True)
class Reasons:
    """Why somebody looks, and why they break glass where they must."""

    purpose: SupportPurpose
    words: str
    guard: str = ""


def begin(session: Session, by: PlanStaff, member: Member, reasons: Reasons, *, login_session_id: str) -> SupportLook:
    """Begin a look; raises SecondReasonNeeded and NobodyToTell.

    A look at one's own record is over as it is returned: it is kept and told of, and shows nothing.
    """
    guard = record_guards.find_guard(session, by, member)
    officers = other_officers(session, by) if guard is not None else []
    if guard is not None and not reasons.guard.strip():
        raise SecondReasonNeeded
    if guard is not None and not officers:
        raise NobodyToTell
    moment = now()
    look = SupportLook(
        member=member, member_id=member.id, account=by.account, account_id=by.account_id,
        login_session_id=login_session_id, purpose=reasons.purpose, reason=reasons.words, begun_at=moment,
        expires_at=moment + LASTS, ended_at=moment if guard is Guard.OWN else None, guard=guard,
        guard_reason=reasons.guard if guard is not None else "",
    )  # fmt: skip
    session.add(look)
    session.flush()
    record(session, look, "look", outcome=Outcome.REFUSED if guard is Guard.OWN else Outcome.SUCCESS)
    owner = session.scalar(select(Account).where(Account.member_id == member.id))
    if owner is not None and guard is not Guard.OWN:
        notices.tell(session, owner, NoticeKind.STAFF_LOOKED, About(member.id, who=by.account.given_name))
    for officer in officers:
        mail.enqueue(
            session, to=officer.email, template="glass_broken", language=officer.language,
            given_name=officer.given_name, at=moment,
        )  # fmt: skip
    return look


def get_open(session: Session, look_id: str, by: PlanStaff, *, login_session_id: str) -> SupportLook:
    """The standing look of this person in this browser; raises LookOver."""
    look = session.get(SupportLook, look_id)
    if look is None or not look.is_open(now()):
        raise LookOver
    if (look.account_id, look.login_session_id) != (by.account_id, login_session_id):
        raise LookOver
    return look


def close(session: Session, look: SupportLook) -> None:
    """End a look before its time."""
    look.ended_at = now()
    session.flush()
    record(session, look, "close")


def record(
    session: Session, look: SupportLook, action: str, *, outcome: Outcome = Outcome.SUCCESS, count: int | None = None
) -> None:
    """One audit row of a look, with both names and every reason (security.md 144, 146)."""
    detail: dict[str, Any] = {"look": look.id, "staff": look.account.full_name, "member": look.member.full_name}
    if look.guard is not None:
        detail |= {"guard": look.guard.value, "guard_reason": look.guard_reason}
    audit.record(
        session, f"staff:member:{action}", outcome=outcome, account_id=look.account_id, member_id=look.member_id,
        count=count, detail=detail, reason=look.reason_in_full,
    )  # fmt: skip


def of_member(session: Session, records: Sequence[str]) -> list[SupportLook]:
    """Every look that showed the page of one of a member's `records` (`roster.parts`), the latest first."""
    theirs = SupportLook.member_id.in_(records)
    statement = select(SupportLook).where(theirs).order_by(SupportLook.begun_at.desc())
    return [look for look in session.scalars(statement.limit(_MOST)) if look.guard is not Guard.OWN]


def to_review(session: Session) -> list[SupportLook]:
    """The looks behind glass that no privacy officer has reviewed, the oldest first."""
    return list(session.scalars(select(SupportLook).where(*_waiting()).order_by(SupportLook.begun_at).limit(_MOST)))


def reviewed(session: Session) -> list[SupportLook]:
    """What was reviewed lately."""
    over = (SupportLook.guard.is_not(None), SupportLook.spent_at.is_not(None))
    return list(session.scalars(select(SupportLook).where(*over).order_by(SupportLook.spent_at.desc()).limit(20)))


def count_to_review(session: Session) -> int:
    """How many looks wait for a review."""
    return session.scalars(select(func.count()).select_from(SupportLook).where(*_waiting())).one()


def review(session: Session, look: SupportLook, *, by: PlanStaff) -> None:
    """Mark a look behind glass as reviewed; raises OwnLook and ReviewedAlready."""
    if look.account_id == by.account_id:
        raise OwnLook
    if not spend(session, SupportLook, SupportLook.id == look.id, reviewed_by_account_id=by.account_id):
        raise ReviewedAlready
    audit.record(
        session, "staff:member:review", account_id=by.account_id, member_id=look.member_id, detail={"look": look.id}
    )  # fmt: skip


def other_officers(session: Session, by: PlanStaff) -> list[Account]:
    """The privacy officers who hear of what this person did: all but themselves."""
    found = plan_staff.with_role(session, StaffRole.PRIVACY_OFFICER)
    return [officer.account for officer in found if officer.account_id != by.account_id]


def _waiting() -> tuple[ColumnElement[bool], ...]:
    return SupportLook.guard.is_not(None), SupportLook.spent_at.is_(None)
