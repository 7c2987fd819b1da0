"""Hand-overs: wishes to become delegate that wait for plan staff, and the replacement as an act for four eyes.

Refusing is one person's word; making somebody delegate changes who rules a group's logins, so two say yes.
"""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.plan import delegates, plan_staff, portal_staff, second_looks
from service.plan.models import ActKind, DelegateRequest, PendingAct, PlanStaff, ProviderStaff, RequestStatus
from service.plan.second_looks import SecondLookRefused


class UnknownHandOver(Exception):
    """No such open request."""


class ThingsChanged(SecondLookRefused):
    """The delegates are others than when it was asked."""

    sentence = "The delegates have changed since this was asked. Please refuse it and ask anew."


@dataclass(frozen=True, slots=True)
class HandOver:
    """An open request, who asks, who is delegate now, and the act that waits for a second person."""

    request: DelegateRequest
    staff: ProviderStaff
    delegates: tuple[ProviderStaff, ...]
    act: PendingAct | None


def list_open(session: Session, *, limit: int = 200) -> list[HandOver]:
    """Every open request, the oldest first."""
    statement = select(DelegateRequest).where(DelegateRequest.status == RequestStatus.OPEN)
    every = session.scalars(statement.order_by(DelegateRequest.asked_at, DelegateRequest.id).limit(limit))
    return [_hand_over(session, request) for request in every]


def count_open(session: Session) -> int:
    """How many requests are open."""
    is_open = DelegateRequest.status == RequestStatus.OPEN
    return session.scalars(select(func.count()).select_from(DelegateRequest).where(is_open)).one()


def get_open(session: Session, request_id: str) -> HandOver:
    """One open request; raises UnknownHandOver."""
    request = session.get(DelegateRequest, request_id)
    if request is None or request.status is not RequestStatus.OPEN:
        raise UnknownHandOver
    return _hand_over(session, request)


def ask(session: Session, hand_over: HandOver, *, by: PlanStaff, reason: str) -> PendingAct:
    """Ask a second person to make the registrant delegate. Raises NotOneself, SecondLookRefused."""
    plan_staff.require_other(by, hand_over.staff)
    names = ", ".join(delegate.account.full_name for delegate in hand_over.delegates) or "nobody"
    after = (
        f"{names}, {hand_over.staff.account.full_name}" if hand_over.delegates else hand_over.staff.account.full_name
    )
    changes = [{"what": f"Delegates of {hand_over.staff.organization.name}", "before": names, "after": after}]
    return second_looks.ask(
        session, ActKind.DELEGATE_REPLACEMENT, hand_over.request.id, changes, by_account_id=by.account_id,
        reason=reason, delegates=_ids(hand_over.delegates), staff=hand_over.staff.id,
    )  # fmt: skip


def refuse(session: Session, hand_over: HandOver, *, by: PlanStaff, reason: str) -> None:
    """Say no to the registrant. Raises NotOneself, SecondLookRefused, delegates.RequestOver."""
    plan_staff.require_other(by, hand_over.staff)
    if hand_over.act is not None:
        second_looks.refuse(session, hand_over.act, by_account_id=by.account_id, reason=reason)
    _decide(session, hand_over.request, RequestStatus.REFUSED, by, reason)


def carry_out(session: Session, act: PendingAct, *, by: PlanStaff) -> None:
    """The second person's yes: the registrant is delegate. Raises NotOneself, SecondLookRefused, UnknownHandOver."""
    hand_over = get_open(session, act.subject_id)
    plan_staff.require_other(by, hand_over.staff)
    if _ids(hand_over.delegates) != act.content["delegates"]:
        raise ThingsChanged
    second_looks.approve(session, act, by_account_id=by.account_id)
    _decide(session, hand_over.request, RequestStatus.APPROVED, by, act.reason)


def _hand_over(session: Session, request: DelegateRequest) -> HandOver:
    staff = session.get_one(ProviderStaff, request.staff_id)
    standing = portal_staff.delegates_of(session, staff.organization_id)
    act = second_looks.find_waiting(session, ActKind.DELEGATE_REPLACEMENT, request.id)
    return HandOver(request, staff, tuple(standing), act)


def _decide(session: Session, request: DelegateRequest, status: RequestStatus, by: PlanStaff, reason: str) -> None:
    delegates.decide_request(session, request, status, by_account_id=by.account_id, reason=reason)


def _ids(standing: tuple[ProviderStaff, ...]) -> list[str]:
    return sorted(each.id for each in standing)
