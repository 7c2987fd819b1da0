"""Registration of apps by programs, and their management by a token (RFC 7591, RFC 7592; decision 55).

Whoever asks gets an app that is held for approval: in production it waits for the plan, in the sandbox it works at once
with fewer scopes, and the consent page says that nobody has looked at it.
"""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from consent import scopes as smart
from oauth.apps import admission, changes, client_metadata, clients, redirects, registration, reviews
from oauth.apps.app_content import AppContent
from oauth.apps.client_metadata import InvalidMetadata, Metadata, MetadataRefused
from oauth.apps.clients import ClientRefused
from oauth.apps.models import AppReview, DynamicRegistration, ReviewState, ReviewStep
from oauth.apps.reviews import WrongState
from oauth.models import Client, ClientStatus
from oauth.tokens.token_rows import new_secret
from service import audit
from service.accounts import throttling
from service.clock import now
from service.db import digest, microseconds
from service.settings import Settings

PER_NETWORK = 20
"""Registrations from one network in a day."""
PER_NETWORK_TRIES = 200
"""Bodies from one network in a day, those with mistakes too: each may have an address of keys tried."""
PER_APP = 100
"""Changes of one app in a day."""
MOST_WAITING = 1_000
"""Apps of programs that wait for the plan; staff decline what they do not know, which makes room (case 165)."""
ONLY_APPROVED = "offline_access"
"""What an app may not ask for before the plan has approved it (OA-59)."""
_HOUR, _DAY = 3_600, 86_400
_WAITING = (ReviewState.SUBMITTED, ReviewState.MORE_INFORMATION)
_NOT_TO_BE_SENT = (
    "registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at",
)  # fmt: skip
_NOBODY = digest("nobody")


class TooManyRegistrations(Exception):
    """Too many came from this network or for this app, or too many wait. `seconds`: when to ask again."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


class NotManaged(Exception):
    """There is no such app, or this token does not manage it: both look the same."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What the program is told; the secret once, at registration."""

    client: Client
    metadata: dict[str, Any]
    secret: str | None
    token: str
    standing: Mapping[str, Any]
    """How the review of its latest version stands, and what the plan said with it."""


def admit(session: Session, network: str) -> None:
    """Count one try to register from a network; raises TooManyRegistrations, also while too many apps wait."""
    _count(session, f"app:program:try:{throttling.hidden(network)}", PER_NETWORK_TRIES)
    _require_room(session)


def admit_change(session: Session, client_id: str, token: str) -> None:
    """Count one change of an app by who manages it; raises NotManaged, TooManyRegistrations."""
    require_manager(session, client_id, token)
    _count(session, f"app:change:{client_id}", PER_APP)


def register(session: Session, said: Mapping[str, Any], *, network: str, settings: Settings) -> Registered:
    """Register an app that is held for approval, and count it; a caller was admitted before.

    Raises MetadataRefused, TooManyRegistrations.
    """
    metadata = client_metadata.read(said)
    asked = metadata.content.scopes
    told = metadata.to_registration(
        developer_name=_developer_of(metadata.content.redirect_uris), state=ReviewState.SUBMITTED
    )
    with _Refusals():
        view, secret = registration.register(session, replace(told, scopes=_limited(asked)), settings=settings)
    # Only now: what is refused for a mistake is no app, and whoever writes a client makes some.
    _count(session, f"app:program:{throttling.hidden(network)}", PER_NETWORK)
    token = new_secret()
    kept = DynamicRegistration(client_id=view.id, token_hash=digest(token), told=dict(metadata.told))
    session.add(kept)
    # Approval gives what was asked: the version says it whole.
    review = admission.versions_of(session, view.id).latest
    review.content = {**review.content, "scopes": asked}
    session.flush()
    return _answer(session, session.get_one(Client, view.id), kept, token, secret)


def require_manager(session: Session, client_id: str, token: str) -> None:
    """Raise NotManaged unless this token manages the app, and the app is not retired."""
    possible = clients.is_possible(client_id)
    kept = session.get(DynamicRegistration, client_id, populate_existing=True) if possible else None
    right = hmac.compare_digest(digest(token), kept.token_hash if kept else _NOBODY)
    if kept is None or not right or session.get_one(Client, client_id).status is ClientStatus.RETIRED:
        raise NotManaged


def describe(session: Session, client_id: str, token: str) -> Registered:
    """The app as it is registered. Raises NotManaged."""
    require_manager(session, client_id, token)
    kept = session.get_one(DynamicRegistration, client_id)
    return _answer(session, session.get_one(Client, client_id), kept, token, None)


def change(session: Session, client_id: str, token: str, said: Mapping[str, Any], *, settings: Settings) -> Registered:
    """Put `said` in place of all that was said; what the plan looks at waits where the app was approved.

    An address of keys is tried at once (three seconds at most), before the session is used.
    Raises NotManaged, MetadataRefused.
    """
    metadata = client_metadata.read(said)
    with _Refusals():
        published = registration.require_keys(metadata.to_registration(developer_name=""), settings)
    client = _held(session, client_id, token)
    _require_same(client, said, metadata)
    _propose(session, client, metadata.content, settings)
    registration.keep_keys(session, client, metadata.jwks, metadata.jwks_uri, published)
    client.contact = metadata.contact
    client.require_pushed_authorization_requests = metadata.require_pushed_authorization_requests
    client.dpop_bound_access_tokens = metadata.dpop_bound_access_tokens
    kept = session.get_one(DynamicRegistration, client_id)
    kept.told = dict(metadata.told)
    name_developer(session, client)
    session.flush()
    audit.record(session, "oauth:client:change", client_id=client_id)
    return _answer(session, client, kept, token, None)


