"""The database: base class of all tables, the instant column, engines for SQLite and PostgreSQL, ids and digests."""

import hashlib
import hmac
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard
from uuid import uuid4

from sqlalchemy import DDL, BigInteger, Dialect, Engine, Enum, MetaData, Table, create_engine, event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from service.databases.connections import USUAL, PoolLimits, look_for_pooler, require_alive
from service.databases.group_commit import Command
from service.databases.reading import ReadingSession
from service.databases.sqlite_file import named_by
from service.databases.write_turns import WriteTurns, turns_at
from service.sealing import each

# psycopg.pq.TransactionStatus.IDLE; on SQLite the driver is not loaded.
_IDLE = 0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables of the product."""

    metadata = MetaData(naming_convention=NAMING)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as BIGINT microseconds since 1970: the same in both databases, exact, in order."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_microseconds(value)


def words(kind: type[StrEnum], length: int = 32) -> Enum:
    """The column type of a StrEnum: its values as text, given back as members of the enum."""
    return Enum(kind, native_enum=False, length=length, values_callable=lambda every: [word.value for word in every])


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime; raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("instants must be aware datetimes")
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The aware UTC datetime of `value` microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)


def new_id() -> str:
    """A fresh outward id: UUID4 as text."""
    return str(uuid4())


def digest(secret: str) -> str:
    """SHA-256 (hex) of a random secret of 128 bits or more; such a secret needs no salt or key."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def keyed_digest(key: bytes, purpose: str, text: str) -> str:
    """HMAC-SHA-256 (hex) of a text that could be guessed, under the installation's key, apart for each purpose."""
    message = purpose.encode() + b"\0" + text.encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def keyed_digests(key: bytes, purpose: str, text: str) -> list[str]:
    """The `keyed_digest` under the present key and under each earlier one that is named, in this order."""
    return [keyed_digest(one, purpose, text) for one in each(key)]


def is_keyed_digest(kept: str, key: bytes, purpose: str, text: str) -> bool:
    """Whether `kept` is the `keyed_digest` of this text, compared in constant time."""
    return any(hmac.compare_digest(kept, one) for one in keyed_digests(key, purpose, text))


def make_engine(url: str | URL, limits: PoolLimits = USUAL) -> Engine:
    """An engine for SQLite (WAL, full sync, BEGIN IMMEDIATE) or PostgreSQL (psycopg 3)."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed, limits)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    # What the URL says itself counts. Without limits a server that vanished is waited for by the quarter of an hour.
    parsed = parsed.update_query_dict({name: told for name, told in _PATIENCE.items() if name not in parsed.query})
    engine = create_engine(
        parsed, pool_size=limits.size, max_overflow=limits.overflow, pool_timeout=limits.seconds, hide_parameters=True
    )
    event.listen(engine, "connect", look_for_pooler)
    event.listen(engine, "checkout", require_alive)
    event.listen(engine, "reset", _end_left_open)
    return engine


_PATIENCE = {
    "connect_timeout": "5", "tcp_user_timeout": "8000", "keepalives_idle": "5", "keepalives_interval": "2",
    "keepalives_count": "2",
}  # fmt: skip
"""Parameters of libpq: how long a connection may take to be made (s), and a server to be silent (ms and s)."""


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    """The factory of database sessions; objects stay readable after commit."""
    return sessionmaker(engine, expire_on_commit=False)


def append_only(table: Table) -> None:
    """Make the database itself refuse to change or delete rows of `table`, whoever asks (triggers, both databases)."""
    name = table.name
    for action in ("UPDATE", "DELETE"):
        refuse = DDL(
            f"CREATE TRIGGER {name}_no_{action.lower()} BEFORE {action} ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
        )
        event.listen(table, "after_create", refuse.execute_if(dialect="sqlite"))
    for statement in (
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME; END $$",
        f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ):
        event.listen(table, "after_create", DDL(statement).execute_if(dialect="postgresql"))


def is_in_autocommit(session: Session) -> TypeGuard[ReadingSession]:
    """Whether each hand-kept statement of the session is a transaction of its own now."""
    return isinstance(session, ReadingSession) and not session.in_transaction()


def database_of(session: Session) -> str:
    """SQLAlchemy's name of the session's database."""
    return session.database if isinstance(session, ReadingSession) else session.get_bind().dialect.name


def driver_cursor(session: Session) -> Any:
    """A cursor of the driver itself (binary on PostgreSQL) for a hand-kept statement, in the session's transaction."""
    if is_in_autocommit(session):
        return session.driver_cursor()
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    return driver.cursor(binary=True) if connection.dialect.name == "postgresql" else driver.cursor()


def copy_cursor(session: Session) -> Any:
    """What runs hand-kept statements that read FHIR data: the replica's, where there is one that may answer.

    A session in a transaction reads the primary, and so what it has written itself.
    """
    return session.copy_cursor() if is_in_autocommit(session) else driver_cursor(session)


class Statement:
    """A hand-kept statement in both dialects; values are marked by %s, and there is no other percent in the text.

    `sqlite` is the text for SQLite where it is another one, with the same values.
    """

    def __init__(self, text: str, *, sqlite: str = "") -> None:
        self.text = text
        self._texts = {"postgresql": text, "sqlite": (sqlite or text).replace("%s", "?")}

    def run(self, session: Session, *values: Any) -> Any:
        """Run it on the driver's own cursor, in the session's transaction; the cursor, for `fetchall`."""
        return driver_cursor(session).execute(self.text_for(session), values)

    def text_for(self, session: Session) -> str:
        """The text in the dialect of the session's database."""
        return self._texts[database_of(session)]


