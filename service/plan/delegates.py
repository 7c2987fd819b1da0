"""Wishes to become delegate where a group has one: the word of plan staff or of the delegate."""

from typing import Any, cast

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from service import audit
from service.clock import now
from service.plan.models import DelegateRequest, ProviderStaff, RequestStatus


class RequestOver(Exception):
    """Somebody has decided it."""

    sentence = "This was decided already."


def decide_request(
    session: Session, request: DelegateRequest, status: RequestStatus, *, by_account_id: str, reason: str
) -> None:
    """Say yes or no to a wish to become delegate, once; raises RequestOver."""
    statement = (
        update(DelegateRequest)
        .where(DelegateRequest.id == request.id, DelegateRequest.status == RequestStatus.OPEN)
        .values(status=status, decided_at=now(), decided_by_account_id=by_account_id, decision_reason=reason)
    )
    if cast(CursorResult[Any], session.execute(statement)).rowcount != 1:
        raise RequestOver
    if status is RequestStatus.APPROVED:
        session.get_one(ProviderStaff, request.staff_id).is_delegate = True
    audit.record(
        session, "provider:delegate_request:decide", account_id=by_account_id, reason=reason or None,
        detail={"request": request.id, "staff": request.staff_id, "status": status.value},
    )  # fmt: skip
