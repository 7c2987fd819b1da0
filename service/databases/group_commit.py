"""Rows of several requests in one transaction of SQLite: one wait for the disk and for the write lock instead of many.

No thread of its own: the first request that has a row leads. It asks for the write lock, takes every row that waits by
then, commits them together and wakes their requests; the first one that came too late leads next. No request goes on
before the commit of its own row, and where the commit fails none of its requests goes on.
"""

import sqlite3
from collections.abc import Sequence
from threading import Lock
from typing import Any

from service.databases.write_turns import WriteTurns

Command = tuple[str, tuple[Any, ...]]
"""A statement and its values."""


class NotWritten(Exception):
    """The transaction that held the row of this request failed: none of its rows stands."""


class _Row:
    __slots__ = ("command", "is_new", "others", "problem", "woken", "written")

    def __init__(self, command: Command, others: Sequence[Command] | None = None) -> None:
        self.command = command
        self.others = others
        """What is written with the row where it is new; None where it is written in any case."""
        self.is_new = False
        self.written = False
        self.problem: BaseException | None = None
        self.woken: Lock | None = None
        """Of a request that waits: held until it has something to do: go on, fail, or lead."""

    def put(self, cursor: sqlite3.Cursor) -> None:
        found = cursor.execute(*self.command)
        if self.others is None:
            return
        self.is_new = bool(found.fetchall())
        for other in self.others if self.is_new else ():
            cursor.execute(*other)


class _Together(_Row):
    """Statements that stand or fall together."""

    __slots__ = ("commands", "found")

    def __init__(self, commands: Sequence[Command]) -> None:
        super().__init__(commands[0])
        self.commands = commands
        self.found: list[tuple[Any, ...]] = []
        """What the last one gives back."""

    def put(self, cursor: sqlite3.Cursor) -> None:
        for command in self.commands:
            given = cursor.execute(*command)
        self.found = given.fetchall()


class GroupCommit:
    """What the requests of one process write together."""

    def __init__(self, turns: WriteTurns) -> None:
        self._turns = turns
        self._guard = Lock()
        self._waiting: list[_Row] = []
        self._led = False

    def write(self, cursor: sqlite3.Cursor, text: str, values: tuple[Any, ...]) -> None:
        """Write a row, on the caller's connection or on that of another request; it is committed when this returns.

        `cursor` is of a connection in autocommit. Raises NotWritten.
        """
        self._write(cursor, _Row((text, values)))

    def write_if_new(self, cursor: sqlite3.Cursor, row: Command, others: Sequence[Command]) -> bool:
        """The same for a row that gives itself back where it was not there yet, and for `others` with it or not at all.

        Whether it was new. Raises NotWritten.
        """
        waiting = _Row(row, others)
        self._write(cursor, waiting)
        return waiting.is_new

    def write_together(self, cursor: sqlite3.Cursor, commands: Sequence[Command]) -> list[tuple[Any, ...]]:
        """The same for statements that stand or fall together; what the last one gives back. Raises NotWritten."""
        waiting = _Together(commands)
        self._write(cursor, waiting)
        return waiting.found

    def _write(self, cursor: sqlite3.Cursor, row: _Row) -> None:
        with self._guard:
            self._waiting.append(row)
            if self._led:
                row.woken = Lock()
                row.woken.acquire()
            self._led = True
        if row.woken is not None:
            row.woken.acquire()
        if row.problem is not None:
            raise NotWritten from row.problem
        if not row.written:
            self._lead(cursor)

    def _lead(self, cursor: sqlite3.Cursor) -> None:
        taken: list[_Row] = []
        try:
            # While another process holds the lock, rows gather.
            self._turns.begin(cursor.execute)
            taken = self._take()
            for row in taken:
                row.put(cursor)
            cursor.execute("COMMIT")
        except BaseException as problem:
            _wake(taken or self._take(), problem)
            if cursor.connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise NotWritten from problem
        else:
            _wake(taken)
        finally:
            self._hand_over()

    def _take(self) -> list[_Row]:
        with self._guard:
            taken, self._waiting = self._waiting, []
        return taken

    def _hand_over(self) -> None:
        with self._guard:
            if self._waiting:
                _wake_one(self._waiting[0])
            else:
                self._led = False


def _wake(rows: list[_Row], problem: BaseException | None = None) -> None:
    for row in rows:
        row.problem, row.written = problem, problem is None
        _wake_one(row)


def _wake_one(row: _Row) -> None:
    if row.woken is not None:
        row.woken.release()
