"""*My provider is not listed*: the e-Services queue of plan staff."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service import audit
from service.clock import now
from service.plan.models import NotListedRequest, RequestStatus


class RequestOver(Exception):
    """Somebody has decided it."""

    sentence = "A colleague has decided this already."


def open_requests(session: Session, *, limit: int = 200) -> list[NotListedRequest]:
    """What waits for plan staff, the oldest first."""
    statement = select(NotListedRequest).where(NotListedRequest.status == RequestStatus.OPEN)
    return list(session.scalars(statement.order_by(NotListedRequest.asked_at, NotListedRequest.id).limit(limit)))


def decide(session: Session, request: NotListedRequest, status: RequestStatus, resolution: str, by: str) -> None:
    """Close a request with what was done about it; `by` is the account of the person of the plan."""
    if request.status is not RequestStatus.OPEN:
        raise RequestOver
    request.status, request.resolution = status, resolution
    request.handled_at, request.handled_by_account_id = now(), by
    audit.record(
        session, "staff:not_listed_request:decide", account_id=by, reason=resolution or None,
        detail={"request": request.id, "status": status.value},
    )  # fmt: skip
