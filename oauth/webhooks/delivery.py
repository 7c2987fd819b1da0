"""Sends messages to apps: under a lease, signed anew at each try, one at a time for an address.

A worker that dies in mid-send leaves its lease behind; a minute later another sends the same message under the same
`webhook-id`. Nothing of what the other side answers is kept but its status.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session, sessionmaker

from oauth.webhooks import endpoints, notices, signing
from oauth.webhooks.models import AddressEnd, MessageState, WebhookEndpoint, WebhookMessage
from service import outbound
from service.clock import now
from service.db import new_id
from service.settings import Settings

PAUSES = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
    timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24),
)  # fmt: skip
"""After each failed try, as Standard Webhooks advises; the try after the last pause is the last."""
_LEASE = timedelta(seconds=60)
_AT_ONCE = 8
# Mail waits for this job: an address that does not answer costs it three seconds more.
_TURN_SECONDS = 2.0
_LONGEST_REST = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Parcel:
    """A message that is ours to send now."""

    id: int
    lease: str
    client_id: str
    message_id: str
    body: bytes
    tries: int
    url: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a try ended; `problem` is empty for success."""

    status: int | None
    problem: str


def run(sessions: sessionmaker[Session], settings: Settings) -> None:
    """The job: send what is due, to several addresses at once, for about two seconds."""
    end = time.monotonic() + _TURN_SECONDS
    while time.monotonic() < end:
        parcels = _lease_due(sessions, settings)
        if not parcels:
            return
        for parcel, outcome in zip(parcels, _send_all(parcels, settings), strict=True):
            with sessions.begin() as session:
                _write(session, parcel, outcome)


def _lease_due(sessions: sessionmaker[Session], settings: Settings) -> list[_Parcel]:
    """Lease the oldest due message of each of some addresses that do not rest."""
    moment, lease = now(), new_id()
    free = or_(WebhookMessage.leased_until.is_(None), WebhookMessage.leased_until <= moment)
    ready = (WebhookMessage.state == MessageState.WAITING, WebhookMessage.due_at <= moment, free)
    awake = (WebhookEndpoint.ended_at.is_(None), WebhookEndpoint.rests_until <= moment)
    first = (
        select(func.min(WebhookMessage.id))
        .join(WebhookEndpoint, WebhookEndpoint.client_id == WebhookMessage.client_id)
        .where(*ready, *awake)
        .group_by(WebhookMessage.client_id)
        .limit(_AT_ONCE)
    )
    leased = {"lease": lease, "leased_until": moment + _LEASE, "tries": WebhookMessage.tries + 1}
    with sessions.begin() as session:
        taken = update(WebhookMessage).where(WebhookMessage.id.in_(first), *ready).values(leased)
        session.execute(taken.execution_options(synchronize_session=False))
        own = select(WebhookMessage, WebhookEndpoint).where(
            WebhookMessage.lease == lease, WebhookEndpoint.client_id == WebhookMessage.client_id
        )
        return [_parcel(message, endpoint, lease, settings) for message, endpoint in session.execute(own)]


def _parcel(message: WebhookMessage, endpoint: WebhookEndpoint, lease: str, settings: Settings) -> _Parcel:
    return _Parcel(
        message.id, lease, message.client_id, message.message_id, message.body.encode(), message.tries, endpoint.url,
        endpoints.secrets_of(endpoint, settings),
    )  # fmt: skip


def _send_all(parcels: Sequence[_Parcel], settings: Settings) -> list[_Outcome]:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhooks") as pool:
        return list(pool.map(lambda parcel: _send(parcel, sandbox=settings.sandbox), parcels))


def _send(parcel: _Parcel, *, sandbox: bool) -> _Outcome:
    headers = signing.headers(parcel.keys, parcel.message_id, now(), parcel.body)
    try:
        answer = outbound.post(
            parcel.url, parcel.body, content_type="application/json", headers=headers, sandbox=sandbox
        )
    except outbound.ServerFailed as failed:
        return _Outcome(failed.status, failed.reason)
    except outbound.AddressRefused as refused:
        return _Outcome(None, refused.reason)
    return _Outcome(answer.status, "")


def _write(session: Session, parcel: _Parcel, outcome: _Outcome) -> None:
    # Fenced by the lease: a worker that lost it in mid-send no longer writes.
    own = select(WebhookMessage).where(WebhookMessage.id == parcel.id, WebhookMessage.lease == parcel.lease)
    message = session.scalar(own.with_for_update())
    if message is None:
        return
    message.lease = message.leased_until = None
    message.last_status, message.last_problem = outcome.status, outcome.problem[:200]
    endpoint = session.get_one(WebhookEndpoint, parcel.client_id)
    if not outcome.problem:
        message.state, message.ended_at, endpoint.failures = MessageState.DELIVERED, now(), 0
    elif outcome.status == 410:
        message.state, message.ended_at = MessageState.FAILED, now()
        endpoints.end(session, endpoint, AddressEnd.GONE)
        notices.tell(session, endpoint)
    else:
        _try_later(session, message, endpoint)


def _try_later(session: Session, message: WebhookMessage, endpoint: WebhookEndpoint) -> None:
    moment = now()
    endpoint.failures += 1
    endpoint.rests_until = moment + min(PAUSES[0] * 2 ** min(endpoint.failures - 1, 10), _LONGEST_REST)
    if message.tries <= len(PAUSES):
        message.due_at = moment + PAUSES[message.tries - 1]
        return
    message.state, message.ended_at = MessageState.FAILED, moment
    notices.tell(session, endpoint)
