"""The clients of a billing organisation as its status list shows them: one line a client, the newest request first."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.authorization_requests import OPEN, is_firm, is_over
from consent.billing_models import AuthorizationRequest, AuthorizationStatus, BillingAuthorization
from service.clock import now
from service.plan.models import ProviderStaff

_MOST = 4_000


class ClientState(StrEnum):
    """Where a firm stands with one of its clients."""

    ASKED = "asked"
    AWAITING_PLAN = "awaiting_plan"
    APPROVED = "approved"
    REFUSED = "refused"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"
    SUSPENDED = "suspended"
    """Approved, but the plan no longer does business with the provider."""


@dataclass(frozen=True, slots=True)
class Client:
    """One request with what became of it; `standing` is the permission in force for that client, by any request."""

    request: AuthorizationRequest
    authorization: BillingAuthorization | None
    standing: BillingAuthorization | None
    state: ClientState

    @property
    def is_open(self) -> bool:
        """Whether the request still waits for an answer."""
        return self.state in {ClientState.ASKED, ClientState.AWAITING_PLAN}


def clients_of(session: Session, staff: ProviderStaff) -> list[Client]:
    """The newest request to each client of the login's firm, by name of the client; none for other logins."""
    newest: dict[str, Client] = {}
    for client in _every(session, staff):
        newest.setdefault(client.request.group_id, client)
    return sorted(newest.values(), key=lambda client: (client.request.group.name, client.request.group.number))


def history_of(session: Session, staff: ProviderStaff, group_id: str) -> list[Client]:
    """Every request of the firm to one client, the newest first."""
    return [client for client in _every(session, staff, group_id) if client.request.group_id == group_id]


def _every(session: Session, staff: ProviderStaff, group_id: str | None = None) -> list[Client]:
    if not is_firm(staff):
        return []
    asked = select(AuthorizationRequest).where(AuthorizationRequest.organization_id == staff.organization_id)
    given = select(BillingAuthorization).where(BillingAuthorization.organization_id == staff.organization_id)
    if group_id is not None:
        asked, given = (
            asked.where(AuthorizationRequest.group_id == group_id),
            given.where(BillingAuthorization.group_id == group_id),
        )
    newest_first = asked.order_by(AuthorizationRequest.asked_at.desc(), AuthorizationRequest.id).limit(_MOST)
    permissions = list(session.scalars(given.order_by(BillingAuthorization.given_at.desc()).limit(_MOST)))
    by_request = {one.request_id: one for one in permissions}
    by_group = {one.group_id: one for one in permissions if one.ended_at is None}
    return [
        Client(one, by_request.get(one.id), by_group.get(one.group_id), _state(one, by_request.get(one.id)))
        for one in session.scalars(newest_first)
    ]


def _state(request: AuthorizationRequest, authorization: BillingAuthorization | None) -> ClientState:
    if request.status in OPEN and is_over(request):
        return ClientState.LAPSED
    if request.status is not AuthorizationStatus.APPROVED or authorization is None:
        return ClientState(request.status.value)
    if authorization.ended_at is not None:
        return ClientState.ENDED
    return ClientState.APPROVED if request.group.in_business(now().date()) else ClientState.SUSPENDED
