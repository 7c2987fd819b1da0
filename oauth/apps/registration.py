"""Registration of apps: what is told of one, what is refused, the row that comes of it, and what it says later."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import scopes as smart
from oauth.apps import clients, logos, names, redirects, reviews
from oauth.apps.app_content import AppContent
from oauth.apps.clients import ClientRefused, ClientView
from oauth.apps.logos import Logo
from oauth.apps.models import Category, ReviewState
from oauth.models import Attestation, AuthMethod, Client, ClientKind, ClientStatus
from service import audit, web
from service.clock import now
from service.db import digest, new_id
from service.settings import Settings

DEFAULT_SCOPES = "openid fhirUser launch launch/patient online_access offline_access patient/*.rs user/*.rs"
"""What a registered app may ask for unless the plan narrows it: reading only."""
SIGNING_ALG = "RS256"
"""What signs ID tokens; nothing else can be asked for (case 61)."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """An app as its developer describes it.

    `client_id` and `client_secret` are for the plan's own tools that must be repeatable (the sandbox); developers
    never choose them (OA-43).
    """

    name: str
    redirect_uris: Sequence[str]
    developer_name: str
    kind: ClientKind = ClientKind.PUBLIC
    token_endpoint_auth_method: AuthMethod | None = None
    launch_uris: Sequence[str] = ()
    post_logout_redirect_uris: Sequence[str] = ()
    scopes: str = DEFAULT_SCOPES
    developer_domain: str | None = None
    website: str | None = None
    policy_uri: str | None = None
    terms_uri: str | None = None
    contact: str | None = None
    logo: Logo | None = None
    attestation: Attestation = Attestation.UNANSWERED
    attested_on: datetime | None = None
    attestation_version: str | None = None
    organization_id: str | None = None
    description: str = ""
    platforms: Sequence[str] = ()
    category: str | None = None
    scope_reasons: Mapping[str, str] = field(default_factory=dict)
    id_token_signed_response_alg: str = SIGNING_ALG
    state: ReviewState = ReviewState.APPROVED
    """Where its review begins: what the plan's own tools register needs none."""
    by_account_id: str | None = None
    may_introspect: bool = False
    require_pushed_authorization_requests: bool = False
    dpop_bound_access_tokens: bool = False
    secret_lifetime: timedelta | None = None
    client_id: str | None = None
    client_secret: str | None = None

    @property
    def is_public(self) -> bool:
        """Whether it keeps no secret."""
        return self.kind is ClientKind.PUBLIC

    @property
    def method(self) -> AuthMethod:
        """How it proves itself: as it says, else as its kind does most simply."""
        return self.token_endpoint_auth_method or (AuthMethod.NONE if self.is_public else AuthMethod.BASIC)


def register(session: Session, app: Registration, *, settings: Settings | None = None) -> tuple[ClientView, str | None]:
    """Register an app; its secret is returned here and never again. Raises ClientRefused with a sentence.

    `settings` is taken from the running application when not given.
    """
    settings = settings or web.settings()
    _require_acceptable(session, app, settings)
    secret = None if app.is_public else app.client_secret or secrets.token_urlsafe(32)
    client = _row(app, secret, now())
    client.logo_digest = logos.keep(session, app.logo) if app.logo else None
    session.add(client)
    session.flush()
    audit.record(session, "oauth:client:register", client_id=client.id, account_id=app.by_account_id)
    reviews.open_first(session, client, app.state, settings=settings, by_account_id=app.by_account_id)
    return clients.view(client), secret


def write_content(session: Session, client: Client, content: AppContent, settings: Settings) -> None:
    """Let an app say `content` of itself from now on; requests obey from the next one on. Raises ClientRefused."""
    require_content(session, content, settings, own_id=client.id)
    for name, value in content.to_keep().items():
        setattr(client, name, value)
    client.name_skeleton = names.skeleton(content.name)
    client.version += 1
    session.flush()


