"""Sessions of requests that only read and leave an audit row: no transaction, and connections that are kept."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from service.databases.connections import require_alive
from service.databases.group_commit import Command, GroupCommit
from service.databases.sqlite_file import named_by
from service.databases.write_turns import turns_at

if TYPE_CHECKING:
    from service.databases.replica import Replica


class ReadingSession(Session):
    """A session whose hand-kept statements are each a transaction of their own, on a connection in autocommit.

    A session of the ORM costs more than a whole read, and BEGIN and COMMIT a round trip each. Reading needs neither:
    the database is at READ COMMITTED, and the one row written, the audit's, is whole by itself and commits before the
    answer leaves. What goes through the ORM after all opens a transaction as ever, which the statements then join.
    """

    def __init__(self, bind: Engine, keeper: "ReadingSessions") -> None:
        super().__init__(bind, expire_on_commit=False, info=keeper.told)
        self._keeper = keeper
        self.database = bind.dialect.name
        self._connection: PoolProxiedConnection | None = None
        self._cursor: Any = None
        self._copy = keeper.replica.reads() if keeper.replica else None
        self._lent = True

    def driver_cursor(self) -> Any:
        """What runs hand-kept statements like a cursor, the same for all of them; read each to its end."""
        if self._cursor is None:
            self._connection = self._keeper.engine.raw_connection()
            driver: Any = self._connection.driver_connection
            if self.database == "postgresql":
                # Loads the driver of PostgreSQL, which SQLite does without.
                from service.databases.prepared import PreparedStatements  # noqa: PLC0415

                driver.autocommit = True
                self._cursor = PreparedStatements(driver)
            else:
                self._cursor = driver.cursor()
        return self._cursor

    def copy_cursor(self) -> Any:
        """What runs statements that read FHIR data: the replica where it may answer, or else the primary."""
        return self._copy.on(self.driver_cursor()) if self._copy else self.driver_cursor()

    def write_alone(self, text: str, values: tuple[Any, ...]) -> None:
        """Write a row that is whole by itself; it is committed when this returns."""
        cursor = self.driver_cursor()
        if self.database == "sqlite":
            self._keeper.together.write(cursor, text, values)
        else:
            cursor.execute(text, values)

    def write_if_new(self, row: Command, others: Sequence[Command]) -> bool:
        """On SQLite: commit a row that gives itself back where it is new, and `others` with it, or nothing."""
        return self._keeper.together.write_if_new(self.driver_cursor(), row, others)

    def write_together(self, commands: Sequence[Command]) -> list[tuple[Any, ...]]:
        """On SQLite: commit statements that stand or fall together; what the last one gives back."""
        return self._keeper.together.write_together(self.driver_cursor(), commands)

    def commit(self) -> None:
        """Commit what went through the ORM, if anything did."""
        if self.in_transaction():
            super().commit()

    def close(self) -> None:
        """Forget what the ORM held and serve the next request."""
        if self.in_transaction() or self.identity_map:
            super().close()
        # Closing twice must not lend it to two requests.
        if self._lent:
            self._lent = False
            self._keeper.keep(self)

    def lend(self) -> None:
        """Serve one request more; raises DisconnectionError where the server ended the connection."""
        self._lent = True
        if self._copy:
            self._copy.begin()
        if self._connection is not None and self.database == "postgresql":
            require_alive(self._connection.driver_connection)

    def end(self) -> None:
        """Close the connection for good."""
        if self._connection is not None:
            self._connection.invalidate()
        if self._copy:
            self._copy.end()


class ReadingSessions:
    """Reading sessions, each with its connection, kept for the next request: as many as read at once, within bounds.

    To make one anew and to pass the pool costs more than a read's statements.
    """

    def __init__(
        self, engine: Engine, replica: "Replica | None" = None, *, told: Mapping[str, Any] | None = None
    ) -> None:
        """`told` is what each session starts with in its `info`."""
        self.engine, self.told = engine, dict(told or {})
        self.replica = replica
        self.together = GroupCommit(turns_at(named_by(engine.url)))
        self._idle: deque[ReadingSession] = deque()
        # What is kept here is lacking in the pool: more than half would leave nothing for those who write.
        self._most_idle = max(1, engine.pool.size() // 2) if isinstance(engine.pool, QueuePool) else 1
        event.listen(engine, "engine_disposed", self._end_all)

    def open(self) -> ReadingSession:
        """A session for one request that only reads and leaves an audit row; its `close` gives it back."""
        while True:
            try:
                session = self._idle.pop()
            except IndexError:
                return ReadingSession(self.engine, self)
            try:
                session.lend()
                return session
            except DisconnectionError:
                session.end()

    def keep(self, session: ReadingSession) -> None:
        """Keep a session that has been closed, or end it where enough are kept."""
        if len(self._idle) < self._most_idle:
            self._idle.append(session)
        else:
            session.end()

    def _end_all(self, _engine: Engine) -> None:
        while self._idle:
            self._idle.pop().end()
