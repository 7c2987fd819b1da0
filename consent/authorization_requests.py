"""Requests of billing organisations to their clients' contacts: asked, verified, sent, withdrawn, lapsed (PV 6).

Every change of state is one function with its audit tag, and one conditional UPDATE decides between two that come at
the same moment. The contact's own answer is `consent.authorization_answers`.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent import authorization_notices, named_contacts
from consent.billing_models import AuthorizationRequest, AuthorizationStatus
from consent.named_contacts import ContactRefused, NamedContact
from service import audit
from service.accounts import throttling
from service.clock import now
from service.db import digest
from service.plan.logins import reach
from service.plan.models import (
    IdKind,
    OrganizationKind,
    PortalFunction,
    PortalOrganization,
    ProviderGroup,
    ProviderStaff,
    Remittance,
    StaffStatus,
)
from service.plan.registering import payment_proof
from service.plan.registering.payment_proof import ShownPayment
from service.single_use import spend

LIFE = timedelta(days=30)
FUNCTIONS = (PortalFunction.REMITTANCES, PortalFunction.CLAIMS, PortalFunction.ELIGIBILITY)
"""What a firm may ask for."""
OPEN = (AuthorizationStatus.ASKED, AuthorizationStatus.AWAITING_PLAN)
PER_FIRM, PER_ADDRESS, PER_REQUEST, LOOKS = 100, 20, 5, 200
_DAY = 86_400


class NotAFirm(Exception):
    """Only a working login of a billing organisation asks."""


class NoSuchClient(Exception):
    """No provider of that Tax ID with whom the plan does business, or not the one chosen."""


class AlreadyAsked(Exception):
    """A request to this client is open: it may be sent again or withdrawn."""


class TooManyRequests(Exception):
    """Too many requests or mails for one day."""


class UnknownRequest(Exception):
    """No such request, or not one of this organisation: both look the same."""


class RequestClosed(Exception):
    """The request was answered, withdrawn or has lapsed, or still waits for the plan."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a firm asks: for which client, by which payment number (None: none at hand), what, and of whom."""

    tax_id: str
    number: str | None
    group_id: str
    functions: frozenset[PortalFunction]
    contact: NamedContact


@dataclass(frozen=True, slots=True)
class Mailing:
    """What the mails with a secret and the proof by payment need of the request at hand."""

    key: bytes
    network: str = "unknown"
    most_days: int = payment_proof.MOST_DAYS


def find_clients(
    session: Session, staff: ProviderStaff, *, tax_id: str, number: str | None, mailing: Mailing
) -> tuple[list[ProviderGroup], Remittance | None]:
    """The providers to choose from, and the payment where a number was given: then its payee alone.

    Raises NotAFirm, NoSuchClient, TooManyRequests, `payment_proof.ProofRefused` and `TooManyTries`.
    """
    _require_firm(staff)
    payment = None
    if number is not None:
        shown = ShownPayment(tax_id, number)
        proof = payment_proof.verify(session, shown, network=mailing.network, days=mailing.most_days)
        # Groups of one Tax ID may be strangers to each other: a payment speaks for its payee alone (security.md 131).
        payment, known = proof.remittance, [proof.group]
    elif throttling.hit(session, f"billing:looks:{staff.organization_id}", LOOKS, _DAY):
        known = reach.groups_with(session, [(IdKind.TAX_ID, tax_id)])
    else:
        raise TooManyRequests
    today = now().date()
    found = [one for one in known if one.in_business(today)]
    if not found:
        raise NoSuchClient
    return found, payment


def ask(session: Session, staff: ProviderStaff, wanted: Wanted, mailing: Mailing) -> AuthorizationRequest:
    """Ask the client's contact; the mail goes out at once, or after plan staff have verified the contact.

    Raises what `find_clients` raises, and AlreadyAsked and `named_contacts.ContactRefused`.
    """
    groups, payment = find_clients(session, staff, tax_id=wanted.tax_id, number=wanted.number, mailing=mailing)
    group = next((one for one in groups if one.id == wanted.group_id), None)
    functions = [function.value for function in FUNCTIONS if function in wanted.functions]
    if group is None or not functions:
        raise NoSuchClient
    named_contacts.require_someone_else(session, staff.organization_id, wanted.contact.email)
    _require_none_open(session, staff.organization_id, group.id)
    if not throttling.hit(session, f"billing:asked:{staff.organization_id}", PER_FIRM, _DAY):
        raise TooManyRequests
    _require_room(session, wanted.contact.key)
    made = _add(session, staff, group, payment, wanted, functions)
    _record(session, made, "ask", staff.account_id, contact=made.contact_email, status=made.status.value)
    if made.status is AuthorizationStatus.ASKED:
        _send(session, made, mailing)
    authorization_notices.tell_client_of_asking(session, made)
    return made


