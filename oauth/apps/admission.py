"""How an app stands at this moment, worked out in one place from its review, its organisation and the mode.

`Client.status` is the outcome, and the one fact that requests are compared with. `EFFECTS` says what each state does;
docs/app-states.md tells it to people, and tests go through every cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, SQLColumnExpression, select
from sqlalchemy.orm import Session

from oauth.apps import clients
from oauth.apps.models import AppReview, DeveloperOrganization, ReviewState
from oauth.models import Client, ClientKind, ClientStatus
from oauth.webhooks import outbox
from oauth.webhooks.models import Event
from service import audit


class Where(StrEnum):
    """In which mode something is so."""

    EVERYWHERE = "yes"
    SANDBOX = "in the sandbox"
    NOWHERE = "no"

    def holds(self, *, sandbox: bool) -> bool:
        """Whether it is so in this mode."""
        return self is Where.EVERYWHERE or (sandbox and self is Where.SANDBOX)


@dataclass(frozen=True)
class Effects:
    """What a state does: to new authorizations and to the grants that live, in the gallery, for the developer."""

    authorize: Where
    exchange: Where
    refresh: Where
    read: Where
    listed: Where
    edit: Where
    grants: str


_RESTING = "kept, and refused until the app is let in again"
_YES, _TRIAL, _NO = Where.EVERYWHERE, Where.SANDBOX, Where.NOWHERE
EFFECTS = {
    ReviewState.DRAFT: Effects(_TRIAL, _TRIAL, _TRIAL, _TRIAL, _NO, _YES, "only in the sandbox"),
    ReviewState.SUBMITTED: Effects(_TRIAL, _TRIAL, _TRIAL, _TRIAL, _NO, _NO, "only in the sandbox"),
    ReviewState.MORE_INFORMATION: Effects(_TRIAL, _TRIAL, _TRIAL, _TRIAL, _NO, _YES, "only in the sandbox"),
    ReviewState.DECLINED: Effects(_TRIAL, _TRIAL, _TRIAL, _TRIAL, _NO, _YES, "only in the sandbox"),
    ReviewState.APPROVED: Effects(_YES, _YES, _YES, _YES, _YES, _YES, "work"),
    ReviewState.SUSPENDED: Effects(_NO, _NO, _NO, _NO, _NO, _YES, _RESTING),
    ReviewState.RETIRED: Effects(_NO, _NO, _NO, _NO, _NO, _NO, "ended, for good"),
}
"""By the state of the app as `state_of` tells it; REPLACED and DROPPED are states of a version, never of an app."""
ORGANIZATION_DISABLED = Effects(_NO, _NO, _NO, _NO, _NO, _NO, _RESTING)
"""In place of the row above while the developer organisation is disabled; a retired app stays retired."""
_STANDING = (ReviewState.APPROVED, ReviewState.SUSPENDED, ReviewState.RETIRED)
_LISTED = tuple(state for state, effects in EFFECTS.items() if effects.listed is Where.EVERYWHERE)
_OVER = (ReviewState.REPLACED, ReviewState.DROPPED)
_TAGS = {
    ClientStatus.PENDING: "oauth:client:hold",
    ClientStatus.APPROVED: "oauth:client:admit",
    ClientStatus.SUSPENDED: "oauth:client:suspend",
    ClientStatus.RETIRED: "oauth:client:retire",
}


@dataclass(frozen=True)
class Versions:
    """The versions of an app that count: the one it stands by, if one was ever approved, and the latest."""

    standing: AppReview | None
    latest: AppReview

    @property
    def state(self) -> ReviewState:
        """The state of the app."""
        return (self.standing or self.latest).state

    @property
    def waiting(self) -> AppReview | None:
        """The version beside the standing one that is not decided for good; None where there is none."""
        return self.latest if self.latest is not self.standing else None


def effects_of(state: ReviewState, *, organization_stands: bool) -> Effects:
    """The row of the table that counts."""
    return EFFECTS[state] if organization_stands or state is ReviewState.RETIRED else ORGANIZATION_DISABLED


def status_of(state: ReviewState, *, organization_stands: bool, sandbox: bool) -> ClientStatus:
    """The operative status that follows."""
    if state is ReviewState.RETIRED:
        return ClientStatus.RETIRED
    if state is ReviewState.SUSPENDED or not organization_stands:
        return ClientStatus.SUSPENDED
    works = effects_of(state, organization_stands=True).read.holds(sandbox=sandbox)
    return ClientStatus.APPROVED if works else ClientStatus.PENDING


def versions_of(session: Session, client_id: str) -> Versions:
    """The versions of an app that count; raises NoSuchClient."""
    counting = select(AppReview).where(AppReview.client_id == client_id, AppReview.state.not_in(_OVER))
    found = session.scalars(counting.order_by(AppReview.number).limit(100)).all()
    if not found:
        raise clients.NoSuchClient
    return Versions(_find_standing(found), found[-1])


def is_reviewed(session: Session, client_id: str) -> bool:
    """Whether the plan has approved some version of an app; one of the sandbox works without."""
    return versions_of(session, client_id).standing is not None


def reviewed(client_id: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """The same as a condition of a statement."""
    return select(AppReview.id).where(AppReview.client_id == client_id, AppReview.state.in_(_STANDING)).exists()


def organization_stands(session: Session, client: Client) -> bool:
    """Whether the app's organisation may have apps that work; apps of the plan's own have none to ask."""
    if client.organization_id is None:
        return True
    return session.get_one(DeveloperOrganization, client.organization_id).stands


def list_listed(session: Session, *, limit: int = 500) -> list[clients.ClientView]:
    """The apps that the gallery shows, by name: approved by the plan, and let in now."""
    found = select(Client).where(*_listed()).order_by(Client.name, Client.id)
    return [clients.view(client) for client in session.scalars(found.limit(limit))]


def get_listed(session: Session, client_id: str) -> clients.ClientView:
    """One app of the gallery; raises NoSuchClient for every other."""
    client = session.scalar(select(Client).where(Client.id == client_id, *_listed()))
    if client is None:
        raise clients.NoSuchClient
    return clients.view(client)


def is_listed(session: Session, client_id: str) -> bool:
    """Whether the gallery shows this app."""
    return session.scalar(select(Client.id).where(Client.id == client_id, *_listed())) is not None


def settle(session: Session, client: Client, *, sandbox: bool, reason: str) -> None:
    """Write the status that follows from everything else; requests obey from the next one on."""
    session.flush()
    state = versions_of(session, client.id).state
    status = status_of(state, organization_stands=organization_stands(session, client), sandbox=sandbox)
    if status is client.status:
        return
    before, client.status = client.status, status
    # Gone for good: a program that is let in again asks anew.
    clients.end_system_tokens(client)
    session.flush()
    audit.record(session, _TAGS[status], client_id=client.id, reason=reason[:500])
    if event := _find_event(before, status):
        outbox.announce(session, client.id, event)


def _find_event(before: ClientStatus, after: ClientStatus) -> Event | None:
    """What the app's own server is told of the change; nothing of one that never stood."""
    if after is ClientStatus.APPROVED:
        return Event.APP_RESUMED if before is ClientStatus.SUSPENDED else None
    return {ClientStatus.SUSPENDED: Event.APP_SUSPENDED, ClientStatus.RETIRED: Event.APP_RETIRED}.get(after)


def _listed() -> tuple[ColumnElement[bool], ...]:
    approved = select(AppReview.id).where(AppReview.client_id == Client.id, AppReview.state.in_(_LISTED)).exists()
    # Nobody connects a program without a person.
    return Client.status == ClientStatus.APPROVED, Client.kind != ClientKind.BACKEND, approved


def _find_standing(found: Sequence[AppReview]) -> AppReview | None:
    return next((review for review in found if review.state in _STANDING), None)
