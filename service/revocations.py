"""What was ended stays ended when the database is put back to an older day: a journal of revocations outside of it.

Whatever a transaction took away (a grant ended, paused or narrowed, a token family ended, a link, a password, an app
shut out, somebody's rights in the portal) is a line in a file of `REVOCATION_JOURNAL`, on disk before the answer
leaves. Each line is a row of the database too: a line at the end of a file whose row is missing tells that the database
is older than the journal. Nothing is served then until `flask backup replay` has done every such line again
(decision 88).

A line that was written and is in no file tells that the journal is not whole: the start, `flask doctor` and `flask
audit verify` say so, and everything is served all the same (decision 151).

A line: `{"id", "at" (microseconds), "host", "table", "key", "values"}`, values as they were at the commit (null
where the row was deleted), `host` whose file it went to. In a file also `after`: the line that its process wrote
before (`service.journal_losses`). No secret, no name of a person.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum as PythonEnum
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, cast

import orjson
import structlog
from sqlalchemy import Boolean, String, Table, Text, event, insert, inspect, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, SessionTransaction, mapped_column, sessionmaker

from service import journal_files
from service.clock import now
from service.db import Base, Instant, from_microseconds, microseconds, new_id
from service.journal_files import Unreadable
from service.settings import Settings

WATCHED: dict[str, tuple[str, ...]] = {
    "consent_grant": (
        "status", "version", "scopes", "sensitive_classes", "offline", "expires_at", "paused_at", "paused_by",
        "ended_at", "ended_by",
    ),
    "token_family": ("ended_at", "end_reason"),
    "representative_link": (
        "version", "scope", "valid_until", "narrows_at", "safety_block", "blocked_at", "ended_at", "ended_by",
    ),
    "account": ("credentials_version", "status"),
    "client": (
        "status", "version", "credentials_version", "secret_hash", "secret_expires_at", "previous_secret_hash",
        "previous_secret_expires_at", "jwks", "jwks_uri", "scopes", "redirect_uris", "launch_uris",
        "post_logout_redirect_uris", "may_introspect", "require_pushed_authorization_requests",
        "dpop_bound_access_tokens",
    ),
    "developer_organization": ("disabled_at",),
    "developer": ("ended_at", "role"),
    "billing_authorization": ("ended_at", "version", "functions"),
    "provider_staff": ("status", "functions", "is_delegate", "deactivated_at", "lapsed_at"),
    "access_entry": ("ended_at",),
    "plan_staff": ("ended_at", "roles"),
    "protected_record": ("marked_by_account_id", "marked_at"),
    "colleague": ("member_id",),
}  # fmt: skip
"""Columns that say what somebody may still do: a change of one is journalled, with all of them as they are then."""
MADE_AGAIN: Mapping[str, Mapping[str, str]] = {
    "protected_record": {"reason": "Marked anew after a restore: ask who marked it for the reason."},
    "colleague": {},
}
"""Watched tables whose rows take something away by being there: made and deleted, they are journalled too.

A replay makes such a row again, with these values for the words that stay out of the journal.
"""
_JOURNAL, _NOTED = "latchstring.journal", "latchstring.noted"
_LINES, _COMMITTED = "latchstring.lines", "latchstring.committed"
_LOOK_AGAIN = 10.0
_AT_ONCE = 400
_NEWEST = 200
"""Written lines that are looked for in the files: whoever wrote of late has some among the newest of all."""
log = structlog.get_logger("service.revocations")


class NotJournalled(Exception):
    """The deed is committed and its line is not on disk yet: asked again, it is written first."""


class Revocation(Base):
    """A line of the journal that this database knows."""

    __tablename__ = "revocation"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    line: Mapped[str] = mapped_column(Text)
    written: Mapped[bool] = mapped_column(Boolean, index=True)
    """Whether it is known to be in a file."""


@dataclass(frozen=True)
class Gap:
    """A host's newest line: the database knows that it was written, and no file here holds it."""

    host: str | None
    """None of lines from before each named its host."""
    at: datetime
    is_elsewhere: bool
    """Whether that host may keep a journal of its own: no file here is its, and some are others'."""


