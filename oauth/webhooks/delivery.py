"""Sends messages to apps: under a lease, signed anew at each try, one at a time for an address.

Nobody waits for a server that does not answer: its message stays under way in a thread of its own, which writes how it
ended, while the job goes on with the others and soon returns. Addresses that failed last come last, and take half of
the places at most. A worker that dies in mid-send leaves its lease behind; a minute later another sends the same
message under the same `webhook-id`. Nothing of what the other side answers is kept but its status.
"""

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.exc import DBAPIError
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
_FAILING_AT_ONCE = 4
# Mail waits for this job.
_TURN_SECONDS = 2.0
_PATIENCE_SECONDS = 0.5
"""How long a turn waits for what is under way once there is nothing else to send."""
_LONGEST_REST = timedelta(minutes=5)
log = structlog.get_logger("oauth.webhooks")


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
    failing: bool
    """Whether the last try at this address failed."""
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a try ended; `problem` is empty for success."""

    status: int | None
    problem: str


def run(sessions: sessionmaker[Session], settings: Settings) -> None:
    """The job: send what is due, to several addresses at once, for about two seconds; a slow server is left behind."""
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhooks")
    try:
        _take_turn(pool, sessions, settings)
    finally:
        pool.shutdown(wait=False)


def _take_turn(pool: ThreadPoolExecutor, sessions: sessionmaker[Session], settings: Settings) -> None:
    end = time.monotonic() + _TURN_SECONDS
    under_way: dict[Future[None], _Parcel] = {}
    while time.monotonic() < end:
        failing = sum(parcel.failing for parcel in under_way.values())
        parcels = _lease_due(sessions, settings, _AT_ONCE - len(under_way), _FAILING_AT_ONCE - failing)
        under_way |= {pool.submit(_deliver, sessions, settings, parcel): parcel for parcel in parcels}
        done, _ = wait(under_way, timeout=_PATIENCE_SECONDS, return_when=FIRST_COMPLETED)
        if not done and not parcels:
            return
        for finished in done:
            del under_way[finished]
            finished.result()


def _deliver(sessions: sessionmaker[Session], settings: Settings, parcel: _Parcel) -> None:
    outcome = _send(parcel, loopback=settings.reaches_loopback)
    try:
        with sessions.begin() as session:
            _write(session, parcel, outcome)
    except DBAPIError as problem:
        # Where the job has gone on nobody else hears of it; the lease runs out and the message is sent again.
        log.warning("webhook_outcome_not_written", problem=type(problem).__name__)
        raise


def _lease_due(sessions: sessionmaker[Session], settings: Settings, most: int, most_failing: int) -> list[_Parcel]:
    """Lease the oldest due message of each of some addresses that do not rest, those that failed last coming last."""
    working = _lease(sessions, settings, WebhookEndpoint.failures == 0, most)
    left = min(most - len(working), most_failing)
    return working + _lease(sessions, settings, WebhookEndpoint.failures > 0, left)


def _lease(
    sessions: sessionmaker[Session], settings: Settings, which: ColumnElement[bool], most: int
) -> list[_Parcel]:  # fmt: skip
    if most <= 0:
        return []
    moment, lease = now(), new_id()
    free = or_(WebhookMessage.leased_until.is_(None), WebhookMessage.leased_until <= moment)
    ready = (WebhookMessage.state == MessageState.WAITING, WebhookMessage.due_at <= moment, free)
    busy = select(WebhookMessage.client_id).where(
        WebhookMessage.state == MessageState.WAITING, WebhookMessage.leased_until > moment
    )
    awake = (
        WebhookEndpoint.ended_at.is_(None), WebhookEndpoint.rests_until <= moment,
        WebhookEndpoint.client_id.not_in(busy), which,
    )  # fmt: skip
    first = (
        select(func.min(WebhookMessage.id))
        .join(WebhookEndpoint, WebhookEndpoint.client_id == WebhookMessage.client_id)
        .where(*ready, *awake)
        .group_by(WebhookMessage.client_id)
        .order_by(func.min(WebhookMessage.id))
        .limit(most)
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
        endpoint.failures > 0, endpoints.secrets_of(endpoint, settings),
    )  # fmt: skip


def _send(parcel: _Parcel, *, loopback: bool) -> _Outcome:
    headers = signing.headers(parcel.keys, parcel.message_id, now(), parcel.body)
    try:
        answer = outbound.post(
            parcel.url, parcel.body, content_type="application/json", headers=headers, loopback=loopback
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
