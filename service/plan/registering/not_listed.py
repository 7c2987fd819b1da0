"""*My provider is not listed*: a form that waits in the e-Services queue until plan staff have helped (PV 3)."""

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service import audit
from service.accounts import throttling
from service.clock import now
from service.plan.models import NotListedRequest, RequestStatus

PER_NETWORK = 10
_DAY = 86_400
_MOST = 500


class TooManyForms(Exception):
    """Too many of these forms came from one network today."""


class HandledAlready(Exception):
    """No such request is open: a colleague was faster."""


@dataclass(frozen=True)
class NotListed:
    """What the form tells; Tax ID and NPI normalised, or empty where they were not given."""

    organization_name: str
    contact_name: str
    contact_email: str
    contact_phone: str
    tax_id: str = ""
    npi: str = ""
    message: str = ""


def ask(session: Session, form: NotListed, *, network: str) -> NotListedRequest:
    """Put the form into the queue; raises TooManyForms."""
    if not throttling.hit(session, f"not_listed:network:{network}", PER_NETWORK, _DAY):
        audit.record(session, "plan:not_listed:ask", outcome=audit.Outcome.REFUSED)
        raise TooManyForms
    made = NotListedRequest(
        organization_name=form.organization_name, tax_id=form.tax_id, npi=form.npi, contact_name=form.contact_name,
        contact_email=form.contact_email, contact_phone=form.contact_phone, message=form.message,
    )  # fmt: skip
    session.add(made)
    session.flush()
    audit.record(session, "plan:not_listed:ask", detail={"request": made.id})
    return made


def open_requests(session: Session) -> list[NotListedRequest]:
    """What waits in the queue, the longest waiting first."""
    statement = select(NotListedRequest).where(NotListedRequest.status == RequestStatus.OPEN)
    return list(session.scalars(statement.order_by(NotListedRequest.asked_at).limit(_MOST)))


def decide(
    session: Session, request_id: str, status: RequestStatus, resolution: str, *, by_account_id: str
) -> NotListedRequest:
    """Close a request as approved or refused, with what was done about it; raises HandledAlready."""
    if status is RequestStatus.OPEN:
        raise ValueError("a decision is approved or refused")
    statement = (
        update(NotListedRequest)
        .where(NotListedRequest.id == request_id, NotListedRequest.status == RequestStatus.OPEN)
        .values(
            status=status, resolution=resolution.strip()[:500], handled_at=now(), handled_by_account_id=by_account_id
        )
        .returning(NotListedRequest.id)
        .execution_options(synchronize_session="fetch")
    )
    if session.scalar(statement) is None:
        raise HandledAlready
    audit.record(
        session, "plan:not_listed:decide", account_id=by_account_id,
        detail={"request": request_id, "status": status.value}, reason=resolution.strip()[:500],
    )  # fmt: skip
    return session.get_one(NotListedRequest, request_id, populate_existing=True)
