"""Delegates: who creates and maintains the logins of an organisation, and how somebody becomes or ceases to be one.

Every verb here first locks the organisation's row and reads both people anew under that lock, so that of two delegates
who demote each other at one moment the second is no delegate any more. The last delegate stays: only the plan's own
staff replace them, and nobody is ever promoted because somebody else left (security.md 139).
"""

from typing import Any, cast

from sqlalchemy import CursorResult, exists, select, update
from sqlalchemy.orm import Session, aliased, joinedload

from service import audit
from service.accounts import email_codes, sessions
from service.clock import now
from service.plan.logins import portal_mail, portal_staff
from service.plan.models import (
    AccessEntry,
    DelegateRequest,
    MailedPin,
    PortalInvitation,
    PortalOrganization,
    ProviderStaff,
    RequestStatus,
    StaffStatus,
)

_MOST = 500


class NotADelegate(Exception):
    """Who acts is no active delegate of that organisation (any more)."""


class UnknownLogin(Exception):
    """No such login in the organisation, or one that was deactivated: both look the same."""


class OwnLogin(Exception):
    """Nobody changes their own login; another delegate does."""


class LastDelegate(Exception):
    """The organisation would be left without a delegate: only plan staff can replace the last one."""


class NotYetActive(Exception):
    """The login still waits for its PIN, or was deactivated; it cannot be a delegate."""


class RequestDecided(Exception):
    """The request is not open (any more)."""


class OwnRequest(Exception):
    """Nobody decides their own request."""


def require_authority(session: Session, actor: ProviderStaff, staff: ProviderStaff) -> None:
    """Lock the organisation and read both logins anew; raises NotADelegate, UnknownLogin or OwnLogin."""
    lock(session, actor.organization_id)
    session.refresh(actor)
    session.refresh(staff)
    if not is_delegate(actor):
        raise NotADelegate
    if staff.organization_id != actor.organization_id:
        raise UnknownLogin
    if staff.id == actor.id:
        raise OwnLogin


def lock(session: Session, organization_id: str) -> None:
    """Hold the organisation's row to the end of the transaction: changes of its delegates happen one after another."""
    session.execute(
        select(PortalOrganization.id).where(PortalOrganization.id == organization_id).with_for_update()
    )  # fmt: skip


def is_delegate(staff: ProviderStaff) -> bool:
    """Whether this login has a delegate's rights now."""
    return staff.is_delegate and staff.status is StaffStatus.ACTIVE


def is_last(session: Session, staff: ProviderStaff) -> bool:
    """Whether the organisation has no other active delegate."""
    others = [one for one in portal_staff.delegates_of(session, staff.organization_id) if one.id != staff.id]
    return is_delegate(staff) and not others


def promote(session: Session, actor: ProviderStaff, staff: ProviderStaff) -> None:
    """Make a colleague a delegate; raises NotYetActive and what `require_authority` raises."""
    require_authority(session, actor, staff)
    _promote(session, staff, by_account_id=actor.account_id)


def demote(session: Session, actor: ProviderStaff, staff: ProviderStaff) -> None:
    """Take a colleague's delegate status; raises LastDelegate and what `require_authority` raises."""
    require_authority(session, actor, staff)
    demote_unchecked(session, staff, by_account_id=actor.account_id)


def deactivate(session: Session, actor: ProviderStaff, staff: ProviderStaff) -> None:
    """End a colleague's login; raises LastDelegate and what `require_authority` raises."""
    require_authority(session, actor, staff)
    if staff.status is StaffStatus.DEACTIVATED:
        raise UnknownLogin
    _deactivate(session, staff, by_account_id=actor.account_id)


def replace_delegate(
    session: Session,
    new: ProviderStaff,
    *,
    former: ProviderStaff | None,
    former_has_left: bool,
    by_account_id: str,
    reason: str,
) -> None:
    """On plan staff's word make `new` a delegate and `former` none, or deactivate `former` who has left.

    The only way past the last delegate. The console asks a second person before it calls this (security.md 145).
    Raises NotYetActive, or UnknownLogin when the two are of different organisations or the same person.
    """
    lock(session, new.organization_id)
    session.refresh(new)
    _promote(session, new, by_account_id=by_account_id, reason=reason)
    if former is None:
        return
    session.refresh(former)
    if former.organization_id != new.organization_id or former.id == new.id:
        raise UnknownLogin
    if former_has_left:
        _deactivate(session, former, by_account_id=by_account_id, reason=reason)
    elif former.is_delegate:
        demote_unchecked(session, former, by_account_id=by_account_id, reason=reason)