class Journal:
    """The files of one folder, which every process of this installation appends to, each host to its own by month."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_behind = False
        self._lock = Lock()
        self._last: str | None = None
        self._looked_at = 0.0
        self._must_replay = False
        self._is_looked_over = False

    def append(self, lines: Sequence[str]) -> None:
        """Write lines and wait until they are on disk. Raises NotJournalled."""
        try:
            with journal_files.opened(self.folder) as handle:
                with self._lock:
                    text, last = _chained(lines, self._last)
                    journal_files.add(handle, text)
                    self._last = last
                os.fsync(handle)
        except OSError as problem:
            self.is_behind = True
            log.error("revocation_not_journalled", problem=type(problem).__name__, folder=str(self.folder))
            raise NotJournalled from problem

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every line of every file. Raises Unreadable."""
        return _watched(journal_files.lines(self.folder))

    def must_replay(self, sessions: sessionmaker[Session]) -> bool:
        """Whether the database is older than the journal; looked up every ten seconds at most.

        Raises Unreadable: whoever asks serves nothing then either (decision 161).
        """
        if not self._must_replay and self._looked_at and monotonic() - self._looked_at < _LOOK_AGAIN:
            return False
        try:
            ids = [line["id"] for line in self._ends()]
        except Unreadable as shut:
            self._tell(shut)
            raise
        with sessions() as session:
            self._must_replay = bool(ids and missing(session, ids))
            if not self._is_looked_over:
                self._look_over(session)
        self._looked_at = monotonic()
        if self._must_replay:
            log.error("database_older_than_journal", folder=str(self.folder), mend="flask backup replay")
        return self._must_replay

    def gaps(self, session: Session) -> list[Gap]:
        """The newest line of each host that wrote of late, where it is in no file here. Raises Unreadable."""
        newest = _newest_written(session)
        held = {line["id"] for line in self._ends()}
        if not all(ids & held for ids, _ in newest.values()):
            # Lines that the worker wrote late may stand behind it.
            held = {line["id"] for line in self.lines()}
        hosts = journal_files.hosts(self.folder)
        return [
            Gap(host, from_microseconds(at), bool(hosts) and host not in {None, journal_files.host(), *hosts})
            for host, (ids, at) in newest.items()
            if not ids & held
        ]

    def _look_over(self, session: Session) -> None:
        """Say, once in a process, what would be missing at a restore."""
        try:
            found = [gap for gap in self.gaps(session) if not gap.is_elsewhere]
        except SQLAlchemyError:
            # No table yet, or no database: whoever asked is told so by what they do next.
            session.rollback()
            return
        except Unreadable as shut:
            # An older file, since those that tell of a restore were read: doctor says which, everything is served.
            self._tell(shut)
            found = []
        self._is_looked_over = True
        if found:
            # The newest lines of so many hosts; doctor says whose and when.
            log.error("journal_lacks_lines", folder=str(self.folder), count=len(found), mend="flask doctor")
        if journal_files.find_barred(self.folder):
            log.error("journal_cannot_be_written", folder=str(self.folder), mend="flask doctor")

    def _tell(self, shut: Unreadable) -> None:
        # Which file it is doctor says.
        log.error("journal_cannot_be_read", folder=str(self.folder), problem=shut.problem, mend="flask doctor")

    def _ends(self) -> Iterator[dict[str, Any]]:
        return _watched(journal_files.ends(self.folder))


def keep_journal(sessions: sessionmaker[Session], journal: Journal) -> None:
    """Journal what sessions of this factory take away."""
    sessions.configure(info=told(journal))


def told(journal: Journal) -> dict[str, Any]:
    """The same for sessions that no factory makes: what their `info` holds."""
    return {_JOURNAL: journal}


def note(session: Session, table: str, key: str) -> None:
    """Say that a row of `table` has changed by a statement that the session does not see as an object."""
    if _JOURNAL in session.info:
        session.info.setdefault(_NOTED, set()).add((table, key))


def missing(session: Session, ids: Sequence[str]) -> set[str]:
    """Those of the lines that this database does not know."""
    known: set[str] = set()
    for at in range(0, len(ids), _AT_ONCE):
        known.update(session.scalars(select(Revocation.id).where(Revocation.id.in_(ids[at : at + _AT_ONCE]))))
    return set(ids) - known


def catch_up(sessions: sessionmaker[Session], journal: Journal) -> int:
    """Write lines whose process ended between commit and file; how many. A line may stand twice, which does no harm."""
    with sessions() as session:
        statement = select(Revocation).where(Revocation.written.is_(False)).order_by(Revocation.at).limit(_AT_ONCE)
        found = list(session.scalars(statement))
        if not found:
            journal.is_behind = False
            return 0
        # It goes to a file of ours, whoever it was of.
        lines = {
            row.id: orjson.dumps(orjson.loads(row.line) | {"host": journal_files.host()}).decode() for row in found
        }
        journal.append(list(lines.values()))
        journal.is_behind = False
        for row in found:
            row.line, row.written = lines[row.id], True
        session.commit()
    return len(found)