def resend(session: Session, request: AuthorizationRequest, mailing: Mailing, *, by_account_id: str) -> None:
    """Send the mail again with a new link: the old link ends, the 30 days do not begin anew.

    Raises RequestClosed and TooManyRequests.
    """
    _lock(session, request)
    if request.status is not AuthorizationStatus.ASKED or is_over(request):
        raise RequestClosed
    if not throttling.hit(session, f"billing:resent:{request.id}", PER_REQUEST, _DAY):
        raise TooManyRequests
    _require_room(session, request.contact_key)
    _send(session, request, mailing)
    _record(session, request, "resend", by_account_id)


def withdraw(session: Session, request: AuthorizationRequest, *, by_account_id: str) -> None:
    """The firm takes its request back; the link ends. Raises RequestClosed."""
    _close(session, request, AuthorizationStatus.WITHDRAWN, by_account_id)
    _record(session, request, "withdraw", by_account_id)


def verify_contact(session: Session, request: AuthorizationRequest, mailing: Mailing, *, by_account_id: str) -> None:
    """Plan staff have verified the contact: the mail goes out and the 30 days begin.

    Raises RequestClosed, and ContactRefused where the contact has become one of the firm's own, or the member of staff
    signs in for the firm or is the contact.
    """
    _lock(session, request)
    if request.status is not AuthorizationStatus.AWAITING_PLAN or is_over(request):
        raise RequestClosed
    _require_neutral(session, request, by_account_id)
    named_contacts.require_other_mailbox(session, request.contact_email, by_account_id)
    named_contacts.require_someone_else(session, request.organization_id, request.contact_email)
    _require_room(session, request.contact_key)
    request.status = AuthorizationStatus.ASKED
    request.expires_at = now() + LIFE
    _record(session, request, "verify_contact", by_account_id)
    _send(session, request, mailing)


def refuse_contact(session: Session, request: AuthorizationRequest, reason: str, *, by_account_id: str) -> None:
    """Plan staff do not accept the contact; the firm reads `reason`. Raises RequestClosed and ContactRefused."""
    _require_neutral(session, request, by_account_id)
    if request.status is not AuthorizationStatus.AWAITING_PLAN:
        raise RequestClosed
    _close(session, request, AuthorizationStatus.REFUSED, by_account_id, reason=reason)
    _record(session, request, "refuse_contact", by_account_id)


def is_over(request: AuthorizationRequest) -> bool:
    """Whether the 30 days are over: 29 d 23:59:59 is not, 30 d is."""
    return request.expires_at <= now()


def get_for_firm(session: Session, staff: ProviderStaff, request_id: str) -> AuthorizationRequest:
    """A request of the login's own organisation; raises UnknownRequest."""
    found = session.get(AuthorizationRequest, request_id)
    if found is None or not is_firm(staff) or found.organization_id != staff.organization_id:
        raise UnknownRequest
    return found


def get(session: Session, request_id: str) -> AuthorizationRequest:
    """Any request, for plan staff; raises UnknownRequest."""
    found = session.get(AuthorizationRequest, request_id)
    if found is None:
        raise UnknownRequest
    return found


def with_status(session: Session, status: AuthorizationStatus, *, limit: int = 200) -> list[AuthorizationRequest]:
    """Requests that stand so and are not over, the oldest first; for plan staff."""
    statement = (
        select(AuthorizationRequest)
        .where(AuthorizationRequest.status == status, AuthorizationRequest.expires_at > now())
        .order_by(AuthorizationRequest.asked_at, AuthorizationRequest.id)
        .limit(limit)
    )
    return list(session.scalars(statement))


def count_to_verify(session: Session) -> int:
    """How many requests wait until plan staff has verified the named contact."""
    waits = (AuthorizationRequest.status == AuthorizationStatus.AWAITING_PLAN, AuthorizationRequest.expires_at > now())
    return session.scalars(select(func.count()).select_from(AuthorizationRequest).where(*waits)).one()


def mark_lapsed(session: Session, *, limit: int = 500) -> int:
    """Mark requests whose time is over and tell who asked; how many. They were refused by the time alone already."""
    over = (AuthorizationRequest.status.in_(OPEN), AuthorizationRequest.expires_at <= now())
    found = list(session.scalars(select(AuthorizationRequest).where(*over).limit(limit)))
    return sum(_lapse(session, request) for request in found)


