"""What was ended stays ended when the database is put back to an older day: a journal of revocations outside of it.

Whatever a transaction took away (a grant ended, paused or narrowed, a token family ended, a link, a password, an app
shut out, somebody's rights in the portal) is a line in a file of `REVOCATION_JOURNAL`, on disk before the answer
leaves. Each line is a row of the database too: a line at the end of a file whose row is missing tells that the database
is older than the journal. Nothing is served then until `flask backup replay` has done every such line again
(decision 88).

A line: `{"id", "at" (microseconds), "table", "key", "values"}`, values as they were at the commit. No secret, no name.
"""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum as PythonEnum
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, cast

import orjson
import structlog
from sqlalchemy import Boolean, Enum, String, Table, Text, event, insert, inspect, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, SessionTransaction, mapped_column, sessionmaker

from service.clock import now
from service.db import Base, Instant, from_microseconds, microseconds, new_id
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
}  # fmt: skip
"""Columns that say what somebody may still do: a change of one is journalled, with all of them as they are then."""
NO_PASSWORD = "!"
"""In the place of a hash: fits no password. Its owner sets a new one by e-mail."""
ENDED_AS_A_WHOLE: Mapping[str, str] = {
    "login_session": "ended_at", "access_token": "ended_at", "system_token": "ended_at",
    "authorization_code": "spent_at", "email_code": "voided_at", "portal_invitation": "voided_at",
    "developer_invitation": "withdrawn_at", "mailed_pin": "voided_at",
}  # fmt: skip
"""Tables whose open rows a replay ends: what was signed out, spent or withdrawn since would live again among them."""
_JOURNAL, _NOTED = "latchstring.journal", "latchstring.noted"
_LINES, _COMMITTED = "latchstring.lines", "latchstring.committed"
_TAIL = 200
"""Lines at the end of a file that are looked up: processes and threads that write at once are never that far apart."""
_TAIL_BYTES = 1 << 17
_LOOK_AGAIN = 10.0
_AT_ONCE = 400
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


class Journal:
    """The files of one folder, which every process of this installation appends to, each host to its own by month."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_behind = False
        self._lock = Lock()
        self._looked_at = 0.0
        self._must_replay = False

    def append(self, lines: Sequence[str]) -> None:
        """Write lines and wait until they are on disk. Raises NotJournalled."""
        name = f"{now():%Y-%m}.{socket.gethostname()}.jsonl"
        text = "".join(f"{line}\n" for line in lines).encode()
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            is_new = not (self.folder / name).exists()
            handle = os.open(self.folder / name, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                with self._lock:
                    if _is_torn(handle):
                        # Of a crash or a full disk: that line must not take the next one with it.
                        text = b"\n" + text
                    if os.write(handle, text) != len(text):
                        raise OSError("cut short")
                os.fsync(handle)
            finally:
                os.close(handle)
            if is_new:
                _sync_folder(self.folder)
        except OSError as problem:
            self.is_behind = True
            log.error("revocation_not_journalled", problem=type(problem).__name__, folder=str(self.folder))
            raise NotJournalled from problem

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every line of every file; one that a crash cut short is passed over: nobody was told of it."""
        for path in sorted(self.folder.glob("*.jsonl")):
            with path.open("rb") as file:
                yield from _read(file)

    def must_replay(self, sessions: sessionmaker[Session]) -> bool:
        """Whether the database is older than the journal; looked up every ten seconds at most."""
        if not self._must_replay and self._looked_at and monotonic() - self._looked_at < _LOOK_AGAIN:
            return False
        ids = [line["id"] for line in self._ends()]
        with sessions() as session:
            self._must_replay = bool(ids and missing(session, ids))
        self._looked_at = monotonic()
        if self._must_replay:
            log.error("database_older_than_journal", folder=str(self.folder), mend="flask backup replay")
        return self._must_replay

    def _ends(self) -> Iterator[dict[str, Any]]:
        newest: dict[str, Path] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            newest[path.name.partition(".")[2]] = path
        for path in newest.values():
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
                yield from list(_read(file))[-_TAIL:]


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
        journal.append([row.line for row in found])
        journal.is_behind = False
        ids = [row.id for row in found]
        session.execute(update(Revocation).where(Revocation.id.in_(ids)).values(written=True))
        session.commit()
    return len(found)


def write_late(sessions: sessionmaker[Session], settings: Settings) -> None:
    """The job that writes what a process left."""
    catch_up(sessions, Journal(settings.journal_folder))


def replay(session: Session, journal: Journal) -> int:
    """Do again, in the caller's transaction, every line that the database does not know; how many.

    Access tokens, login sessions, codes, PINs and invitations end as a whole, and who changed their password since sets
    a new one.
    """
    lines = {line["id"]: line for line in journal.lines()}
    again = sorted((lines[one] for one in missing(session, list(lines))), key=lambda line: int(line["at"]))
    for line in again:
        _do_again(session, line)
        text = orjson.dumps(line).decode()
        session.add(Revocation(id=line["id"], at=from_microseconds(line["at"]), line=text, written=True))
    for name, column in ENDED_AS_A_WHOLE.items() if again else ():
        table = Base.metadata.tables[name]
        session.execute(update(table).where(table.c[column].is_(None)).values({column: now()}))
    session.flush()
    return len(again)


def _do_again(session: Session, line: dict[str, Any]) -> None:
    table = Base.metadata.tables[line["table"]]
    values = {name: _from_line(table, name, value) for name, value in line["values"].items()}
    if table.name == "account":
        before = session.scalar(select(table.c.credentials_version).where(_key(table) == line["key"]))
        if before is not None and before < values["credentials_version"]:
            values["password_hash"] = NO_PASSWORD
    session.execute(update(table).where(_key(table) == line["key"]).values(values))


def _key(table: Table) -> Any:
    return next(iter(table.primary_key.columns))


def _from_line(table: Table, name: str, value: Any) -> Any:
    kind = table.c[name].type
    if value is None:
        return None
    if isinstance(kind, Instant):
        return from_microseconds(value)
    if isinstance(kind, Enum) and kind.enum_class:
        return kind.enum_class(value)
    return value


def _to_line(value: Any) -> Any:
    if isinstance(value, datetime):
        return microseconds(value)
    return value.value if isinstance(value, PythonEnum) else value


def _read(file: Any) -> Iterator[dict[str, Any]]:
    for text in file:
        try:
            line = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        if isinstance(line, dict) and line.get("table") in WATCHED:
            yield line


def _is_torn(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@event.listens_for(Session, "after_flush")
def _note_objects(session: Session, _context: object) -> None:
    if _JOURNAL not in session.info:
        return
    for changed in session.dirty:
        state = inspect(changed)
        columns = WATCHED.get(str(cast(Any, changed).__tablename__), ())
        if any(state.attrs[name].history.has_changes() for name in columns):
            note(session, cast(Any, changed).__tablename__, state.identity[0])


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
    found = session.execute(select(*(table.c[column] for column in WATCHED[name])).where(_key(table) == key)).first()
    if found is None:
        return None
    values = {column: _to_line(value) for column, value in zip(WATCHED[name], found, strict=True)}
    return {"id": new_id(), "at": microseconds(now()), "table": name, "key": key, "values": values}


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
