"""What developers do with the address that their app's messages go to: give it, change its secret, take it away."""

from datetime import timedelta

from sqlalchemy.orm import Session

from oauth.apps import own_apps
from oauth.apps.models import Developer
from oauth.apps.reviews import WrongState
from oauth.models import ClientStatus
from oauth.webhooks import outbox, signing
from oauth.webhooks.models import AddressEnd, WebhookEndpoint
from service import audit, outbound, sealing
from service.clock import now
from service.resealing import Sealed
from service.settings import Settings

OVERLAP = timedelta(hours=24)
"""How long messages are signed by the secret before as well."""
PURPOSE = "webhook-secret"
SEALED = (
    Sealed.text("webhook secrets", WebhookEndpoint.client_id, WebhookEndpoint.sealed_secret, PURPOSE),
    Sealed.text(
        "webhook secrets of before", WebhookEndpoint.client_id, WebhookEndpoint.sealed_previous_secret, PURPOSE
    ),
)


class AddressNotTaken(Exception):
    """Messages cannot go to this address. `reason` is a sentence for the developer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoSecret(Exception):
    """There is no address, so there is no secret to change."""


def find(session: Session, client_id: str) -> WebhookEndpoint | None:
    """Where the app's messages go, or went until it ended; None where there never was an address."""
    return session.get(WebhookEndpoint, client_id)


def set_address(session: Session, developer: Developer, client_id: str, url: str, *, settings: Settings) -> str | None:
    """Send the app's messages there from now on; its secret where it is new, shown once.

    Another address keeps the secret, and what waits goes to it. Raises AddressNotTaken, WrongState, NoSuchClient,
    OrganizationDisabled.
    """
    _require_alive(session, developer, client_id)
    try:
        outbound.require_allowed(url, loopback=settings.reaches_loopback)
    except outbound.NotFetched as refused:
        raise AddressNotTaken(refused.reason) from None
    endpoint = session.get(WebhookEndpoint, client_id)
    secret = None
    if endpoint is None or endpoint.ended_at is not None:
        secret, endpoint = signing.new_secret(), endpoint or WebhookEndpoint(client_id=client_id)
        _begin(endpoint, sealing.seal(settings.secret_key, PURPOSE, secret))
    endpoint.url, endpoint.failures, endpoint.rests_until = url, 0, now()
    session.add(endpoint)
    _record(session, "set", developer, client_id)
    return secret


def rotate_secret(session: Session, developer: Developer, client_id: str, *, settings: Settings) -> str:
    """A new secret, shown once; for a day messages are signed by the one before too.

    Raises NoSecret, WrongState, NoSuchClient, OrganizationDisabled.
    """
    _require_alive(session, developer, client_id)
    endpoint = _live(session, client_id)
    secret = signing.new_secret()
    endpoint.sealed_previous_secret, endpoint.previous_until = endpoint.sealed_secret, now() + OVERLAP
    endpoint.sealed_secret = sealing.seal(settings.secret_key, PURPOSE, secret)
    _record(session, "rotate", developer, client_id)
    return secret


def remove(session: Session, developer: Developer, client_id: str) -> None:
    """Send nothing any more; what waits is given up. Raises NoSecret, NoSuchClient, OrganizationDisabled."""
    own_apps.own(session, developer, client_id)
    end(session, _live(session, client_id), AddressEnd.REMOVED)
    _record(session, "remove", developer, client_id)


def end(session: Session, endpoint: WebhookEndpoint, reason: AddressEnd) -> None:
    """Forget the secrets and give up what waits; for this package only."""
    endpoint.ended_at, endpoint.end_reason = now(), reason
    endpoint.sealed_secret, endpoint.sealed_previous_secret, endpoint.previous_until = "", None, None
    outbox.drop_waiting(session, endpoint.client_id)


def secrets_of(endpoint: WebhookEndpoint, settings: Settings) -> tuple[str, ...]:
    """The secrets that sign now, the newest first."""
    sealed = [endpoint.sealed_secret]
    if endpoint.sealed_previous_secret and endpoint.previous_until and now() < endpoint.previous_until:
        sealed.append(endpoint.sealed_previous_secret)
    return tuple(sealing.unseal(settings.secret_key, PURPOSE, one) for one in sealed)


def _require_alive(session: Session, developer: Developer, client_id: str) -> None:
    if own_apps.own(session, developer, client_id).status is ClientStatus.RETIRED:
        raise WrongState


def _live(session: Session, client_id: str) -> WebhookEndpoint:
    endpoint = session.get(WebhookEndpoint, client_id)
    if endpoint is None or endpoint.ended_at is not None:
        raise NoSecret
    return endpoint


def _begin(endpoint: WebhookEndpoint, sealed_secret: str) -> None:
    endpoint.sealed_secret, endpoint.ended_at, endpoint.end_reason, endpoint.told_at = sealed_secret, None, None, None
    endpoint.listens_from = endpoint.pulled_until = now()


def _record(session: Session, action: str, developer: Developer, client_id: str) -> None:
    session.flush()
    audit.record(session, f"oauth:webhook:{action}", client_id=client_id, account_id=developer.account_id)
