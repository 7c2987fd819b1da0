"""Messages to apps: written in the transaction of the deed, or of finding out; sent by the worker afterwards.

A message holds ids that the app has from us already, as introspection tells them, and what happened when. Nothing of
the member's record, no name, and not who did it.
"""

from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from oauth.webhooks.models import Event, MessageState, WebhookEndpoint, WebhookMessage
from service.accounts import throttling
from service.clock import now

BY_HAND_AN_HOUR = 30
"""Test events, and messages sent again, of one app in an hour: the address may be anybody's."""
SHOWN = 50
# A grant lives 13 months at most: until then its row keeps it from being told of twice.
_KEEP = timedelta(days=400)
_BATCH = 500
_ENDED = (MessageState.DELIVERED, MessageState.FAILED)


class MessageRefused(Exception):
    """Nothing is sent; `sentence` says why."""

    sentence = ""


class TooManyByHand(MessageRefused):
    """Many were sent by hand lately."""

    sentence = f"You can send {BY_HAND_AN_HOUR} messages by hand in an hour. Please wait a while."


class NoAddress(MessageRefused):
    """There is nowhere to send it."""

    sentence = "Please give an address first."


class UnknownMessage(Exception):
    """The app has no such message."""


def announce(
    session: Session, client_id: str, event: Event, *, at: datetime | None = None, grant_id: str | None = None,
    change_id: str | None = None, **ids: str,
) -> None:  # fmt: skip
    """Tell the app, if it listens: one message in the caller's transaction. `ids` are ones that it has from us."""
    endpoint = session.get(WebhookEndpoint, client_id)
    if endpoint is None or endpoint.ended_at is not None:
        return
    moment = now()
    body = {"type": event.value, "timestamp": (at or moment).isoformat(), "data": {"client_id": client_id, **ids}}
    session.add(
        WebhookMessage(
            client_id=client_id, event=event, grant_id=grant_id, change_id=change_id, at=at or moment, due_at=moment,
            body=orjson.dumps(body).decode(),
        )
    )  # fmt: skip
    session.flush()


def send_test(session: Session, client_id: str) -> None:
    """A message that says only that messages arrive. Raises NoAddress, TooManyByHand."""
    _require_by_hand(session, client_id)
    announce(session, client_id, Event.TEST)


def send_again(session: Session, client_id: str, message_id: str) -> None:
    """Send a message that ended once more, under its own id. Raises UnknownMessage, NoAddress, TooManyByHand."""
    own = (WebhookMessage.client_id == client_id, WebhookMessage.message_id == message_id)
    if session.scalar(select(WebhookMessage.id).where(*own)) is None:
        raise UnknownMessage
    _require_by_hand(session, client_id)
    again = {"state": MessageState.WAITING, "tries": 0, "due_at": now(), "ended_at": None}
    session.execute(update(WebhookMessage).where(*own, WebhookMessage.state.in_(_ENDED)).values(again))


def drop_waiting(session: Session, client_id: str) -> None:
    """Give up what waits for an address that is no more; a worker in mid-send no longer writes."""
    waiting = (WebhookMessage.client_id == client_id, WebhookMessage.state == MessageState.WAITING)
    gone = {"state": MessageState.DROPPED, "ended_at": now(), "lease": None, "leased_until": None}
    session.execute(update(WebhookMessage).where(*waiting).values(gone))


def latest(session: Session, client_id: str) -> list[WebhookMessage]:
    """The last messages to an app, the newest first."""
    own = select(WebhookMessage).where(WebhookMessage.client_id == client_id)
    return list(session.scalars(own.order_by(WebhookMessage.id.desc()).limit(SHOWN)))


def delete_old(session: Session) -> int:
    """Delete some hundred messages that ended so long ago that nobody tells of them again; how many."""
    old = select(WebhookMessage.id).where(WebhookMessage.ended_at < now() - _KEEP).limit(_BATCH)
    result = session.execute(delete(WebhookMessage).where(WebhookMessage.id.in_(old)))
    return cast(CursorResult[Any], result).rowcount


def _require_by_hand(session: Session, client_id: str) -> None:
    endpoint = session.get(WebhookEndpoint, client_id)
    if endpoint is None or endpoint.ended_at is not None:
        raise NoAddress
    if not throttling.hit(session, f"webhook:by-hand:{client_id}", BY_HAND_AN_HOUR, 3_600):
        raise TooManyByHand