def require_content(session: Session, content: AppContent, settings: Settings, *, own_id: str | None = None) -> None:
    """Raise ClientRefused unless an app may say this of itself; the app of `own_id` may keep its name."""
    _require_name(session, content.name, settings, own_id)
    _require_addresses(content.redirect_uris, content.launch_uris, sandbox=settings.sandbox)
    _require_pages(content.website, content.policy_uri, content.terms_uri)
    if content.category is not None and content.category not in set(Category):
        raise ClientRefused("Please choose a category of the list.")
    if not smart.parse(content.scopes):
        raise ClientRefused("The app names no scope that we know.")


def _require_acceptable(session: Session, app: Registration, settings: Settings) -> None:
    if (app.method is AuthMethod.NONE) != app.is_public:
        raise ClientRefused("A public app has no secret, and a confidential app needs one.")
    if app.id_token_signed_response_alg != SIGNING_ALG:
        raise ClientRefused(f"ID tokens are signed with {SIGNING_ALG}.")
    content = AppContent(
        name=app.name, redirect_uris=tuple(app.redirect_uris), launch_uris=tuple(app.launch_uris), scopes=app.scopes,
        website=app.website, policy_uri=app.policy_uri, terms_uri=app.terms_uri, category=app.category,
    )  # fmt: skip
    require_content(session, content, settings)
    _require_addresses(app.redirect_uris, app.post_logout_redirect_uris, sandbox=settings.sandbox)


def _row(app: Registration, secret: str | None, at: datetime) -> Client:
    return Client(
        id=app.client_id or new_id(),
        name=app.name,
        name_skeleton=names.skeleton(app.name),
        kind=app.kind,
        token_endpoint_auth_method=app.method,
        secret_hash=digest(secret) if secret else None,
        secret_expires_at=at + app.secret_lifetime if secret and app.secret_lifetime else None,
        redirect_uris=list(app.redirect_uris),
        launch_uris=list(app.launch_uris),
        post_logout_redirect_uris=list(app.post_logout_redirect_uris),
        scopes=app.scopes,
        may_introspect=app.may_introspect and secret is not None,
        require_pushed_authorization_requests=app.require_pushed_authorization_requests,
        dpop_bound_access_tokens=app.dpop_bound_access_tokens,
        status=ClientStatus.PENDING,
        organization_id=app.organization_id,
        description=app.description,
        platforms=list(app.platforms),
        category=app.category,
        scope_reasons=dict(app.scope_reasons),
        developer_name=app.developer_name,
        developer_domain=app.developer_domain,
        website=app.website,
        policy_uri=app.policy_uri,
        terms_uri=app.terms_uri,
        contact=app.contact,
        attestation=app.attestation,
        attested_on=app.attested_on,
        attestation_version=app.attestation_version,
        version=1,
        created_at=at,
    )


def _require_name(session: Session, name: str, settings: Settings, own_id: str | None) -> None:
    try:
        names.require_plain(name)
    except names.NameRefused as refused:
        raise ClientRefused(refused.reason) from None
    looks = names.skeleton(name)
    if names.skeleton(settings.plan.name) in looks:
        raise ClientRefused("The name looks like the plan's own name.")
    holder = session.scalar(select(Client.id).where(Client.name_skeleton == looks))
    if holder not in {None, own_id}:
        raise ClientRefused("The name looks like that of an app that is registered already.")


def _require_addresses(redirect_uris: Sequence[str], others: Sequence[str], *, sandbox: bool) -> None:
    if not 1 <= len(redirect_uris) <= 20:
        raise ClientRefused("An app has 1 to 20 redirect addresses.")
    try:
        for uri in (*redirect_uris, *others):
            redirects.require_registrable(uri, sandbox=sandbox)
    except redirects.RedirectRefused as refused:
        raise ClientRefused(refused.reason) from None


def _require_pages(*addresses: str | None) -> None:
    if any(page and not page.startswith(("https://", "http://localhost")) for page in addresses):
        raise ClientRefused("Links to the app's pages use https.")
