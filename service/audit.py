"""The one event stream: who did what for whom, through which app, how many, why, and how it ended.

The row is written in the transaction of the effect and so commits before the answer's body leaves. The member's access
log, "last used" in the console, plan metrics and disclosure accounting are queries on it. The table is append-only:
triggers of both databases refuse UPDATE, and DELETE of what no signed stub stands for (`service.audit_chain`, which
seals the rows after the fact: this module is on the way of every read and does nothing but insert).
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypedDict, Unpack

import orjson
import psycopg
from sqlalchemy import JSON, BigInteger, Index, Integer, String, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.clock import now_in_microseconds
from service.databases.group_commit import NotWritten
from service.db import Base, Insertion, Instant, Row, words, write


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
        # What a login of the portal looked up; reads through apps, which are most, are left out.
        Index(
            "ix_audit_event_account_at", "account_id", "at",
            sqlite_where=text("grant_id IS NULL"), postgresql_where=text("grant_id IS NULL"),
        ),
        # What an app did outside of any grant: refusals, and programs without a person.
        Index(
            "ix_audit_event_client_at", "client_id", "at",
            sqlite_where=text("grant_id IS NULL AND client_id IS NOT NULL"),
            postgresql_where=text("grant_id IS NULL AND client_id IS NOT NULL"),
        ),
    )  # fmt: skip

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


# Written on every read, so by hand: through the ORM this row alone would cost more than the read it tells of.
COLUMNS = (
    "at", "tag", "outcome", "account_id", "member_id", "link_id", "client_id", "grant_id", "resource_type", "count",
    "detail", "reason", "ip", "request_id", "login_session_id",
)  # fmt: skip
"""What is told of an event besides its id; the chain hashes them in this order, new ones go to the end."""
_INSERT = Insertion("audit_event", *COLUMNS)
_REFUSALS = (sqlite3.Error, psycopg.Error, NotWritten)


class NotAudited(Exception):
    """The audit did not take the event, so that its deed does not happen: the disk is full, say."""


class Circumstances(NamedTuple):
    """Where a request came from; empty outside of requests."""

    ip: str | None = None
    request_id: str | None = None
    login_session_id: str | None = None


_circumstances: Callable[[], Circumstances] = Circumstances


def learn_circumstances(source: Callable[[], Circumstances]) -> None:
    """Tell the stream how to learn the circumstances of the current request (the web layer does, at start)."""
    global _circumstances
    _circumstances = source


_operator: str | None = None


@contextmanager
def told_by(operator: str) -> Iterator[None]:
    """Events within are of a command: they say who ran it, by their name on this machine."""
    global _operator
    before, _operator = _operator, operator
    try:
        yield
    finally:
        _operator = before


class Facts(TypedDict, total=False):
    """What may be told of an event beside its tag. `detail` holds neither health data nor secrets."""

    outcome: Outcome
    account_id: str | None
    member_id: str | None
    link_id: str | None
    client_id: str | None
    grant_id: str | None
    resource_type: str | None
    count: int | None
    detail: dict[str, Any] | None
    reason: str | None


def record(session: Session, tag: str, **facts: Unpack[Facts]) -> None:
    """Add one event to the caller's transaction; raises NotAudited."""
    try:
        write(session, row(tag, **facts))
    except _REFUSALS as refused:
        raise NotAudited from refused


@contextmanager
def written_together() -> Iterator[None]:
    """Around what writes a `row` together with others: raises NotAudited where the database refuses them."""
    try:
        yield
    except _REFUSALS as refused:
        raise NotAudited from refused


def row(tag: str, **facts: Unpack[Facts]) -> Row:
    """The row of an event that is written together with others (`service.db.write_if_new`), in `written_together`."""
    where, told, detail = _circumstances(), facts.get, facts.get("detail")
    if _operator is not None:
        detail = (detail or {}) | {"operator": _operator}
    return Row(_INSERT, (
        now_in_microseconds(), tag, facts.get("outcome", Outcome.SUCCESS).value, told("account_id"), told("member_id"),
        told("link_id"), told("client_id"), told("grant_id"), told("resource_type"), told("count"),
        None if detail is None else orjson.dumps(detail).decode(), told("reason"), where.ip, where.request_id,
        where.login_session_id,
    ))  # fmt: skip
