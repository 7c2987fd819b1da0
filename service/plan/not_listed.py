"""*My provider is not listed*: a form that waits in the e-Services queue until plan staff have helped (PV 3)."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service import audit
from service.clock import now
from service.plan.models import NotListedRequest, RequestStatus

_MOST = 500


class HandledAlready(Exception):
    """No such request is open: a colleague was faster."""


def open_requests(session: Session) -> list[NotListedRequest]:
    """What waits in the queue, the longest waiting first."""
    statement = select(NotListedRequest).where(NotListedRequest.status == RequestStatus.OPEN)
    return list(session.scalars(statement.order_by(NotListedRequest.asked_at).limit(_MOST)))


def decide(
    session: Session, request_id: str, status: RequestStatus, resolution: str, *, by_account_id: str
) -> NotListedRequest:
    """Close a request as approved or refused, with what was done about it; raises HandledAlready."""
    statement = (
        update(NotListedRequest)
        .where(NotListedRequest.id == request_id, NotListedRequest.status == RequestStatus.OPEN)
        .values(status=status, resolution=resolution, handled_at=now(), handled_by_account_id=by_account_id)
        .returning(NotListedRequest.id)
        .execution_options(synchronize_session="fetch")
    )
    if session.scalar(statement) is None:
        raise HandledAlready
    audit.record(
        session, "plan:not_listed:decide", account_id=by_account_id, reason=resolution,
        detail={"request": request_id, "status": status.value},
    )  # fmt: skip
    return session.get_one(NotListedRequest, request_id)