class Insertion(Statement):
    """A row of one table, by its columns."""

    def __init__(self, table: str, *columns: str) -> None:
        self.into, self.marks = f"INSERT INTO {table} ({', '.join(columns)})", ", ".join(["%s"] * len(columns))
        super().__init__(f"{self.into} VALUES ({self.marks})")
        self.if_new = Statement(f"{self.into} VALUES ({self.marks}) ON CONFLICT DO NOTHING RETURNING 1")


class Row(NamedTuple):
    """A row to be written."""

    insertion: Insertion
    values: tuple[Any, ...]

    def command(self, session: Session) -> Command:
        """Text and values for the session's database."""
        return self.insertion.text_for(session), self.values


def write(session: Session, row: Row) -> None:
    """Write a row that is whole by itself: in the session's transaction, or committed at once."""
    if is_in_autocommit(session):
        session.write_alone(*row.command(session))
    else:
        row.insertion.run(session, *row.values)


def write_if_new(session: Session, row: Row, others: Sequence[Row] = ()) -> bool:
    """Write a row unless one of its key is there, and `others` with it: all of them, or none. Whether it was new.

    In the session's transaction, or committed at once: of callers at one time exactly one writes.
    """
    if database_of(session) == "postgresql":
        values = (*row.values, *(value for other in others for value in other.values))
        statement = _in_one(row.insertion, *(other.insertion for other in others))
        return bool(statement.run(session, *values).fetchall())
    first = row.insertion.if_new
    if is_in_autocommit(session):
        return session.write_if_new((first.text_for(session), row.values), [one.command(session) for one in others])
    is_new = bool(first.run(session, *row.values).fetchall())
    for other in others if is_new else ():
        other.insertion.run(session, *other.values)
    return is_new


Bound = tuple[Statement, tuple[Any, ...]]
"""A statement and its values."""


def write_together(
    session: Session, changes: Sequence[Bound], insertions: Sequence[Bound] = ()
) -> list[tuple[Any, ...]]:  # fmt: skip
    """Run statements that stand or fall together, and what the last one gives back (RETURNING).

    In the session's transaction, or committed at once. Each of `changes` ends in its condition, and locks its rows
    after those before it.
    """
    every = [*changes, *insertions]
    if database_of(session) == "postgresql":
        statement = _as_one(len(changes), *(one for one, _ in every))
        return _rows_of(statement.run(session, *(value for _, values in every for value in values)))
    if is_in_autocommit(session):
        return session.write_together([(one.text_for(session), values) for one, values in every])
    for one, values in every:
        found = one.run(session, *values)
    return _rows_of(found)


def _rows_of(found: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = found.fetchall()
    return rows


@cache
def _as_one(how_many_changes: int, *statements: Statement) -> Statement:
    """PostgreSQL's statement for all of them: one round trip, and one transaction where it runs alone."""
    texts = [one.text for one in statements]
    # The server may take them in any order, unless one looks at what another has done.
    for number in range(1, min(how_many_changes, len(texts))):
        texts[number] += f" AND (SELECT count(*) FROM step_{number - 1}) >= 0"  # noqa: S608
    *before, last = texts
    if not before:
        return statements[0]
    steps = [f"{text} RETURNING 1" if number < how_many_changes else text for number, text in enumerate(before)]
    named = ", ".join(f"step_{number} AS ({step})" for number, step in enumerate([*steps, last]))
    return Statement(f"WITH {named} SELECT * FROM step_{len(steps)}")  # noqa: S608


@cache
def _in_one(first: Insertion, *others: Insertion) -> Statement:
    """PostgreSQL's statement for all of them: one round trip, and one transaction where it runs alone."""
    with_it = "".join(
        f", other_{number} AS ({one.into} SELECT {one.marks} FROM first)"  # noqa: S608
        for number, one in enumerate(others)
    )
    inserted = f"{first.into} VALUES ({first.marks}) ON CONFLICT DO NOTHING RETURNING 1"
    return Statement(f"WITH first AS ({inserted}){with_it} SELECT 1 FROM first")  # noqa: S608


def _end_left_open(connection: Any, *_: object) -> None:
    # After a commit that failed SQLAlchemy believes that the transaction is over, and gives the connection back with it
    # open: the next request would fail on it, or commit what this one could not.
    if isinstance(connection, sqlite3.Connection):
        is_open = connection.in_transaction
    else:
        is_open = connection.pgconn.transaction_status != _IDLE
    if is_open:
        connection.rollback()


def _sqlite_engine(url: URL, limits: PoolLimits) -> Engine:
    engine = create_engine(
        url, pool_size=limits.size, max_overflow=limits.overflow, pool_timeout=limits.seconds, hide_parameters=True,
        connect_args={"timeout": 10, "check_same_thread": False},
    )  # fmt: skip
    _keep_private(url)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _beginning(turns_at(named_by(url))))
    event.listen(engine, "reset", _end_left_open)
    return engine


def _keep_private(url: URL) -> None:
    # The file holds members' records: nobody else on the machine reads it. SQLite gives its log the same mode.
    if url.database and url.database != ":memory:" and not Path(url.database).exists():
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        Path(url.database).touch(mode=0o600)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction handling starts deferred transactions, which fail at once when they turn to write.
    connection.isolation_level = None
    # With recursive_triggers REPLACE deletes as DELETE does: append-only tables refuse it too.
    for pragma in (
        "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON", "busy_timeout=10000",
    ):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")


def _beginning(turns: WriteTurns) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        turns.begin(connection.exec_driver_sql)

    return begin