def retire(session: Session, client_id: str, token: str, *, settings: Settings) -> None:
    """Close the app for good and end its grants and tokens, at its own wish. Raises NotManaged."""
    _held(session, client_id, token)
    try:
        reviews.retire(session, client_id, reason="The app's own wish.", settings=settings)
    except WrongState:
        raise NotManaged from None
    end_management(session, client_id)


def end_management(session: Session, client_id: str) -> None:
    """Let no token manage the app any more: it is closed, or its people do. Its row is locked."""
    session.execute(delete(DynamicRegistration).where(DynamicRegistration.client_id == client_id))


def is_of_program(session: Session, client_id: str) -> bool:
    """Whether a program registered the app and manages it still."""
    return session.get(DynamicRegistration, client_id) is not None


def name_developer(session: Session, client: Client) -> None:
    """Name as developer of a program's app whom answers go to now; every other app keeps the name it has."""
    if is_of_program(session, client.id):
        client.developer_name = _developer_of(client.redirect_uris)


def _held(session: Session, client_id: str, token: str) -> Client:
    """The app, held to change it; raises NotManaged."""
    require_manager(session, client_id, token)
    client = clients.lock(session, client_id)
    # Retired or taken over meanwhile, it has nothing to manage any more.
    require_manager(session, client_id, token)
    return client


def _propose(session: Session, client: Client, content: AppContent, settings: Settings) -> None:
    before = AppContent.of(client)
    # What programs cannot say stays: staff and people of the plan may have added it, also to the one launch address.
    whole = replace(
        content, launch_uris=_launches(before, content), scope_reasons=before.scope_reasons,
        logo_digest=before.logo_digest, category=before.category,
    )  # fmt: skip
    versions = admission.versions_of(session, client.id)
    if whole == AppContent.read(versions.latest.content):
        return
    with _Refusals():
        try:
            changes.propose_and_hold(session, client, whole, settings=settings)
        except WrongState:
            raise NotManaged from None
    if versions.standing is None:
        client.scopes = _limited(client.scopes)


def _launches(before: AppContent, after: AppContent) -> tuple[str, ...]:
    return before.launch_uris if before.launch_uris[:1] == after.launch_uris else after.launch_uris


def _require_same(client: Client, said: Mapping[str, Any], metadata: Metadata) -> None:
    if said.get("client_id") != client.id or any(name in said for name in _NOT_TO_BE_SENT):
        raise InvalidMetadata("Send client_id as it is, and nothing that only the server says.")
    if "client_secret" in said and not _is_current(client, said["client_secret"]):
        raise InvalidMetadata("The secret is not chosen by the app.")
    if metadata.method is not client.token_endpoint_auth_method:
        raise InvalidMetadata("How an app proves itself does not change: register another one.")


def _is_current(client: Client, secret: object) -> bool:
    known = client.secret_hash is not None and isinstance(secret, str)
    over = client.secret_expires_at is not None and microseconds(client.secret_expires_at) <= microseconds(now())
    return known and not over and hmac.compare_digest(digest(str(secret)), str(client.secret_hash))


def _require_room(session: Session) -> None:
    waiting = (
        select(func.count(DynamicRegistration.client_id.distinct()))
        .join(AppReview, AppReview.client_id == DynamicRegistration.client_id)
        .where(AppReview.state.in_(_WAITING))
    )
    if session.scalars(waiting).one() >= MOST_WAITING:
        raise TooManyRegistrations(_HOUR)


def _count(session: Session, key: str, most: int) -> None:
    if not throttling.hit(session, key, most, _DAY):
        raise TooManyRegistrations(throttling.seconds_left(session, key))


def _limited(scopes: str) -> str:
    return str(smart.parse(scopes).without(ONLY_APPROVED))


def _developer_of(redirect_uris: Iterable[str]) -> str:
    """Whom members read as the developer: nobody proved a name, so it is every place that answers are sent to."""
    return ", ".join(dict.fromkeys(filter(None, map(redirects.host_of, redirect_uris))))[:200]


def _answer(session: Session, client: Client, kept: DynamicRegistration, token: str, secret: str | None) -> Registered:
    versions = admission.versions_of(session, client.id)
    return Registered(
        client, client_metadata.write(client, kept.told), secret, token, _standing(session, versions.latest)
    )


def _standing(session: Session, review: AppReview) -> dict[str, Any]:
    told: dict[str, Any] = {"approval_pending": review.state in _WAITING, "approval_state": review.state.value}
    if review.state is ReviewState.MORE_INFORMATION:
        told["approval_question"] = reviews.last_words(session, review, ReviewStep.ASK)
    if review.state is ReviewState.DECLINED and review.decline_reason is not None:
        told["decline_reason"] = review.decline_reason.value
        told["decline_explanation"] = reviews.last_words(session, review, ReviewStep.DECLINE)
    return told


class _Refusals:
    """`with` it, what is refused of any app becomes what RFC 7591 calls it."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, problem: BaseException | None, _trace: object) -> None:
        if isinstance(problem, registration.AddressRefused):
            raise MetadataRefused("invalid_redirect_uri", problem.reason) from None
        if isinstance(problem, ClientRefused):
            raise InvalidMetadata(problem.reason) from None
