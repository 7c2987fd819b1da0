"""Tables of webhooks: the address of an app with its secrets, and the messages to it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from oauth.models import Client
from service.db import Base, Instant, new_id, words


class Event(StrEnum):
    """What an app is told of."""

    GRANT_REVOKED = "grant.revoked"
    GRANT_EXPIRED = "grant.expired"
    GRANT_PAUSED = "grant.paused"
    GRANT_RESUMED = "grant.resumed"
    GRANT_NARROWED = "grant.narrowed"
    APP_SUSPENDED = "app.suspended"
    APP_RESUMED = "app.resumed"
    APP_RETIRED = "app.retired"
    TEST = "webhook.test"


class MessageState(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up after the last try."""
    DROPPED = "dropped"
    """Its address was taken away before it arrived."""


class AddressEnd(StrEnum):
    """Why nothing is sent to an address any more."""

    REMOVED = "removed"
    GONE = "gone"
    """Its server answered 410."""


class WebhookEndpoint(Base):
    """Where an app's messages go. An ended row stays and says why; a new address takes it over."""

    __tablename__ = "webhook_endpoint"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    sealed_secret: Mapped[str] = mapped_column(Text)
    sealed_previous_secret: Mapped[str | None] = mapped_column(Text, default=None)
    previous_until: Mapped[datetime | None] = mapped_column(Instant, default=None)
    listens_from: Mapped[datetime] = mapped_column(Instant)
    pulled_until: Mapped[datetime] = mapped_column(Instant)
    """Up to when the ends of grants were looked for."""
    failures: Mapped[int] = mapped_column(Integer, default=0)
    """In a row; the address rests the longer, the more there were."""
    rests_until: Mapped[datetime] = mapped_column(Instant)
    told_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    ended_at: Mapped[datetime | None] = mapped_column(Instant, default=None)
    end_reason: Mapped[AddressEnd | None] = mapped_column(words(AddressEnd), default=None)

    client: Mapped[Client] = relationship()


class WebhookMessage(Base):
    """One message; sent again it has the same `message_id` and `body`, byte for byte."""

    __tablename__ = "webhook_message"
    __table_args__ = (
        Index("ix_webhook_message_client", "client_id", "id"),
        Index(
            "ix_webhook_message_due", "due_at",
            sqlite_where=text("state = 'waiting'"), postgresql_where=text("state = 'waiting'"),
        ),
        # A grant ends once, however often the worker looks.
        Index(
            "uq_webhook_message_grant", "grant_id", unique=True,
            sqlite_where=text("grant_id IS NOT NULL"), postgresql_where=text("grant_id IS NOT NULL"),
        ),
        # And each change of one is told of once.
        Index(
            "uq_webhook_message_change", "change_id", unique=True,
            sqlite_where=text("change_id IS NOT NULL"), postgresql_where=text("change_id IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    message_id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    event: Mapped[Event] = mapped_column(words(Event))
    grant_id: Mapped[str | None] = mapped_column(ForeignKey("consent_grant.id"), default=None)
    change_id: Mapped[str | None] = mapped_column(String(36), default=None)
    """The `consent.models.GrantChange` that it tells of."""
    at: Mapped[datetime] = mapped_column(Instant)
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[MessageState] = mapped_column(words(MessageState), default=MessageState.WAITING)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime] = mapped_column(Instant)
    last_status: Mapped[int | None] = mapped_column(Integer, default=None)
    last_problem: Mapped[str] = mapped_column(String(200), default="")
    lease: Mapped[str | None] = mapped_column(String(36), default=None)
    leased_until: Mapped[datetime | None] = mapped_column(Instant, default=None)
    ended_at: Mapped[datetime | None] = mapped_column(Instant, default=None, index=True)
