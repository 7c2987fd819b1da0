"""Hand-overs: who is delegate, on the word of plan staff. Making somebody delegate is an act for four eyes.

It begins with a registrant's wish (DelegateRequest), or with a call to an office whose delegate cannot be reached.
Refusing a wish is one person's word; making a delegate changes who rules a group's logins, so two say yes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.plan.logins import delegates, portal_staff
from service.plan.models import ActKind, DelegateRequest, PendingAct, PlanStaff, ProviderStaff, RequestStatus
from service.plan.staff import plan_staff, second_looks
from service.plan.staff.second_looks import SecondLookRefused

_WORDS: dict[type[Exception], str] = {
    delegates.RequestDecided: "This was decided already. Nothing was changed now.",
    delegates.OwnRequest: plan_staff.NotOneself.sentence,
    delegates.NotYetActive: "This login is not active: it waits for its PIN or was deactivated. It cannot be delegate.",
    delegates.UnknownLogin: "The two logins do not belong to one organization any more.",
    delegates.LastDelegate: "The organization would be left without a delegate.",
}


class UnknownHandOver(Exception):
    """No such open request."""


class HandOverRefused(SecondLookRefused):
    """It cannot be done; `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class ThingsChanged(SecondLookRefused):
    """The delegates are others than when it was asked."""

    sentence = "The delegates have changed since this was asked. Please refuse it and ask anew."


class DelegateAlready(SecondLookRefused):
    """There is nothing to do."""

    sentence = "This person is delegate already."


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


def find_waiting(session: Session, staff: ProviderStaff) -> PendingAct | None:
    """The act that waits for a second person to make this login delegate."""
    return second_looks.find_waiting(session, ActKind.DELEGATE_REPLACEMENT, staff.id)


def ask(
    session: Session, staff: ProviderStaff, *, by: PlanStaff, reason: str, former_id: str = "",
    former_has_left: bool = False, request_id: str | None = None,
) -> PendingAct:  # fmt: skip
    """Ask a second person to make `staff` delegate, and `former_id` none (deactivated, if they have left).

    Raises NotOneself, SecondLookRefused.
    """
    plan_staff.require_other(by, staff)
    standing = portal_staff.delegates_of(session, staff.organization_id)
    former = next((each for each in standing if each.id == former_id), None)
    if former_id and former is None:
        raise ThingsChanged
    if staff.id in _ids(standing):
        raise DelegateAlready
    return second_looks.ask(
        session, ActKind.DELEGATE_REPLACEMENT, staff.id, _changes(staff, standing, former, left=former_has_left),
        by_account_id=by.account_id, reason=reason, delegates=_ids(standing), former=former.id if former else None,
        former_has_left=former_has_left and former is not None, request=request_id,
    )  # fmt: skip


def refuse(session: Session, hand_over: HandOver, *, by: PlanStaff, reason: str) -> None:
    """Say no to the registrant. Raises NotOneself, SecondLookRefused."""
    plan_staff.require_other(by, hand_over.staff)
    if hand_over.act is not None:
        second_looks.refuse(session, hand_over.act, by_account_id=by.account_id, reason=reason)
    with _in_words():
        delegates.decide_request_by_plan(
            session, hand_over.request, approve=False, by_account_id=by.account_id, reason=reason
        )  # fmt: skip


def carry_out(session: Session, act: PendingAct, *, by: PlanStaff) -> None:
    """The second person's yes: the person is delegate. Raises NotOneself, SecondLookRefused."""
    staff = session.get_one(ProviderStaff, act.subject_id)
    plan_staff.require_other(by, staff)
    former = session.get(ProviderStaff, act.content["former"]) if act.content["former"] else None
    if former is not None:
        plan_staff.require_other(by, former)
    if _ids(portal_staff.delegates_of(session, staff.organization_id)) != act.content["delegates"]:
        raise ThingsChanged
    second_looks.approve(session, act, by_account_id=by.account_id)
    with _in_words():
        if act.content["request"]:
            request = session.get_one(DelegateRequest, act.content["request"])
            delegates.decide_request_by_plan(
                session, request, approve=True, by_account_id=by.account_id, reason=act.reason
            )  # fmt: skip
        delegates.replace_delegate(
            session, staff, former=former, former_has_left=act.content["former_has_left"],
            by_account_id=by.account_id, reason=act.reason,
        )  # fmt: skip


def _hand_over(session: Session, request: DelegateRequest) -> HandOver:
    staff = session.get_one(ProviderStaff, request.staff_id)
    standing = portal_staff.delegates_of(session, staff.organization_id)
    return HandOver(request, staff, tuple(standing), find_waiting(session, staff))


def _changes(
    staff: ProviderStaff, standing: Sequence[ProviderStaff], former: ProviderStaff | None, *, left: bool
) -> list[dict[str, str]]:
    staying = [each.account.full_name for each in standing if each is not former]
    changes = [
        {
            "what": f"Delegates of {staff.organization.name}",
            "before": ", ".join(each.account.full_name for each in standing) or "nobody",
            "after": ", ".join([*staying, staff.account.full_name]),
        }
    ]
    if former is not None and left:
        changes.append({"what": f"Login of {former.account.full_name}", "before": "works", "after": "deactivated"})
    return changes


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except tuple(_WORDS) as problem:
        raise HandOverRefused(_WORDS[type(problem)]) from problem


def _ids(standing: Sequence[ProviderStaff]) -> list[str]:
    return sorted(each.id for each in standing)
