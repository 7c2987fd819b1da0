"""Apps: the view that others read, registration, and what changes an app's standing."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import scopes as smart
from oauth import names, redirects
from oauth.models import Attestation, AuthMethod, Client, ClientKind, ClientStatus
from oauth.statements import CallerFacts
from service import audit, web
from service.clock import now
from service.db import digest, new_id
from service.settings import Settings

__all__ = [
    "Attestation", "AuthMethod", "ClientKind", "ClientRefused", "ClientStatus", "ClientView", "NoSuchClient", "find",
    "get", "list_clients", "register", "reinstate", "retire", "rotate_secret", "set_scopes", "suspend",
]  # fmt: skip
_NO_SECRET = secrets.token_hex(32)
DEFAULT_SCOPES = "openid fhirUser launch/patient offline_access patient/*.rs user/*.rs"
"""What a registered app may ask for unless the plan narrows it: reading only."""


class NoSuchClient(Exception):
    """There is no app with this id."""


class ClientRefused(Exception):
    """This registration is not accepted. `reason` is a sentence for the developer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ClientView:
    """What pages and other packages may know of an app; no secrets."""

    id: str
    name: str
    kind: ClientKind
    token_endpoint_auth_method: AuthMethod
    redirect_uris: tuple[str, ...]
    launch_uris: tuple[str, ...]
    scopes: str
    status: ClientStatus
    developer_name: str
    developer_domain: str | None
    website: str | None
    policy_uri: str | None
    terms_uri: str | None
    contact: str | None
    has_logo: bool
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
        """Whether somebody else could not pose as this app: it holds a secret or receives on a claimed https address.

        Others are asked for consent each time (RFC 8252 §8.6).
        """
        return self.kind is ClientKind.CONFIDENTIAL or all(map(redirects.is_claimed_https, self.redirect_uris))


def view(client: Client) -> ClientView:
    """The read view of a row."""
    return ClientView(
        id=client.id,
        name=client.name,
        kind=client.kind,
        token_endpoint_auth_method=client.token_endpoint_auth_method,
        redirect_uris=tuple(client.redirect_uris),
        launch_uris=tuple(client.launch_uris),
        scopes=client.scopes,
        status=client.status,
        developer_name=client.developer_name,
        developer_domain=client.developer_domain,
        website=client.website,
        policy_uri=client.policy_uri,
        terms_uri=client.terms_uri,
        contact=client.contact,
        has_logo=client.logo is not None,
        attestation=client.attestation,
        attested_on=client.attested_on,
        attestation_version=client.attestation_version,
        version=client.version,
        created_at=client.created_at,
    )


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


def list_clients(session: Session, *, limit: int = 500) -> list[ClientView]:
    """Apps by name."""
    return [view(client) for client in session.scalars(select(Client).order_by(Client.name).limit(limit))]


def register(
    session: Session,
    *,
    name: str,
    redirect_uris: Sequence[str],
    developer_name: str,
    kind: ClientKind = ClientKind.PUBLIC,
    token_endpoint_auth_method: AuthMethod | None = None,
    launch_uris: Sequence[str] = (),
    scopes: str = DEFAULT_SCOPES,
    developer_domain: str | None = None,
    website: str | None = None,
    policy_uri: str | None = None,
    terms_uri: str | None = None,
    contact: str | None = None,
    logo: bytes | None = None,
    attestation: Attestation = Attestation.UNANSWERED,
    attested_on: datetime | None = None,
    attestation_version: str | None = None,
    may_introspect: bool = False,
    secret_lifetime: timedelta | None = None,
    client_id: str | None = None,
    client_secret: str | None = None,
    settings: Settings | None = None,
) -> tuple[ClientView, str | None]:
    """Register an approved app; its secret is returned here and never again. Raises ClientRefused with a sentence.

    `client_id` and `client_secret` are for the plan's own tools that must be repeatable (the sandbox); developers
    never choose them (OA-43). `settings` is taken from the running application when not given.
    """
    settings = settings or web.settings()
    method = token_endpoint_auth_method or (AuthMethod.NONE if kind is ClientKind.PUBLIC else AuthMethod.BASIC)
    if (method is AuthMethod.NONE) != (kind is ClientKind.PUBLIC):
        raise ClientRefused("A public app has no secret, and a confidential app needs one.")
    _require_name(session, name, settings)
    _require_addresses(redirect_uris, launch_uris, (website, policy_uri, terms_uri), settings)
    if not smart.parse(scopes):
        raise ClientRefused("The app names no scope that we know.")
    secret = None if kind is ClientKind.PUBLIC else client_secret or secrets.token_urlsafe(32)
    at = now()
    client = Client(
        id=client_id or new_id(),
        name=name,
        name_skeleton=names.skeleton(name),
        kind=kind,
        token_endpoint_auth_method=method,
        secret_hash=digest(secret) if secret else None,
        secret_expires_at=at + secret_lifetime if secret and secret_lifetime else None,
        redirect_uris=list(redirect_uris),
        launch_uris=list(launch_uris),
        scopes=scopes,
        may_introspect=may_introspect and secret is not None,
        status=ClientStatus.APPROVED,
        developer_name=developer_name,
        developer_domain=developer_domain,
        website=website,
        policy_uri=policy_uri,
        terms_uri=terms_uri,
        contact=contact,
        logo=logo,
        attestation=attestation,
        attested_on=attested_on,
        attestation_version=attestation_version,
        version=1,
        created_at=at,
    )
    session.add(client)
    session.flush()
    audit.record(session, "oauth:client:register", client_id=client.id)
    return view(client), secret


