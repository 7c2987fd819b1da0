"""The contact's answer to a billing organisation's request: opened by the mailed secret, yes or no, once.

No account is needed: who holds the secret is the contact. Opening the link changes nothing, since mail scanners and
previews open links too (security.md 129); only `allow` and `refuse` do.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import authorization_notices, billing_authorizations, named_contacts
from consent.authorization_requests import FUNCTIONS, digest_of
from consent.billing_models import AuthorizationRequest, AuthorizationStatus, BillingAuthorization
from consent.named_contacts import ContactRefused
from service import audit
from service.clock import now
from service.plan.models import PortalFunction
from service.single_use import spend


class UnknownLink(Exception):
    """The secret is none of ours: altered, cut off, of another purpose, or replaced by a newer mail."""


class RequestOver(Exception):
    """The request was answered or withdrawn, or its 30 days are over; `status` says which."""

    def __init__(self, status: AuthorizationStatus) -> None:
        super().__init__()
        self.status = status


class ClientLeft(Exception):
    """The plan no longer does business with the provider, so there is nothing to allow."""


class OwnRequest(Exception):
    """The firm that asked would answer itself."""


class NothingAllowed(Exception):
    """A yes to nothing, to more than was asked, or to dates that hold no day."""


@dataclass(frozen=True, slots=True)
class Limits:
    """To what the contact says yes: functions, and payment dates (both days included; None: no limit)."""

    functions: frozenset[PortalFunction]
    covers_from: date | None = None
    covers_until: date | None = None


def open_request(session: Session, secret: str) -> AuthorizationRequest:
    """The request that waits for the holder of `secret`; changes nothing.

    Raises UnknownLink, RequestOver and ClientLeft.
    """
    found = session.scalar(select(AuthorizationRequest).where(AuthorizationRequest.secret_hash == digest_of(secret)))
    if found is None:
        raise UnknownLink
    if found.status is not AuthorizationStatus.ASKED:
        raise RequestOver(found.status)
    if found.expires_at <= now():
        raise RequestOver(AuthorizationStatus.LAPSED)
    if not found.group.in_business(now().date()):
        raise ClientLeft
    return found


def asked_functions(request: AuthorizationRequest) -> list[PortalFunction]:
    """What was asked for, in the order of the pages."""
    return [function for function in FUNCTIONS if function.value in request.functions]


def allow(session: Session, secret: str, limits: Limits, *, account_id: str | None) -> BillingAuthorization:
    """Yes: the firm has access from its next request on. `account_id` is whoever is signed in on that browser.

    Raises what `open_request` raises, and OwnRequest and NothingAllowed.
    """
    request = open_request(session, secret)
    _require_other_side(session, request, account_id)
    _require_some(request, limits)
    _spend(session, request, secret, AuthorizationStatus.APPROVED)
    given = billing_authorizations.give(
        session, request, limits.functions, covers_from=limits.covers_from, covers_until=limits.covers_until
    )
    _finish(session, request, "allow", account_id, authorization=given.id)
    authorization_notices.tell_client_of_access(session, given)
    return given


def refuse(session: Session, secret: str, reason: str, *, account_id: str | None) -> AuthorizationRequest:
    """No, with the reason that the firm reads in the portal. Raises what `open_request` raises, and OwnRequest."""
    request = open_request(session, secret)
    _require_other_side(session, request, account_id)
    _spend(session, request, secret, AuthorizationStatus.REFUSED, reason=reason)
    _finish(session, request, "refuse", account_id)
    return request


def _require_other_side(session: Session, request: AuthorizationRequest, account_id: str | None) -> None:
    """Refuse a firm that answers itself, also where the contact came to work for it after the asking (131)."""
    try:
        named_contacts.require_someone_else(session, request.organization_id, request.contact_email)
    except ContactRefused:
        raise OwnRequest from None
    if account_id is not None and named_contacts.works_for(session, request.organization_id, account_id):
        raise OwnRequest


def _require_some(request: AuthorizationRequest, limits: Limits) -> None:
    if not limits.functions or not {function.value for function in limits.functions} <= set(request.functions):
        raise NothingAllowed
    if limits.covers_from and limits.covers_until and limits.covers_until < limits.covers_from:
        raise NothingAllowed


def _spend(
    session: Session, request: AuthorizationRequest, secret: str, status: AuthorizationStatus, **also: Any
) -> None:
    """One answer, whoever else answers, withdraws or sends again at this moment."""
    won = spend(
        session, AuthorizationRequest, AuthorizationRequest.secret_hash == digest_of(secret),
        AuthorizationRequest.status == AuthorizationStatus.ASKED, AuthorizationRequest.expires_at > now(),
        status=status, answered_at=now(), **also,
    )  # fmt: skip
    session.refresh(request)
    if not won:
        raise RequestOver(request.status)


def _finish(
    session: Session, request: AuthorizationRequest, action: str, account_id: str | None, **detail: str
) -> None:
    audit.record(
        session, f"consent:authorization_request:{action}", account_id=account_id,
        detail={
            "request": request.id, "organization": request.organization_id, "group": request.group_id,
            "by": request.contact_email, **detail,
        },
    )  # fmt: skip
    authorization_notices.tell_contact(session, request)
    authorization_notices.tell_asker(session, request)