def is_firm(staff: ProviderStaff) -> bool:
    """Whether this is a working login of a billing organisation."""
    return staff.organization.kind is OrganizationKind.BILLING and staff.status is StaffStatus.ACTIVE


def digest_of(secret: str) -> str:
    """The digest under which a link's secret is stored: no secret of another purpose ever has the same."""
    return digest(f"billing-authorization\0{secret}")


def _require_firm(staff: ProviderStaff) -> None:
    if not is_firm(staff):
        raise NotAFirm


def _require_none_open(session: Session, organization_id: str, group_id: str) -> None:
    # Two windows of one firm ask one after the other: the row of the firm is the lock.
    firm = PortalOrganization.id == organization_id
    session.execute(select(PortalOrganization.id).where(firm).with_for_update(of=PortalOrganization))
    same = (AuthorizationRequest.organization_id == organization_id, AuthorizationRequest.group_id == group_id)
    standing = select(AuthorizationRequest).where(*same, AuthorizationRequest.status.in_(OPEN))
    for request in session.scalars(standing):
        if not is_over(request):
            raise AlreadyAsked
        _lapse(session, request)


def _add(
    session: Session,
    staff: ProviderStaff,
    group: ProviderGroup,
    payment: Remittance | None,
    wanted: Wanted,
    functions: Collection[str],
) -> AuthorizationRequest:
    contact = wanted.contact
    waits = named_contacts.needs_verification(
        session, staff.organization_id, group, contact, proven=payment is not None
    )
    moment = now()
    made = AuthorizationRequest(
        organization=staff.organization, group=group, asker=staff.account,
        remittance_id=payment.id if payment else None, tax_id=wanted.tax_id,
        contact_name=contact.name, contact_email=contact.email, contact_key=contact.key,
        contact_phone=contact.phone, functions=list(functions),
        status=AuthorizationStatus.AWAITING_PLAN if waits else AuthorizationStatus.ASKED, asked_at=moment,
        expires_at=moment + LIFE, sends=0,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def _send(session: Session, request: AuthorizationRequest, mailing: Mailing) -> None:
    """A new secret, 256 bits, of which only the digest stays; the one before names nothing any more."""
    secret = secrets.token_urlsafe(32)
    request.secret_hash = digest_of(secret)
    request.sent_at = now()
    request.sends += 1
    session.flush()
    authorization_notices.ask_contact(session, request, secret, key=mailing.key)


def _require_room(session: Session, contact_key: str) -> None:
    """Nobody's mailbox is filled by others: asked before anything is written, since a returned refusal commits."""
    if not throttling.hit(session, f"billing:mailed:{throttling.hidden(contact_key)}", PER_ADDRESS, _DAY):
        raise TooManyRequests


def _lock(session: Session, request: AuthorizationRequest) -> None:
    session.refresh(request, with_for_update={"of": AuthorizationRequest})


def _close(
    session: Session,
    request: AuthorizationRequest,
    status: AuthorizationStatus,
    by_account_id: str,
    *,
    reason: str = "",
) -> None:
    mine = (AuthorizationRequest.id == request.id, AuthorizationRequest.status.in_(OPEN))
    live = AuthorizationRequest.expires_at > now()
    if not spend(session, AuthorizationRequest, *mine, live, status=status, answered_at=now(), reason=reason):
        raise RequestClosed
    session.refresh(request)
    if by_account_id != request.asked_by_account_id:
        authorization_notices.tell_asker(session, request)


def _lapse(session: Session, request: AuthorizationRequest) -> bool:
    mine = (AuthorizationRequest.id == request.id, AuthorizationRequest.status.in_(OPEN))
    lapsed = spend(
        session, AuthorizationRequest, *mine, AuthorizationRequest.expires_at <= now(),
        status=AuthorizationStatus.LAPSED,
    )  # fmt: skip
    if lapsed:
        session.refresh(request)
        _record(session, request, "lapse", None)
        authorization_notices.tell_asker(session, request)
    return lapsed


def _require_neutral(session: Session, request: AuthorizationRequest, account_id: str) -> None:
    if named_contacts.works_for(session, request.organization_id, account_id):
        raise ContactRefused


def _record(
    session: Session, request: AuthorizationRequest, action: str, account_id: str | None, **detail: str
) -> None:
    audit.record(
        session, f"consent:authorization_request:{action}", account_id=account_id,
        detail={"request": request.id, "organization": request.organization_id, "group": request.group_id, **detail},
    )  # fmt: skip