def rotate_secret(session: Session, client_id: str, *, overlap: timedelta = timedelta(days=1)) -> str:
    """Give a confidential app a new secret; the old one works on for `overlap` (case 41)."""
    client = _row(session, client_id)
    if client.secret_hash is None:
        raise ClientRefused("A public app has no secret.")
    secret = secrets.token_urlsafe(32)
    client.previous_secret_hash = client.secret_hash
    client.previous_secret_expires_at = min(filter(None, (now() + overlap, client.secret_expires_at)))
    client.secret_hash, client.secret_expires_at = digest(secret), None
    audit.record(session, "oauth:client:rotate-secret", client_id=client.id)
    return secret


def suspend(session: Session, client_id: str, *, reason: str) -> None:
    """Shut an app out at once: requests, exchanges, refreshes and reads fail from the next one on."""
    _move(session, client_id, ClientStatus.SUSPENDED, "oauth:client:suspend", reason)


def reinstate(session: Session, client_id: str, *, reason: str) -> None:
    """Let a suspended app in again; its grants live on."""
    _move(session, client_id, ClientStatus.APPROVED, "oauth:client:reinstate", reason)


def retire(session: Session, client_id: str, *, reason: str) -> None:
    """Close an app for good."""
    _move(session, client_id, ClientStatus.RETIRED, "oauth:client:retire", reason)


def set_scopes(session: Session, client_id: str, scopes: str) -> None:
    """Change what an app may ask for; tokens in use are limited from their next use on (case 54)."""
    client = _row(session, client_id)
    client.scopes = scopes
    client.version += 1
    audit.record(session, "oauth:client:set-scopes", client_id=client.id)


def secret_fits(client: CallerFacts | None, given: str, at: int) -> bool:
    """Whether `given` is a secret of the app, valid at that instant. Apps that do not exist take the same way."""
    found = digest(given)
    current = hmac.compare_digest(found, (client and client.secret_hash) or _NO_SECRET)
    previous = hmac.compare_digest(found, (client and client.previous_secret_hash) or _NO_SECRET)
    if client is None:
        return False
    current = current and not _over(client.secret_expires_at, at)
    return current or (previous and not _over(client.previous_secret_expires_at, at))


def _over(end: int | None, at: int) -> bool:
    return end is not None and end <= at


def _row(session: Session, client_id: str) -> Client:
    client = find(session, client_id)
    if client is None:
        raise NoSuchClient
    return client


def _move(session: Session, client_id: str, status: ClientStatus, tag: str, reason: str) -> None:
    client = _row(session, client_id)
    if client.status is ClientStatus.RETIRED:
        raise ClientRefused("A retired app stays retired.")
    client.status = status
    audit.record(session, tag, client_id=client.id, reason=reason)


def _require_name(session: Session, name: str, settings: Settings) -> None:
    try:
        names.require_plain(name)
    except names.NameRefused as refused:
        raise ClientRefused(refused.reason) from None
    looks = names.skeleton(name)
    if names.skeleton(settings.plan.name) in looks:
        raise ClientRefused("The name looks like the plan's own name.")
    if session.scalar(select(Client.id).where(Client.name_skeleton == looks)) is not None:
        raise ClientRefused("The name looks like that of an app that is registered already.")


def _require_addresses(
    redirect_uris: Sequence[str], launch_uris: Sequence[str], pages: Sequence[str | None], settings: Settings
) -> None:
    if not 1 <= len(redirect_uris) <= 20:
        raise ClientRefused("An app has 1 to 20 redirect addresses.")
    try:
        for uri in (*redirect_uris, *launch_uris):
            redirects.require_registrable(uri, sandbox=settings.sandbox)
    except redirects.RedirectRefused as refused:
        raise ClientRefused(refused.reason) from None
    if any(page and not page.startswith(("https://", "http://localhost")) for page in pages):
        raise ClientRefused("Links to the app's pages use https.")
