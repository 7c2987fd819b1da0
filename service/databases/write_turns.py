"""Turns at SQLite's write lock: of all who want it, one asks at a time, the others wait where the kernel wakes them.

SQLite lets those who wait sleep 1, 2, 5 and up to 100 ms between their tries, and whoever comes then takes the lock
from under them: where two processes wrote with four threads each, one in a hundred waited half a second to a second.
The turn is a courtesy, SQLite's own lock stays the rule: where no file can be locked, or who has the turn does not go
on, it is asked without one.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary, finalize

from sqlalchemy.exc import OperationalError

SECONDS = 10.0
"""How long a writer waits for its turn and for the lock, together."""
AT_ONCE = 1.0
"""Seconds of waiting for the turn that do not count."""
_ENDING = "-turns"

Execute = Callable[[str], Any]
"""Runs a statement on the connection that is to write."""


class WriteTurns:
    """The turns at one database, for the threads of this process by a lock of its own, for processes by a file's."""

    def __init__(self, database: Path | None) -> None:
        """`database` is its file; None for one in memory, which nobody else writes."""
        self._path = database.with_name(database.name + _ENDING) if database else None
        self._threads = Lock()
        self._opened: tuple[int, int] | None = None
        """The process that opened the file, and its descriptor: a fork would share its parent's lock."""
        self._asker: _Asker | None = None

    def begin(self, execute: Execute) -> None:
        """Begin a transaction that may write, by `execute`. Raises OperationalError: not free in time."""
        since = monotonic()
        if not self._threads.acquire(timeout=SECONDS):
            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked"))
        try:
            with self._turn(SECONDS - (monotonic() - since)):
                _begin(execute, SECONDS - (monotonic() - since))
        finally:
            self._threads.release()

    @contextmanager
    def _turn(self, seconds: float) -> Iterator[None]:
        file = self._file()
        if file is None or not self._lock(file, seconds):
            yield
            return
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    def _lock(self, file: int, seconds: float) -> bool:
        """Whether it is our turn; after so many seconds it is somebody's who does not go on, and then nobody waits."""
        if self._asker is not None and self._asker.is_alive():
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._asker = _Asker(file)
            return self._asker.ask(seconds)
        except OSError:
            return False
        return True

    def _file(self) -> int | None:
        if self._path is None:
            return None
        if self._opened is None or self._opened[0] != os.getpid():
            try:
                opened = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError:
                return None
            finalize(self, os.close, opened)
            self._opened = (os.getpid(), opened)
        return self._opened[1]


class _Asker(Thread):
    """Waits for a file's lock, which the kernel bounds by no time, so that who wants it can go on without it.

    A process that was stopped in its turn (SIGSTOP, a frozen container) would else keep everybody from writing.
    """

    def __init__(self, file: int) -> None:
        super().__init__(name="write-turn", daemon=True)
        # Of its own: it may outlive the turns that it asks for. It is the same lock.
        self._file = os.dup(file)
        self._guard, self._came = Lock(), Event()
        self._is_awaited = True

    def ask(self, seconds: float) -> bool:
        """Whether the lock came within so many seconds; one that comes later is given back at once."""
        self.start()
        if self._came.wait(max(0.0, seconds)):
            return True
        with self._guard:
            self._is_awaited = self._came.is_set()
            return self._is_awaited

    def run(self) -> None:
        """Wait for it."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        with self._guard:
            if not self._is_awaited:
                fcntl.flock(self._file, fcntl.LOCK_UN)
            self._came.set()
        os.close(self._file)


def turns_at(database: Path | None) -> WriteTurns:
    """The turns at a database: the same ones for all who ask in this process."""
    if database is None:
        return WriteTurns(None)
    with _GUARD:
        return _KNOWN.setdefault(database, WriteTurns(database))


_GUARD = Lock()
_KNOWN: WeakValueDictionary[Path, WriteTurns] = WeakValueDictionary()


def _begin(execute: Execute, seconds_left: float) -> None:
    if SECONDS - seconds_left < AT_ONCE:
        execute("BEGIN IMMEDIATE")
        return
    # Whoever waited long for the turn does not wait as long again for the lock.
    (usual,) = execute("PRAGMA busy_timeout").fetchone()
    execute(f"PRAGMA busy_timeout={max(0, int(seconds_left * 1000))}")
    try:
        execute("BEGIN IMMEDIATE")
    finally:
        execute(f"PRAGMA busy_timeout={usual}")
