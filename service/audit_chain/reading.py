"""Reading the audit: searched by its officers, exported. Whoever reads leaves an event of it first."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from service import audit
from service.audit import AuditEvent, AuditSubject, Outcome
from service.audit_chain.links import COLUMNS, DETAIL, OF_SEVERAL, SELECTED, SUBJECTS
from service.db import Statement, from_microseconds
from service.spreadsheets import plain_cell

PAGE = 50
_EXPORTED = Statement(
    f"SELECT s.position, s.hash, {SELECTED} FROM audit_event e LEFT JOIN audit_seal s ON s.event_id = e.id "  # noqa: S608
    "WHERE e.id > %s ORDER BY e.id LIMIT %s"
)
_BATCH, _MOST_NAMED = 1_000, 10_000
# Ids come in the order of time, but for clocks of several machines and for transactions that took a while.
_SLACK = timedelta(minutes=10)


@dataclass(frozen=True)
class Wanted:
    """What is looked for; what is None is not asked. `tag` is the beginning of a tag.

    `member_ids` are a member's record and those that became part of it (`roster.parts`), their own first: what was
    done while records were apart is told of too.
    """

    since: datetime
    until: datetime
    member_ids: Sequence[str] | None = None
    account_id: str | None = None
    client_id: str | None = None
    grant_id: str | None = None
    request_id: str | None = None
    tag: str | None = None
    outcome: Outcome | None = None

    @property
    def named(self) -> list[str]:
        """What was asked by, as names: values stay out of the event that tells of it, ids but."""
        return [one.name for one in fields(self) if getattr(self, one.name) is not None]


def search(session: Session, wanted: Wanted, *, by_account_id: str, before_id: int | None = None) -> list[AuditEvent]:
    """PAGE events and one more, where there are more, the latest first; the look itself is an event."""
    found = _search(session, wanted, before_id)
    _tell(session, "search", wanted, len(found[:PAGE]), account_id=by_account_id)
    return found


def export(session: Session, wanted: Wanted, *, operator: str, as_csv: bool = False) -> Iterator[bytes]:
    """Every event of a period in the order of ids, a line each, with position and hash where it is sealed.

    The first that comes tells that somebody exports, and has committed when the first line is given: NDJSON holds
    each event as it was hashed, CSV the same columns. Beside an event about several members stands whom it was about
    (`subjects`: lists of member, type of resource and how many, in CSV as JSON), which its `detail` vouches for.
    """
    _tell(session, "export", wanted, None, operator=operator)
    session.commit()
    if as_csv:
        yield _row(["position", "hash", *COLUMNS, "subjects"])
    at = COLUMNS.index("at")
    for position, digest, *row in _walk(session, wanted):
        if wanted.since <= from_microseconds(row[at]) < wanted.until:
            sealed = bytes(digest).hex() if digest is not None else None
            named = _subjects(session, row) if OF_SEVERAL in (row[DETAIL] or "") else None
            if as_csv:
                yield _row([position, sealed, *row, orjson.dumps(named).decode() if named is not None else None])
            else:
                yield _line(position, sealed, row, named)


def _search(session: Session, wanted: Wanted, before_id: int | None) -> list[AuditEvent]:
    low, high = _first_id(session, wanted.since - _SLACK), _first_id(session, wanted.until + _SLACK)
    equal = ("account_id", "client_id", "grant_id", "request_id", "outcome")
    conditions = [
        getattr(AuditEvent, name) == getattr(wanted, name) for name in equal if getattr(wanted, name) is not None
    ]
    if wanted.member_ids is not None:
        last = high if before_id is None else min(high, before_id)
        conditions.append(_about(session, wanted.member_ids, low, last))
    if wanted.tag is not None:
        conditions.append(AuditEvent.tag.startswith(wanted.tag, autoescape=True))
    if before_id is not None:
        conditions.append(AuditEvent.id < before_id)
    statement = select(AuditEvent).where(
        AuditEvent.id >= low, AuditEvent.id < high, AuditEvent.at >= wanted.since, AuditEvent.at < wanted.until,
        *conditions,
    )  # fmt: skip
    return list(session.scalars(statement.order_by(AuditEvent.id.desc()).limit(PAGE + 1)))


def _about(session: Session, member_ids: Sequence[str], low: int, high: int) -> ColumnElement[bool]:
    """Which events are about these members, alone or named among others."""
    subject = AuditSubject
    named = select(subject.event_id).where(
        subject.member_id.in_(member_ids), subject.event_id >= low, subject.event_id < high
    )
    among_others = list(session.scalars(named.order_by(subject.event_id.desc()).limit(_MOST_NAMED)))
    alone = AuditEvent.member_id.in_(member_ids)
    # By their ids: of a subquery beside another condition PostgreSQL would read every event of the period.
    return or_(alone, AuditEvent.id.in_(among_others)) if among_others else alone


def _walk(session: Session, wanted: Wanted) -> Iterator[Sequence[Any]]:
    after, last = _first_id(session, wanted.since - _SLACK) - 1, _first_id(session, wanted.until + _SLACK)
    session.rollback()
    while rows := _EXPORTED.run(session, after, _BATCH).fetchall():
        # On SQLite an open transaction keeps every writer waiting.
        session.rollback()
        yield from rows
        after = rows[-1][2]
        if after >= last:
            return


def _subjects(session: Session, row: Sequence[Any]) -> list[Sequence[Any]]:
    found: list[Sequence[Any]] = [list(one) for one in SUBJECTS.run(session, row[0]).fetchall()]
    session.rollback()
    return found


def _first_id(session: Session, moment: datetime) -> int:
    """The first id at `moment` or later, found by halves: no index by time is kept, which every read would pay for."""
    low: int | None = session.scalar(select(func.min(AuditEvent.id)))
    high: int | None = session.scalar(select(func.max(AuditEvent.id)))
    if low is None or high is None:
        return 0
    high += 1
    while low < high:
        middle = (low + high) // 2
        later = select(AuditEvent.id, AuditEvent.at).where(AuditEvent.id >= middle).order_by(AuditEvent.id).limit(1)
        found = session.execute(later).first()
        if found is None or found.at >= moment:
            high = middle
        else:
            low = found.id + 1
    return low


def _tell(
    session: Session, deed: str, wanted: Wanted, count: int | None, *, account_id: str | None = None,
    operator: str | None = None,
) -> None:  # fmt: skip
    asked = {name: str(getattr(wanted, name)) for name in wanted.named if name != "member_ids"}
    if wanted.member_ids is not None:
        asked["member_ids"] = ", ".join(wanted.member_ids)
    audit.record(
        session, f"audit:event:{deed}", account_id=account_id, count=count,
        member_id=wanted.member_ids[0] if wanted.member_ids else None,
        detail={"asked": asked} | ({"operator": operator} if operator else {}),
    )  # fmt: skip


def _line(
    position: int | None, digest: str | None, row: Sequence[Any], subjects: list[Sequence[Any]] | None
) -> bytes:  # fmt: skip
    event = {name: value for name, value in zip(COLUMNS, row, strict=True) if value is not None}
    line = {"position": position, "hash": digest, "event": event}
    return orjson.dumps(line if subjects is None else line | {"subjects": subjects}) + b"\n"


def _row(values: Sequence[Any]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerow([plain_cell(one) if isinstance(one, str) else one for one in values])
    return written.getvalue().encode()
