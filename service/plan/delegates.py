"""Delegates: the word of plan staff on who is one."""

from typing import Any, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from service import audit
from service.accounts import sessions
from service.clock import now
from service.plan.models import DelegateRequest, PortalOrganization, ProviderStaff, RequestStatus, StaffStatus


class UnknownLogin(Exception):
    """No such login in the organisation."""


class LastDelegate(Exception):
    """The organisation would be left without a delegate."""


class NotYetActive(Exception):
    """The login still waits for its PIN, or was deactivated; it cannot be a delegate."""


class RequestDecided(Exception):
    """The request is not open (any more)."""


class OwnRequest(Exception):
    """Nobody decides their own request."""


def replace_delegate(
    session: Session, new: ProviderStaff, *, former: ProviderStaff | None, former_has_left: bool,
    by_account_id: str, reason: str,
) -> None:  # fmt: skip
    """On plan staff's word make `new` a delegate and `former` none, or deactivate `former` who has left."""
    _lock(session, new)
    _promote(session, new, by_account_id=by_account_id, reason=reason)
    if former is None:
        return
    if former.organization_id != new.organization_id or former.id == new.id:
        raise UnknownLogin
    former.is_delegate = False
    if former_has_left:
        former.status, former.deactivated_at = StaffStatus.DEACTIVATED, now()
        former.deactivated_by_account_id = by_account_id
    session.flush()
    sessions.end_all(session, former.account)
    _record(session, "deactivate" if former_has_left else "demote", former, by_account_id, reason)


def decide_request_by_plan(
    session: Session, request: DelegateRequest, *, approve: bool, by_account_id: str, reason: str
) -> ProviderStaff:
    """Plan staff's word on a request; the asker. Raises RequestDecided, OwnRequest or NotYetActive."""
    asker = session.get_one(ProviderStaff, request.staff_id)
    _lock(session, asker)
    if asker.account_id == by_account_id:
        raise OwnRequest
    status = RequestStatus.APPROVED if approve else RequestStatus.REFUSED
    statement = (
        update(DelegateRequest)
        .where(DelegateRequest.id == request.id, DelegateRequest.status == RequestStatus.OPEN)
        .values(status=status, decided_at=now(), decided_by_account_id=by_account_id, decision_reason=reason)
        .execution_options(synchronize_session="fetch")
    )
    if cast(CursorResult[Any], session.execute(statement)).rowcount != 1:
        raise RequestDecided
    if approve:
        _promote(session, asker, by_account_id=by_account_id, reason=reason)
    else:
        _record(session, "refuse_delegate", asker, by_account_id, reason)
    return asker


def _lock(session: Session, staff: ProviderStaff) -> None:
    same = PortalOrganization.id == staff.organization_id
    session.execute(select(PortalOrganization.id).where(same).with_for_update())
    session.refresh(staff)


def _promote(session: Session, staff: ProviderStaff, *, by_account_id: str, reason: str) -> None:
    if staff.status is not StaffStatus.ACTIVE:
        raise NotYetActive
    if staff.is_delegate:
        return
    staff.is_delegate = True
    session.flush()
    sessions.end_all(session, staff.account)
    _record(session, "promote", staff, by_account_id, reason)


def _record(session: Session, action: str, staff: ProviderStaff, by_account_id: str, reason: str) -> None:
    audit.record(
        session, f"plan:portal_staff:{action}", account_id=by_account_id, reason=reason, detail={"login": staff.id}
    )  # fmt: skip