def without_delegate(session: Session, *, limit: int = 200) -> list[PortalOrganization]:
    """Organisations with a working login and no delegate: for plan staff to find one with them."""
    staff, delegate = aliased(ProviderStaff), aliased(ProviderStaff)
    works = exists().where(staff.organization_id == PortalOrganization.id, staff.status == StaffStatus.ACTIVE)
    has_one = exists().where(
        delegate.organization_id == PortalOrganization.id, delegate.status == StaffStatus.ACTIVE,
        delegate.is_delegate.is_(True),
    )  # fmt: skip
    statement = select(PortalOrganization).where(works, ~has_one).order_by(PortalOrganization.name).limit(limit)
    return list(session.scalars(statement))


def open_requests(session: Session, organization_id: str | None = None) -> list[tuple[DelegateRequest, ProviderStaff]]:
    """Open requests to become delegate with their askers, the oldest first: of one organisation, or of all."""
    statement = (
        select(DelegateRequest, ProviderStaff)
        .join(ProviderStaff, ProviderStaff.id == DelegateRequest.staff_id)
        .where(DelegateRequest.status == RequestStatus.OPEN, ProviderStaff.status != StaffStatus.DEACTIVATED)
        .options(joinedload(ProviderStaff.account))
        .order_by(DelegateRequest.asked_at)
        .limit(_MOST)
    )
    if organization_id is not None:
        statement = statement.where(ProviderStaff.organization_id == organization_id)
    return [(request, staff) for request, staff in session.execute(statement).unique()]


def decide_request(
    session: Session, actor: ProviderStaff, request_id: str, *, approve: bool, reason: str = ""
) -> ProviderStaff:
    """A delegate's word on a request; the asker. Raises RequestDecided, OwnRequest, NotADelegate or NotYetActive."""
    lock(session, actor.organization_id)
    session.refresh(actor)
    if not is_delegate(actor):
        raise NotADelegate
    request = session.get(DelegateRequest, request_id)
    asker = session.get(ProviderStaff, request.staff_id) if request else None
    if request is None or asker is None or asker.organization_id != actor.organization_id:
        raise RequestDecided
    _decide(session, request, asker, approve=approve, by_account_id=actor.account_id, reason=reason)
    return asker


def decide_request_by_plan(
    session: Session, request: DelegateRequest, *, approve: bool, by_account_id: str, reason: str
) -> ProviderStaff:
    """Plan staff's word on a request; the asker. Raises RequestDecided, OwnRequest or NotYetActive."""
    asker = session.get_one(ProviderStaff, request.staff_id)
    lock(session, asker.organization_id)
    _decide(session, request, asker, approve=approve, by_account_id=by_account_id, reason=reason)
    return asker


def demote_unchecked(
    session: Session, staff: ProviderStaff, *, by_account_id: str | None, reason: str | None = None
) -> None:
    """Take delegate status under a lock the caller holds; raises LastDelegate."""
    if is_last(session, staff):
        raise LastDelegate
    staff.is_delegate = False
    session.flush()
    # With another role one signs in anew (security.md 111).
    sessions.end_all(session, staff.account)
    _void_invitations(session, PortalInvitation.invited_by_staff_id == staff.id)
    record(session, "demote", staff, by_account_id=by_account_id, reason=reason)


