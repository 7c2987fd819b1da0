"""The one event stream: who did what for whom, through which app, how many, why, and how it ended.

An event is about one member, whom its row names, or about several, who stand beside it (`AuditSubject`).

The row is written in the transaction of the effect and so commits before the answer's body leaves. The member's access
log, "last used" in the console, plan metrics and disclosure accounting are queries on it. The table is append-only:
triggers of both databases refuse UPDATE, and DELETE of what no signed stub stands for (`service.audit_chain`, which
seals the rows after the fact: this module is on the way of every read and does nothing but insert).
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypedDict, Unpack

import orjson
from sqlalchemy import JSON, BigInteger, Index, Integer, String, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.clock import now_in_microseconds
from service.databases.driver_errors import every_error
from service.databases.group_commit import NotWritten
from service.db import Base, Insertion, Instant, Row, Statement, database_of, words, write, write_together


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


class AuditSubject(Base):
    """That an event was about a member among others (decision 137): one of `count` resources of a type about them.

    Written with its event, whose `detail` holds a fingerprint of all of its rows. `EVERYBODY` in the place of a member
    stands for whoever had such a resource then, as the event's `detail` says; it has no `count`.
    """

    __tablename__ = "audit_subject"
    __table_args__ = (Index("ix_audit_subject_event_id", "event_id"),)

    member_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    resource_type: Mapped[str] = mapped_column(String(40), primary_key=True)
    count: Mapped[int | None] = mapped_column(Integer)


EVERYBODY = "*"
"""Stands for every member of the plan; no member's id."""


class Subject(NamedTuple):
    """A member whom an event is about among others: how many resources of which type (None: not counted)."""

    member_id: str
    resource_type: str
    number: int | None


# Written on every read, so by hand: through the ORM this row alone would cost more than the read it tells of.
COLUMNS = (
    "at", "tag", "outcome", "account_id", "member_id", "link_id", "client_id", "grant_id", "resource_type", "count",
    "detail", "reason", "ip", "request_id", "login_session_id",
)  # fmt: skip
"""What is told of an event besides its id; the chain hashes them in this order, new ones go to the end."""
_INSERT = Insertion("audit_event", *COLUMNS)
_SUBJECTS_OF_IT = "INSERT INTO audit_subject (member_id, event_id, resource_type, count) "
_INSERT_WITH_SUBJECTS = Statement(
    f"WITH event AS ({_INSERT.text} RETURNING id) {_SUBJECTS_OF_IT}"  # noqa: S608
    "SELECT one->>0, event.id, one->>1, (one->>2)::integer FROM event, json_array_elements(%s::json) AS one"
)
# In the transaction of the event and right behind it: asked once, before the first of these rows is there.
_INSERT_SUBJECTS = Statement(
    f"{_SUBJECTS_OF_IT}SELECT json_extract(value, '$[0]'), (SELECT last_insert_rowid()), "  # noqa: S608
    "json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(%s)"
)


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
    except every_error(NotWritten) as refused:
        raise NotAudited from refused


def record_about(session: Session, tag: str, subjects: Collection[Subject], **facts: Unpack[Facts]) -> None:
    """Add one event about several members to the caller's transaction, with who they are; raises NotAudited.

    `detail` is told how many they are, and a fingerprint of all that is told of them.
    """
    number = len({one.member_id for one in subjects} - {EVERYBODY})
    members = {"count": number, "sha256": fingerprint(subjects)}
    facts["detail"] = (facts.get("detail") or {}) | {"members": members}
    event, told = row(tag, **facts), orjson.dumps([tuple(one) for one in subjects]).decode()
    try:
        if database_of(session) == "postgresql":
            _INSERT_WITH_SUBJECTS.run(session, *event.values, told)
        else:
            write_together(session, [(event.insertion, event.values), (_INSERT_SUBJECTS, (told,))])
    except every_error(NotWritten) as refused:
        raise NotAudited from refused


def fingerprint(subjects: Iterable[Subject]) -> str:
    """SHA-256 (hex) over whom an event was about: a line each, in order."""
    lines = sorted(f"{one.member_id} {one.resource_type} {one.number}\n" for one in subjects)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@contextmanager
def written_together() -> Iterator[None]:
    """Around what writes a `row` together with others: raises NotAudited where the database refuses them."""
    try:
        yield
    except every_error(NotWritten) as refused:
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
