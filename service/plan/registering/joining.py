"""How a person becomes part of an organisation of the portal: the first is its delegate, others ask (product.md PV 4).

An organisation registers once, by kind and Tax ID; whoever comes first is told by its row, which is locked meanwhile.
"""

from enum import StrEnum

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service import audit, mail
from service.accounts.models import Account
from service.clock import now
from service.db import new_id
from service.plan.logins import portal_staff
from service.plan.models import (
    DelegateRequest,
    OrganizationKind,
    PortalFunction,
    PortalOrganization,
    ProviderStaff,
    RequestStatus,
    StaffStatus,
)


class AbsenceReason(StrEnum):
    """Why the delegate there is cannot assist, as the registrant tells it."""

    LEFT = "left"
    ON_LEAVE = "on_leave"
    UNKNOWN = "unknown"
    OTHER = "other"


REASON_WORDS = {
    AbsenceReason.LEFT: "They have left our organization",
    AbsenceReason.ON_LEAVE: "They are on leave",
    AbsenceReason.UNKNOWN: "I do not know who they are, or cannot reach them",
    AbsenceReason.OTHER: "Another reason",
}
"""As the registrant chooses it, and as delegates and plan staff read it."""


class HasLogin(Exception):
    """This person has a login of the portal already; nobody gets a second one."""


class CannotAsk(Exception):
    """This login cannot ask to become delegate: it is one, does not work, or has asked already."""


FUNCTIONS = {
    OrganizationKind.PROVIDER: tuple(PortalFunction),
    # A firm that bills for others has no practitioners or locations of its own on the plan's file.
    OrganizationKind.BILLING: tuple(function for function in PortalFunction if function is not PortalFunction.PROFILES),
}
"""The applications somebody gets who registered by proof, by kind of organisation."""


def find_organization(session: Session, kind: OrganizationKind, tax_id: str) -> PortalOrganization | None:
    """The organisation that registered under this Tax ID."""
    statement = select(PortalOrganization).where(PortalOrganization.kind == kind, PortalOrganization.tax_id == tax_id)
    return session.scalar(statement)


def lock_organization(session: Session, kind: OrganizationKind, tax_id: str, name: str) -> PortalOrganization:
    """The organisation of this Tax ID, made if it is new, and held until the transaction ends.

    Two first registrants meet here: the second waits, and then sees the first.
    """
    table = PortalOrganization.__table__
    assert isinstance(table, Table)
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert(table) if on_postgresql else sqlite.insert(table)
    values = {"id": new_id(), "kind": kind, "tax_id": tax_id, "name": name[:200], "created_at": now()}
    session.execute(insert.values(values).on_conflict_do_nothing())
    same = (PortalOrganization.kind == kind, PortalOrganization.tax_id == tax_id)
    statement = select(PortalOrganization).where(*same).with_for_update().execution_options(populate_existing=True)
    return session.scalars(statement).one()


def lock_with_organization(session: Session, staff: ProviderStaff) -> None:
    """Hold a login and what it is of until the transaction ends, in the order of a registration that takes it over.

    That is: the organisation, the login, its PINs (decision 121). The login is read anew.
    """
    organization = staff.organization
    lock_organization(session, organization.kind, organization.tax_id, organization.name)
    session.execute(select(ProviderStaff.id).where(ProviderStaff.id == staff.id).with_for_update())
    session.refresh(staff)


def is_open(session: Session, organization: PortalOrganization | None) -> bool:
    """Whether nobody has ever worked in it, so that the next one becomes its delegate.

    Never so again once somebody has: the last delegate's place is filled by plan staff only (security.md 139).
    """
    if organization is None:
        return True
    begun = (ProviderStaff.organization_id == organization.id, ProviderStaff.status != StaffStatus.AWAITING_PIN)
    return session.scalar(select(ProviderStaff.id).where(*begun).limit(1)) is None


def enlist(
    session: Session, account: Account, organization: PortalOrganization, *, phone: str, awaiting_pin: bool = False
) -> ProviderStaff:
    """Give the account its login for this organisation, still without rights; raises HasLogin.

    A login that only waits for its PIN is taken over: its person has found a payment in the meantime.
    """
    staff = portal_staff.find_staff(session, account)
    if staff is not None and staff.status is not StaffStatus.AWAITING_PIN:
        raise HasLogin
    if staff is None:
        staff = ProviderStaff(account_id=account.id, account=account, status=StaffStatus.AWAITING_PIN, functions=[])
        session.add(staff)
    staff.organization, staff.organization_id, staff.phone = organization, organization.id, phone
    session.flush()
    if not awaiting_pin:
        activate(session, staff)
    return staff


def activate(session: Session, staff: ProviderStaff) -> None:
    """Let the login work from now on; the first of its organisation becomes delegate. The organisation is locked."""
    first = is_open(session, staff.organization)
    staff.status, staff.is_delegate, staff.certified_at = StaffStatus.ACTIVE, first, now()
    staff.functions = [function.value for function in FUNCTIONS[staff.organization.kind]]
    session.flush()
    _record(session, "plan:portal_staff:activate", staff, delegate=first)
    if not first:
        _tell_delegates(session, staff)


def ask_to_be_delegate(session: Session, staff: ProviderStaff, reason: AbsenceReason, detail: str) -> DelegateRequest:
    """Leave the wish with the delegates and plan staff, and why the delegate cannot assist; raises CannotAsk."""
    if not may_ask(session, staff):
        raise CannotAsk
    made = DelegateRequest(staff_id=staff.id, reason=reason.value, detail=detail.strip()[:500])
    session.add(made)
    session.flush()
    _record(session, "plan:delegate_request:ask", staff, reason=reason.value)
    return made


def may_ask(session: Session, staff: ProviderStaff) -> bool:
    """Whether this login works, is no delegate, and has no wish open."""
    if staff.status is not StaffStatus.ACTIVE or staff.is_delegate:
        return False
    asked = (DelegateRequest.staff_id == staff.id, DelegateRequest.status == RequestStatus.OPEN)
    return session.scalar(select(DelegateRequest.id).where(*asked).limit(1)) is None


def tell_of_try(session: Session, organization: PortalOrganization, name: str, email: str) -> None:
    """Tell the delegates of a billing organisation that somebody tried to register there: they open accounts."""
    for delegate in portal_staff.delegates_of(session, organization.id):
        _mail(session, delegate, "portal_registrant_refused", name=name, email=email)
    audit.record(
        session, "plan:portal_registration:finish", outcome=audit.Outcome.REFUSED,
        detail={"organization": organization.id},
    )  # fmt: skip


def _tell_delegates(session: Session, staff: ProviderStaff) -> None:
    for delegate in portal_staff.delegates_of(session, staff.organization_id):
        _mail(session, delegate, "portal_registrant", name=staff.account.full_name, email=staff.account.email)


def _mail(session: Session, delegate: ProviderStaff, template: str, *, name: str, email: str) -> None:
    mail.enqueue(
        session, to=delegate.account.email, template=template, language=delegate.account.language,
        given_name=delegate.account.given_name, organization=delegate.organization.name,
        at=now(), name=name, email=email,
    )  # fmt: skip


def _record(session: Session, tag: str, staff: ProviderStaff, **detail: object) -> None:
    audit.record(
        session, tag, account_id=staff.account_id,
        detail={"staff": staff.id, "organization": staff.organization_id, **detail},
    )  # fmt: skip
