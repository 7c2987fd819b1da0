"""Registration of apps: what is told of one, what is refused, the row that comes of it, and what it says later."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from consent import scopes as smart
from consent.data_types import EVERY_TYPE
from consent.policy import SYSTEM_TYPES
from oauth.apps import clients, logos, names, public_keys, redirects, reviews
from oauth.apps.app_content import ADDRESSES, AppContent
from oauth.apps.clients import ClientRefused, ClientView, NoSuchClient
from oauth.apps.logos import Logo
from oauth.apps.models import AppReview, Category, ReviewState
from oauth.apps.public_keys import KeysRefused, Published
from oauth.models import Attestation, AuthMethod, BackendBasis, Client, ClientKind, ClientStatus, FetchedKeySet
from service import audit, web
from service.clock import now
from service.db import digest, new_id
from service.plan.models import OrganizationKind, PortalOrganization
from service.settings import Settings

DEFAULT_SCOPES = "openid fhirUser launch launch/patient online_access offline_access patient/*.rs user/*.rs"
"""What a registered app may ask for unless the plan narrows it: reading only."""
SIGNING_ALG = "RS256"
"""What signs ID tokens; nothing else can be asked for (case 61)."""
PLAN_SCOPES = "system/*.rs"
PROVIDER_SCOPES = "system/ExplanationOfBenefit.rs system/PaymentReconciliation.rs"
"""The same for a backend client, by whose it is."""
_PAGE = re.compile(r"https://[^/?#\s]+([/?#]\S*)?")
_OWN_PAGE = re.compile(r"http://localhost(:[0-9]+)?([/?#]\S*)?")
"""On a developer's own machine."""
_HAS_NO_KEYS = "Only an app that proves itself by a key (private_key_jwt) has keys."
_NAME_TAKEN = "The name looks like that of an app that is registered already."
_MOST_ADDRESSES = 20
_ADDRESSES_COUNTED = "An app has 1 to 20 redirect addresses, and at most 20 for launches and after sign-out."
_METHODS = {
    ClientKind.PUBLIC: {AuthMethod.NONE},
    ClientKind.CONFIDENTIAL: {AuthMethod.BASIC, AuthMethod.POST, AuthMethod.PRIVATE_KEY},
    ClientKind.BACKEND: {AuthMethod.PRIVATE_KEY},
}
_SIMPLEST = {
    ClientKind.PUBLIC: AuthMethod.NONE,
    ClientKind.CONFIDENTIAL: AuthMethod.BASIC,
    ClientKind.BACKEND: AuthMethod.PRIVATE_KEY,
}
_METHOD_REFUSED = {
    ClientKind.PUBLIC: "A public app has no secret, and a confidential app needs one.",
    ClientKind.CONFIDENTIAL: "A confidential app proves itself by a secret or a key.",
    ClientKind.BACKEND: "A backend service proves itself by a key (private_key_jwt).",
}


