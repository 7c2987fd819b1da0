"""The one event stream: who did what for whom, through which app, how many, why, and how it ended.

The row is written in the transaction of the effect and so commits before the answer's body leaves. The member's access
log, "last used" in the console, plan metrics and disclosure accounting are queries on it. The table is append-only:
triggers of both databases refuse UPDATE and DELETE.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, Index, Integer, String, Table
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.clock import now
from service.db import Base, Instant, append_only, words


class Outcome(StrEnum):
    """How the deed ended."""

    SUCCESS = "success"
    REFUSED = "refused"
    FAILED = "failed"


class AuditEvent(Base):
    """One event. `tag` is `source:subject:action`, for instance `fhir:ExplanationOfBenefit:search`."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_grant_at", "grant_id", "at"),
        Index("ix_audit_event_member_at", "member_id", "at"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    tag: Mapped[str] = mapped_column(String(120))
    outcome: Mapped[Outcome] = mapped_column(words(Outcome, 12))
    account_id: Mapped[str | None] = mapped_column(String(36))
    member_id: Mapped[str | None] = mapped_column(String(36))
    link_id: Mapped[str | None] = mapped_column(String(36))
    client_id: Mapped[str | None] = mapped_column(String(64))
    grant_id: Mapped[str | None] = mapped_column(String(36))
    resource_type: Mapped[str | None] = mapped_column(String(40))
    count: Mapped[int | None] = mapped_column(Integer)
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    reason: Mapped[str | None] = mapped_column(String(500))
    ip: Mapped[str | None] = mapped_column(String(45))
    request_id: Mapped[str | None] = mapped_column(String(64))
    login_session_id: Mapped[str | None] = mapped_column(String(36))


append_only(cast(Table, AuditEvent.__table__))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where a request came from; empty outside of requests."""

    ip: str | None = None
    request_id: str | None = None
    login_session_id: str | None = None


_circumstances: Callable[[], Circumstances] = Circumstances


def learn_circumstances(source: Callable[[], Circumstances]) -> None:
    """Tell the stream how to learn the circumstances of the current request (the web layer does, at start)."""
    global _circumstances
    _circumstances = source


def current_circumstances() -> Circumstances:
    """The circumstances of the current request, for statements that write the row by hand."""
    return _circumstances()


def record(
    session: Session,
    tag: str,
    *,
    outcome: Outcome = Outcome.SUCCESS,
    account_id: str | None = None,
    member_id: str | None = None,
    link_id: str | None = None,
    client_id: str | None = None,
    grant_id: str | None = None,
    resource_type: str | None = None,
    count: int | None = None,
    detail: dict[str, Any] | None = None,
    reason: str | None = None,
) -> AuditEvent:
    """Add one event to the caller's transaction. `detail` holds neither health data nor secrets."""
    where = _circumstances()
    row = AuditEvent(
        at=now(), tag=tag, outcome=outcome, account_id=account_id, member_id=member_id, link_id=link_id,
        client_id=client_id, grant_id=grant_id, resource_type=resource_type, count=count, detail=detail, reason=reason,
        ip=where.ip, request_id=where.request_id, login_session_id=where.login_session_id,
    )  # fmt: skip
    session.add(row)
    return row
