"""Databases that fail at a chosen moment: every statement and every commit is counted at the driver itself.

SQLAlchemy's statements and those kept by hand meet at the drivers' cursors; those of libpq pass `PreparedStatements`.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from service.databases.prepared import PreparedStatements


@dataclass
class Faults:
    """Counts the steps of the database while it listens, and lets the one of number `fail_at` fail."""

    listening: bool = False
    count: int = 0
    fail_at: int = 0
    lose_commit: bool = False
    """Let the commit be done, and its answer be lost."""

    @contextmanager
    def listen(self, *, fail_at: int = 0, lose_commit: bool = False) -> Iterator["Faults"]:
        """Count from here to the end of the block; fail at that step, or lose the commit's answer."""
        self.listening, self.count, self.fail_at, self.lose_commit = True, 0, fail_at, lose_commit
        try:
            yield self
        finally:
            self.listening = False

    def step(self, error: type[Exception]) -> None:
        """A statement, or a commit, is about to be done."""
        if not self.listening:
            return
        self.count += 1
        if self.count == self.fail_at:
            raise error("a fault was asked for")

    def committed(self, error: type[Exception]) -> None:
        """A commit was done."""
        if self.listening and self.lose_commit:
            raise error("the answer to the commit was lost")


def install(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Let every connection that `engine` makes from now on count its steps."""
    faults = Faults()
    connect = _sqlite(faults) if engine.dialect.name == "sqlite" else _postgresql(faults)
    event.listen(engine, "do_connect", lambda _dialect, _record, given, named: connect(*given, **named))
    plain = PreparedStatements.execute

    def execute(self: PreparedStatements, text: str, values: tuple[Any, ...] = ()) -> PreparedStatements:
        faults.step(psycopg.OperationalError)
        done = plain(self, text, values)
        # In autocommit a statement that writes is a transaction of its own.
        if "INSERT" in text:
            faults.committed(psycopg.OperationalError)
        return done

    monkeypatch.setattr(PreparedStatements, "execute", execute)
    return faults


def _sqlite(faults: Faults) -> Any:
    class Cursor(sqlite3.Cursor):
        def execute(self, *given: Any) -> Any:
            faults.step(sqlite3.OperationalError)
            done = super().execute(*given)
            if given[0] == "COMMIT":
                faults.committed(sqlite3.OperationalError)
            return done

    class Connection(sqlite3.Connection):
        def cursor(self, *_given: Any, **_named: Any) -> Any:
            return super().cursor(Cursor)

        def commit(self) -> None:
            faults.step(sqlite3.OperationalError)
            super().commit()
            faults.committed(sqlite3.OperationalError)

    return lambda *given, **named: sqlite3.connect(*given, factory=Connection, **named)


def _postgresql(faults: Faults) -> Any:
    class Cursor(psycopg.Cursor[Any]):
        def execute(self, *given: Any, **named: Any) -> Any:
            faults.step(psycopg.OperationalError)
            return super().execute(*given, **named)

    class Connection(psycopg.Connection[Any]):
        def commit(self) -> None:
            faults.step(psycopg.OperationalError)
            super().commit()
            faults.committed(psycopg.OperationalError)

    return lambda *given, **named: Connection.connect(*given, cursor_factory=Cursor, **named)
