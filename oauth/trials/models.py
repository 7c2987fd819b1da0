"""Tables of trials. In production nothing is written into them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from oauth.trials.checks import Check
from service.db import Base, Instant, words


class Seen(StrEnum):
    """What the server saw an app do."""

    PUSH = "push"
    AUTHORIZE = "authorize"
    SIGN_IN = "sign_in"
    CONSENT = "consent"
    CODE = "code"
    REFUSED = "refused"
    EXCHANGE = "exchange"
    REFRESH = "refresh"
    READ = "read"


class AppTrial(Base):
    """That the steps of an app are written down, until when."""

    __tablename__ = "app_trial"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    traced_until: Mapped[datetime] = mapped_column(Instant)


class TraceStep(Base):
    """One step, without any secret, code, token or verifier, and without a member.

    `error` is the code of OAuth that the app was told, `status` that of HTTP, `resource_type` what was read.
    """

    __tablename__ = "trace_step"
    __table_args__ = (Index("ix_trace_step_client", "client_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    step: Mapped[Seen] = mapped_column(words(Seen))
    failed: Mapped[bool] = mapped_column(default=False)
    # Not named "check": that is a word of SQL.
    failed_check: Mapped[Check | None] = mapped_column(words(Check), default=None)
    error: Mapped[str] = mapped_column(String(60), default="")
    status: Mapped[int | None] = mapped_column(Integer, default=None)
    resource_type: Mapped[str] = mapped_column(String(40), default="")


class Fault(StrEnum):
    """What an app meets."""

    EXPIRED_TOKEN = "expired_token"
    REVOKED_GRANT = "revoked_grant"
    DENIED_SCOPE = "denied_scope"
    TOO_MANY = "too_many"
    SLOW = "slow"


class AppFault(Base):
    """That an app meets a fault: until when, and for how many more requests (None: for as many as come)."""

    __tablename__ = "app_fault"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), primary_key=True)
    fault: Mapped[Fault] = mapped_column(words(Fault))
    until: Mapped[datetime] = mapped_column(Instant)
    remaining: Mapped[int | None] = mapped_column(Integer, default=None)
