"""Apps: the view that others read, their secrets and their scopes. `oauth.apps.reviews` changes how an app stands."""

import hmac
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps import redirects
from oauth.models import Attestation, AuthMethod, BackendBasis, Client, ClientKind, ClientStatus
from oauth.statements import CallerFacts
from service import audit
from service.clock import now
from service.db import digest

__all__ = [
    "FACTS", "Attestation", "AuthMethod", "BackendBasis", "ClientKind", "ClientRefused", "ClientStatus", "ClientView",
    "NoSuchClient", "find", "get", "list_clients", "lock", "rotate_secret", "view",
]  # fmt: skip
OVERLAP = timedelta(days=1)
"""How long the secret before a new one works on, unless told otherwise (case 41)."""
_NO_SECRET = secrets.token_hex(32)


class NoSuchClient(Exception):
    """There is no app with this id."""


class ClientRefused(Exception):
    """This is not accepted of an app. `reason` is a sentence for the developer.

    `field` names what of the app is meant, and `value` which of several (of its addresses); empty where that is plain.
    """

    def __init__(self, reason: str, field: str = "", value: str = "") -> None:
        super().__init__(reason)
        self.reason, self.field, self.value = reason, field, value


@dataclass(frozen=True, slots=True)
class ClientView:
    """What pages and other packages may know of an app; no secrets."""

    id: str
    name: str
    kind: ClientKind
    token_endpoint_auth_method: AuthMethod
    jwks_uri: str | None
    backend_basis: BackendBasis | None
    provider_organization_id: str | None
    redirect_uris: tuple[str, ...]
    launch_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    scopes: str
    require_pushed_authorization_requests: bool
    dpop_bound_access_tokens: bool
    status: ClientStatus
    developer_name: str
    developer_domain: str | None
    website: str | None
    policy_uri: str | None
    terms_uri: str | None
    contact: str | None
    logo_digest: str | None
    organization_id: str | None
    description: str
    platforms: tuple[str, ...]
    category: str | None
    scope_reasons: Mapping[str, str] = field(hash=False)
    attestation: Attestation
    attested_on: datetime | None
    attestation_version: str | None
    version: int
    created_at: datetime

    @property
    def is_approved(self) -> bool:
        """Whether members may connect it and its tokens work."""
        return self.status is ClientStatus.APPROVED

    @property
    def identity_assured(self) -> bool:
        """Whether nobody else could pose as this app: it holds a secret or key, or receives on a claimed https address.

        Others are asked for consent each time (RFC 8252 §8.6).
        """
        return self.kind is not ClientKind.PUBLIC or all(map(redirects.is_claimed_https, self.redirect_uris))


FACTS = tuple(fact.name for fact in fields(ClientView))
"""The names of an app's facts, each of them a column of its row."""


def view(client: Client) -> ClientView:
    """The read view of a row."""
    return ClientView(**{name: _frozen(getattr(client, name)) for name in FACTS})


def find(session: Session, client_id: str) -> Client | None:
    """The row of an app, for this package only; None for an unknown or impossible id."""
    return session.get(Client, client_id) if is_possible(client_id) else None


def is_possible(client_id: str) -> bool:
    """Whether an app could have this id; others are not looked up."""
    return 0 < len(client_id) <= 64 and client_id.isascii() and client_id.isprintable()


def get(session: Session, client_id: str) -> ClientView:
    """The app with this id; raises NoSuchClient."""
    client = find(session, client_id)
    if client is None:
        raise NoSuchClient
    return view(client)


def get_several(session: Session, client_ids: Collection[str]) -> dict[str, ClientView]:
    """The apps with these ids, by id, in one statement."""
    if not client_ids:
        return {}
    return {client.id: view(client) for client in session.scalars(select(Client).where(Client.id.in_(client_ids)))}


def lock(session: Session, client_id: str) -> Client:
    """The row of an app, for this package only, read afresh and held to the end of the transaction.

    Everything that changes how an app stands begins here, so that two changes never cross. Raises NoSuchClient.
    """
    # NO KEY UPDATE: requests of the app, whose rows point to it, are not held up.
    held = select(Client).where(Client.id == client_id).with_for_update(key_share=True)
    client = session.scalar(held, execution_options={"populate_existing": True}) if is_possible(client_id) else None
    if client is None:
        raise NoSuchClient
    return client


def list_clients(session: Session, *, limit: int = 500) -> list[ClientView]:
    """Apps by name."""
    return [view(client) for client in session.scalars(select(Client).order_by(Client.name).limit(limit))]


def rotate_secret(
    session: Session, client_id: str, *, overlap: timedelta = OVERLAP, by_account_id: str | None = None
) -> str:
    """Give a confidential app a new secret; the old one works on for `overlap` (case 41), or ends with what it got."""
    secret = new_secret()
    keep_secret(session, _row(session, client_id), digest(secret), overlap=overlap, by_account_id=by_account_id)
    return secret


def new_secret() -> str:
    """A secret for an app: it is shown once and kept as its digest."""
    return secrets.token_urlsafe(32)


def keep_secret(
    session: Session, client: Client, secret_hash: str, *, overlap: timedelta = OVERLAP,
    by_account_id: str | None = None,
) -> None:  # fmt: skip
    """Let the secret with this digest be the app's from now on, as `rotate_secret` does. Raises ClientRefused."""
    require_secret(client)
    client.previous_secret_hash = client.secret_hash
    client.previous_secret_expires_at = min(filter(None, (now() + overlap, client.secret_expires_at)))
    client.secret_hash, client.secret_expires_at = secret_hash, None
    if overlap <= timedelta(0):
        end_system_tokens(client)
    audit.record(session, "oauth:client:rotate-secret", client_id=client.id, account_id=by_account_id)


def require_secret(client: Client) -> None:
    """Raise ClientRefused for an app without a secret."""
    if client.secret_hash is None:
        raise ClientRefused("This app has no secret: it keeps none, or proves itself by a key.")


def previous_secret_until(session: Session, client_id: str) -> datetime | None:
    """How long the secret before the present one still works; None where there is none that does."""
    client = _row(session, client_id)
    until = client.previous_secret_expires_at if client.previous_secret_hash else None
    return until if until and until > now() else None


def end_previous_secret(session: Session, client_id: str, *, by_account_id: str | None = None) -> None:
    """Let the secret before the present one count no more, with every token that a program holds."""
    client = _row(session, client_id)
    client.previous_secret_hash = client.previous_secret_expires_at = None
    end_system_tokens(client)
    audit.record(session, "oauth:client:end-previous-secret", client_id=client.id, account_id=by_account_id)


def end_system_tokens(client: Client) -> None:
    """Let no token count any more that a program holds, nor one that is just being given out for what it proved."""
    # Counted by the database: two changes at once never give the same version to what comes after each of them.
    client.credentials_version = Client.credentials_version + 1


def secret_fits(client: CallerFacts | None, given: str, at: int) -> bool:
    """Whether `given` is a secret of the app, valid at that instant. Apps that do not exist take the same way."""
    found = digest(given)
    current = hmac.compare_digest(found, (client and client.secret_hash) or _NO_SECRET)
    previous = hmac.compare_digest(found, (client and client.previous_secret_hash) or _NO_SECRET)
    if client is None:
        return False
    current = current and not _over(client.secret_expires_at, at)
    return current or (previous and not _over(client.previous_secret_expires_at, at))


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return dict(value) if isinstance(value, dict) else value


def _over(end: int | None, at: int) -> bool:
    return end is not None and end <= at


def _row(session: Session, client_id: str) -> Client:
    client = find(session, client_id)
    if client is None:
        raise NoSuchClient
    return client