def record(
    session: Session,
    action: str,
    staff: ProviderStaff,
    *,
    by_account_id: str | None,
    reason: str | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """The audit row of something done to a login; the person's name stays in it whatever becomes of the login."""
    about = {
        "login": staff.id, "account": staff.account_id, "name": staff.account.full_name,
        "organization": staff.organization_id,
    }  # fmt: skip
    audit.record(
        session, f"plan:portal_staff:{action}", account_id=by_account_id, reason=reason, detail=about | (detail or {})
    )


def _promote(session: Session, staff: ProviderStaff, *, by_account_id: str, reason: str | None = None) -> None:
    if staff.status is not StaffStatus.ACTIVE:
        raise NotYetActive
    if staff.is_delegate:
        return
    staff.is_delegate = True
    staff.certified_at, staff.lapsed_at = now(), None
    session.flush()
    sessions.end_all(session, staff.account)
    portal_mail.delegate_made(session, staff)
    record(session, "promote", staff, by_account_id=by_account_id, reason=reason)


def _deactivate(session: Session, staff: ProviderStaff, *, by_account_id: str, reason: str | None = None) -> None:
    if is_last(session, staff):
        raise LastDelegate
    moment = now()
    staff.status, staff.is_delegate = StaffStatus.DEACTIVATED, False
    staff.deactivated_at, staff.deactivated_by_account_id = moment, by_account_id
    session.flush()
    _end(session, AccessEntry, AccessEntry.staff_id == staff.id, ended_at=moment, ended_by_account_id=by_account_id)
    _end(session, MailedPin, MailedPin.staff_id == staff.id, voided_at=moment)
    _void_invitations(session, PortalInvitation.invited_by_staff_id == staff.id)
    ours = PortalInvitation.organization_id == staff.organization_id
    _void_invitations(session, ours, PortalInvitation.email_key == staff.account.email_key)
    _close_requests(session, staff, by_account_id)
    sessions.end_all(session, staff.account)
    email_codes.void_all(session, staff.account_id)
    portal_mail.login_deactivated(session, staff)
    record(session, "deactivate", staff, by_account_id=by_account_id, reason=reason)


def _end(session: Session, model: type[AccessEntry | MailedPin], *conditions: Any, **values: Any) -> None:
    column = next(iter(values))
    session.execute(
        update(model)
        .where(getattr(model, column).is_(None), *conditions)
        .values(**values)
        .execution_options(synchronize_session="fetch")
    )


def _void_invitations(session: Session, *conditions: Any) -> None:
    session.execute(
        update(PortalInvitation)
        .where(PortalInvitation.spent_at.is_(None), PortalInvitation.voided_at.is_(None), *conditions)
        .values(voided_at=now())
        .execution_options(synchronize_session="fetch")
    )


def _close_requests(session: Session, staff: ProviderStaff, by_account_id: str) -> None:
    session.execute(
        update(DelegateRequest)
        .where(DelegateRequest.staff_id == staff.id, DelegateRequest.status == RequestStatus.OPEN)
        .values(status=RequestStatus.REFUSED, decided_at=now(), decided_by_account_id=by_account_id)
        .execution_options(synchronize_session="fetch")
    )


def _decide(
    session: Session,
    request: DelegateRequest,
    asker: ProviderStaff,
    *,
    approve: bool,
    by_account_id: str,
    reason: str,
) -> None:
    if asker.account_id == by_account_id:
        raise OwnRequest
    session.refresh(asker)
    if approve and asker.status is not StaffStatus.ACTIVE:
        raise NotYetActive
    status = RequestStatus.APPROVED if approve else RequestStatus.REFUSED
    if not _settle(session, request, status, by_account_id, reason):
        raise RequestDecided
    if approve:
        _promote(session, asker, by_account_id=by_account_id, reason=reason or None)
    else:
        portal_mail.delegate_request_refused(session, asker, reason)
        record(session, "refuse_delegate", asker, by_account_id=by_account_id, reason=reason or None)


def _settle(session: Session, request: DelegateRequest, status: RequestStatus, by_account_id: str, reason: str) -> bool:
    settled = session.execute(
        update(DelegateRequest)
        .where(DelegateRequest.id == request.id, DelegateRequest.status == RequestStatus.OPEN)
        .values(status=status, decided_at=now(), decided_by_account_id=by_account_id, decision_reason=reason)
        .execution_options(synchronize_session="fetch")
    )
    return cast(CursorResult[Any], settled).rowcount == 1