class AddressRefused(ClientRefused):
    """An address to return to, to launch at or to sign out to is not accepted."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """An app as its developer describes it.

    An app that proves itself by a key gives its public keys (`jwks`) or their address (`jwks_uri`), one of the two.
    `client_id` and `client_secret` are for the plan's own tools that must be repeatable (the sandbox); developers
    never choose them (OA-43).
    """

    name: str
    developer_name: str
    redirect_uris: Sequence[str] = ()
    kind: ClientKind = ClientKind.PUBLIC
    token_endpoint_auth_method: AuthMethod | None = None
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    backend_basis: BackendBasis | None = None
    provider_organization_id: str | None = None
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
    def is_backend(self) -> bool:
        """Whether it has no person, and so nowhere to send one back to."""
        return self.kind is ClientKind.BACKEND

    @property
    def method(self) -> AuthMethod:
        """How it proves itself: as it says, else as its kind does most simply."""
        return self.token_endpoint_auth_method or _SIMPLEST[self.kind]

    @property
    def has_secret(self) -> bool:
        """Whether it proves itself by a secret that we give it."""
        return self.method in {AuthMethod.BASIC, AuthMethod.POST}


def register(
    session: Session, app: Registration, *, settings: Settings | None = None, published: Published | None = None
) -> tuple[ClientView, str | None]:
    """Register an app; its secret is returned here and never again. Raises ClientRefused with a sentence.

    `settings` is taken from the running application when not given. An address of keys is tried at once (three seconds
    at most), before the session is used; `published` is what stood there, where the caller has tried already.
    """
    settings = settings or web.settings()
    published = published or require_keys(app, settings)
    require_acceptable(session, app, settings)
    secret = (app.client_secret or clients.new_secret()) if app.has_secret else None
    client = _row(app, secret, now())
    client.logo_digest = logos.keep(session, app.logo) if app.logo else None
    _add(session, client)
    if published is not None:
        session.add(public_keys.row(client.id, published))
    audit.record(session, "oauth:client:register", client_id=client.id, account_id=app.by_account_id)
    reviews.open_first(session, client, app.state, settings=settings, by_account_id=app.by_account_id)
    return clients.view(client), secret


def replace_keys(
    session: Session, client_id: str, *, jwks: Mapping[str, Any] | None, jwks_uri: str | None, settings: Settings,
    by_account_id: str | None = None,
) -> None:  # fmt: skip
    """Give an app that proves itself by a key other keys, or another address of them; the ones before end at once.

    Raises NoSuchClient, and ClientRefused with a sentence.
    """
    published = require_key_set(jwks, jwks_uri, settings)
    client = clients.find(session, client_id)
    if client is None:
        raise NoSuchClient
    require_keyed(client)
    keep_keys(session, client, jwks, jwks_uri, published, by_account_id=by_account_id)


def keep_keys(
    session: Session, client: Client, jwks: Mapping[str, Any] | None, jwks_uri: str | None,
    published: Published | None, *, by_account_id: str | None = None,
) -> None:  # fmt: skip
    """Write keys that `require_keys` took; `published` is what stood at their address.

    A key that is not among them any more ends the tokens in use; where all of them stay, nothing ends.
    """
    before, known = (client.jwks, client.jwks_uri), _known_keys(session, client)
    client.jwks, client.jwks_uri = _keys_alone(jwks), jwks_uri
    session.execute(delete(FetchedKeySet).where(FetchedKeySet.client_id == client.id))
    if published is not None:
        session.add(public_keys.row(client.id, published))
    if public_keys.is_one_lost(known, published.jwks if published else client.jwks):
        clients.end_system_tokens(client)
    if (client.jwks, client.jwks_uri) == before:
        return
    audit.record(session, "oauth:client:replace-keys", client_id=client.id, account_id=by_account_id)


def move_address(session: Session, client_id: str, before: str, after: str) -> None:
    """Let an app that has moved be at its new address, in all that was said of it; raises NoSuchClient."""
    client = clients.find(session, client_id)
    if client is None:
        raise NoSuchClient
    for row in session.scalars(select(AppReview).where(AppReview.client_id == client.id)):
        row.content = _moved(AppContent.read(row.content), before, after).to_keep()
    for name, value in _moved(AppContent.of(client), before, after).to_keep().items():
        setattr(client, name, value)
    audit.record(session, "oauth:client:move-address", client_id=client.id)


def _moved(content: AppContent, before: str, after: str) -> AppContent:
    moved = {name: [after if one == before else one for one in getattr(content, name)] for name in ADDRESSES}
    return AppContent.read(content.to_keep() | moved)


def write_content(session: Session, client: Client, content: AppContent, settings: Settings) -> None:
    """Let an app say `content` of itself from now on; requests obey from the next one on. Raises ClientRefused."""
    require_content(session, content, client.kind, settings, own_id=client.id)
    # Two may take one name at the same moment: the database says who was second.
    try:
        with session.begin_nested():
            for name, value in content.to_keep().items():
                setattr(client, name, value)
            client.name_skeleton = names.skeleton(content.name)
            client.version += 1
    except IntegrityError:
        raise ClientRefused(_NAME_TAKEN, "name") from None


def require_content(
    session: Session, content: AppContent, kind: ClientKind, settings: Settings, *, own_id: str | None = None
) -> None:
    """Raise ClientRefused unless an app of this kind may say this of itself; the app of `own_id` may keep its name."""
    _require_name(session, content.name, settings, own_id)
    _require_addresses(content, kind, sandbox=settings.sandbox)
    _require_pages(content.website, content.policy_uri, content.terms_uri, sandbox=settings.sandbox)
    if content.category is not None and content.category not in set(Category):
        raise ClientRefused("Please choose a category of the list.", "category")
    _require_scopes(content.scopes, kind)


def require_keys(app: Registration, settings: Settings) -> Published | None:
    """What stands at the address of the keys, where one is given. Raises ClientRefused; uses no session."""
    if app.method is AuthMethod.PRIVATE_KEY:
        return require_key_set(app.jwks, app.jwks_uri, settings)
    if app.jwks is not None or app.jwks_uri is not None:
        raise ClientRefused(_HAS_NO_KEYS)
    return None


def require_keyed(client: Client) -> None:
    """Raise ClientRefused for an app that proves itself by anything else than a key."""
    if client.token_endpoint_auth_method is not AuthMethod.PRIVATE_KEY:
        raise ClientRefused(_HAS_NO_KEYS)


def require_key_set(jwks: Mapping[str, Any] | None, jwks_uri: str | None, settings: Settings) -> Published | None:
    """What stands at the address of the keys, where one is given. Raises ClientRefused; uses no session."""
    if (jwks is None) == (jwks_uri is None):
        raise ClientRefused("Give the public keys or their address: one of the two.", "jwks")
    try:
        if jwks_uri is not None:
            return public_keys.fetch(jwks_uri, loopback=settings.reaches_loopback)
        public_keys.read(jwks)
        return None
    except KeysRefused as refused:
        raise ClientRefused(refused.reason, "jwks" if jwks_uri is None else "jwks_uri") from None


def require_acceptable(session: Session, app: Registration, settings: Settings) -> None:
    """Raise ClientRefused unless an app may be registered so, its keys apart."""
    if app.method not in _METHODS[app.kind]:
        raise ClientRefused(_METHOD_REFUSED[app.kind])
    if app.id_token_signed_response_alg != SIGNING_ALG:
        raise ClientRefused(f"ID tokens are signed with {SIGNING_ALG}.")
    require_content(session, AppContent.of(app), app.kind, settings)
    _require_basis(session, app)


def _known_keys(session: Session, client: Client) -> Mapping[str, Any] | None:
    if client.jwks_uri is None:
        return client.jwks
    fetched = session.get(FetchedKeySet, client.id, populate_existing=True)
    return fetched.jwks if fetched else None


def _require_scopes(scopes: str, kind: ClientKind) -> None:
    asked, types = smart.parse(scopes), SYSTEM_TYPES if kind is ClientKind.BACKEND else EVERY_TYPE
    if not asked.limited_to_types(types, types):
        raise ClientRefused("The app names no scope that we know.", "scope")
    of_system = not asked.words and all(scope.context == "system" for scope in asked.resources)
    if kind is ClientKind.BACKEND and not of_system:
        raise ClientRefused("A backend service asks for system/ scopes only.")


def _require_basis(session: Session, app: Registration) -> None:
    if app.is_backend != (app.backend_basis is not None):
        raise ClientRefused("A backend service, and only one, is the plan's own or a provider's.")
    if (app.backend_basis is BackendBasis.PROVIDER) != (app.provider_organization_id is not None):
        raise ClientRefused("A provider's backend service names the organization of the portal that it belongs to.")
    if app.provider_organization_id is None:
        return
    organization = session.get(PortalOrganization, app.provider_organization_id)
    if organization is None or organization.kind is not OrganizationKind.PROVIDER:
        raise ClientRefused("There is no provider organization of the portal with this id.")


def _add(session: Session, client: Client) -> None:
    # As in write_content.
    try:
        with session.begin_nested():
            session.add(client)
    except IntegrityError:
        raise ClientRefused(_NAME_TAKEN, "name") from None


_TOLD = [told.name for told in fields(Registration) if told.name in clients.FACTS]
"""What the row says as it was told."""


def _row(app: Registration, secret: str | None, at: datetime) -> Client:
    told = {name: _as_kept(getattr(app, name)) for name in _TOLD}
    return Client(**told | {
        "id": app.client_id or new_id(),
        "name_skeleton": names.skeleton(app.name),
        "token_endpoint_auth_method": app.method,
        "jwks": _keys_alone(app.jwks),
        "secret_hash": digest(secret) if secret else None,
        "secret_expires_at": at + app.secret_lifetime if secret and app.secret_lifetime else None,
        "may_introspect": app.may_introspect and app.kind is not ClientKind.PUBLIC,
        "status": ClientStatus.PENDING,
        "version": 1,
        "credentials_version": 1,
        "created_at": at,
    })  # fmt: skip


def _as_kept(value: Any) -> Any:
    # JSON columns take lists and dicts.
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _keys_alone(jwks: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if jwks is None else public_keys.alone(jwks)


def _require_name(session: Session, name: str, settings: Settings, own_id: str | None) -> None:
    try:
        names.require_plain(name)
    except names.NameRefused as refused:
        raise ClientRefused(refused.reason, "name") from None
    looks = names.skeleton(name)
    if names.skeleton(settings.plan.name) in looks:
        raise ClientRefused("The name looks like the plan's own name.", "name")
    holder = session.scalar(select(Client.id).where(Client.name_skeleton == looks))
    if holder not in {None, own_id}:
        raise ClientRefused(_NAME_TAKEN, "name")


def _require_addresses(content: AppContent, kind: ClientKind, *, sandbox: bool) -> None:
    is_backend = kind is ClientKind.BACKEND
    said = {name: getattr(content, name) for name in ADDRESSES}
    if is_backend and any(said.values()):
        raise AddressRefused("A backend service sends nobody anywhere: it has no redirect addresses.")
    for name, uris in said.items():
        fewest = 1 if name == "redirect_uris" and not is_backend else 0
        if not fewest <= len(uris) <= _MOST_ADDRESSES:
            raise AddressRefused(_ADDRESSES_COUNTED, name)
        for uri in uris:
            _require_address(name, uri, sandbox=sandbox)


def _require_address(name: str, uri: str, *, sandbox: bool) -> None:
    try:
        redirects.require_registrable(uri, sandbox=sandbox)
    except redirects.RedirectRefused as refused:
        raise AddressRefused(refused.reason, name, uri) from None


def _require_pages(*addresses: str | None, sandbox: bool) -> None:
    for page in filter(None, addresses):
        if not _PAGE.fullmatch(page) and not (sandbox and _OWN_PAGE.fullmatch(page)):
            raise ClientRefused("Links to the app's pages use https.")