def write_late(sessions: sessionmaker[Session], settings: Settings) -> None:
    """The job that writes what a process left."""
    catch_up(sessions, Journal(settings.journal_folder))


def key_of(table: Table) -> Any:
    """The column by which a line names a row."""
    return next(iter(table.primary_key.columns))


def _to_line(value: Any) -> Any:
    if isinstance(value, datetime):
        return microseconds(value)
    return value.value if isinstance(value, PythonEnum) else value


def _newest_written(session: Session) -> dict[str | None, tuple[set[str], int]]:
    """Of each host its newest written line and when it was; of lines without a host all, since any will do there."""
    newest: dict[str | None, tuple[set[str], int]] = {}
    written = select(Revocation.line).where(Revocation.written.is_(True)).order_by(Revocation.at.desc()).limit(_NEWEST)
    for line in map(orjson.loads, session.scalars(written)):
        host = line.get("host")
        ids, _ = newest.setdefault(host, (set(), line["at"]))
        if host is None or not ids:
            ids.add(line["id"])
    return newest


def _watched(lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (line for line in lines if line.get("table") in WATCHED)


def _chained(lines: Sequence[str], last: str | None) -> tuple[bytes, str | None]:
    """The text of lines, each naming the one before it, and the id of the last one."""
    read = [orjson.loads(line) for line in lines]
    befores = [last, *(one["id"] for one in read)]
    told = [one | ({"after": before} if before else {}) for one, before in zip(read, befores, strict=False)]
    return b"".join(orjson.dumps(one) + b"\n" for one in told), befores[-1]


@event.listens_for(Session, "after_flush")
def _note_objects(session: Session, _context: object) -> None:
    if _JOURNAL not in session.info:
        return
    for changed in session.dirty:
        state = inspect(changed)
        columns = WATCHED.get(str(cast(Any, changed).__tablename__), ())
        if any(state.attrs[name].history.has_changes() for name in columns):
            note(session, cast(Any, changed).__tablename__, state.identity[0])
    for one in (*session.new, *session.deleted):
        if (name := cast(Any, one).__tablename__) in MADE_AGAIN:
            note(session, name, getattr(one, key_of(Base.metadata.tables[name]).name))


@event.listens_for(Session, "before_commit")
def _add_rows(session: Session) -> None:
    if _JOURNAL not in session.info or session.in_nested_transaction():
        return
    session.info.pop(_LINES, None)
    session.flush()
    noted = session.info.pop(_NOTED, ())
    if not noted:
        return
    lines = [line for table, key in sorted(noted) if (line := _line_of(session, table, key))]
    rows = [{"id": line["id"], "at": now(), "line": orjson.dumps(line).decode(), "written": False} for line in lines]
    if rows:
        session.execute(insert(Revocation), rows)
        session.info[_LINES] = {row["id"]: row["line"] for row in rows}


def _line_of(session: Session, name: str, key: str) -> dict[str, Any] | None:
    table = Base.metadata.tables[name]
    found = session.execute(select(*(table.c[column] for column in WATCHED[name])).where(key_of(table) == key)).first()
    if found is None and name not in MADE_AGAIN:
        return None
    told = zip(WATCHED[name], found, strict=True) if found is not None else None
    values = None if told is None else {column: _to_line(value) for column, value in told}
    return {
        "id": new_id(),
        "at": microseconds(now()),
        "host": journal_files.host(),
        "table": name,
        "key": key,
        "values": values,
    }


@event.listens_for(Session, "after_commit")
def _remember_committed(session: Session) -> None:
    if lines := session.info.pop(_LINES, None):
        session.info[_COMMITTED] = lines


@event.listens_for(Session, "after_transaction_end")
def _write_lines(session: Session, transaction: SessionTransaction) -> None:
    # Now the session has given its connection back: marking takes one, and there may be no second.
    journal: Journal | None = session.info.get(_JOURNAL)
    if journal is None or transaction.parent is not None:
        return
    engine = session.get_bind()
    assert isinstance(engine, Engine)
    lines = session.info.pop(_COMMITTED, None)
    if lines:
        journal.append(list(lines.values()))
        _mark_written(engine, list(lines))
    elif journal.is_behind:
        catch_up(sessionmaker(engine), journal)


def _mark_written(engine: Engine, ids: list[str]) -> None:
    try:
        with engine.begin() as connection:
            connection.execute(update(Revocation).where(Revocation.id.in_(ids)).values(written=True))
    except SQLAlchemyError as problem:
        # It is on disk, which is what counts; the worker writes it a second time.
        log.warning("revocation_not_marked", problem=type(problem).__name__)


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_NOTED, None)
    session.info.pop(_LINES, None)
