"""Turns at SQLite's write lock: one asks at a time, nobody waits for a turn that is over, and nobody waits for ever."""

import errno
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest
from sqlalchemy.exc import OperationalError

from service.databases import write_turns
from service.databases.write_turns import WriteTurns, turns_at
from tests.conftest import wait_until

_HOLDS = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR, 0o600)
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    connection = sqlite3.connect(tmp_path / "kept.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE kept (name TEXT NOT NULL)")
    connection.close()
    return tmp_path / "kept.db"


@pytest.fixture
def connected(database: Path) -> Callable[[], sqlite3.Connection]:
    return lambda: sqlite3.connect(database, isolation_level=None, check_same_thread=False, timeout=10)


def holder(database: Path) -> subprocess.Popen[str]:
    """Another process whose turn it is."""
    found = subprocess.Popen(
        [sys.executable, "-c", _HOLDS, f"{database}-turns"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert found.stdout is not None and found.stdout.readline() == "held\n"
    return found


def test_a_writer_waits_for_the_turn_of_another_process_and_goes_on_when_that_one_is_killed(
    database: Path, connected: Callable[[], sqlite3.Connection]
) -> None:
    other, connection, begun = holder(database), connected(), Event()

    def begin() -> None:
        WriteTurns(database).begin(connection.execute)
        begun.set()

    writer = Thread(target=begin)
    writer.start()
    assert not begun.wait(0.3) and not connection.in_transaction
    other.send_signal(signal.SIGKILL)
    writer.join(10)
    other.communicate()

    assert begun.is_set() and connection.in_transaction
    connection.execute("ROLLBACK")


def test_the_turn_is_over_once_the_transaction_has_begun(
    database: Path, connected: Callable[[], sqlite3.Connection]
) -> None:
    writing = connected()
    WriteTurns(database).begin(writing.execute)
    file = os.open(f"{database}-turns", os.O_RDWR)

    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    os.close(file)
    writing.execute("COMMIT")


def test_two_threads_of_a_process_write_one_after_the_other(
    database: Path, connected: Callable[[], sqlite3.Connection]
) -> None:
    turns = turns_at(database)
    assert turns_at(database) is turns, "the same for everybody in this process"

    def write(name: str) -> None:
        connection = connected()
        for _ in range(20):
            turns.begin(connection.execute)
            connection.execute("INSERT INTO kept VALUES (?)", (name,))
            connection.execute("COMMIT")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    assert connected().execute("SELECT count(*), count(DISTINCT name) FROM kept").fetchone() == (80, 4)


def test_who_waits_for_a_thread_that_cannot_begin_is_told_so_in_time(
    database: Path, connected: Callable[[], sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_turns, "SECONDS", 0.5)
    turns, held = WriteTurns(database), connected()
    held.execute("BEGIN IMMEDIATE")
    first, second = connected(), connected()
    first.execute("PRAGMA busy_timeout=3000")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(turns.begin, first.execute)
        wait_until(lambda: turns._threads.locked(), 10, "nobody asks")
        with pytest.raises(OperationalError, match="locked"):
            turns.begin(second.execute)
        held.execute("COMMIT")
        waiting.result(10)
    first.execute("COMMIT")


def test_who_waited_long_for_the_turn_waits_shorter_for_the_lock_and_as_ever_the_next_time(
    database: Path, connected: Callable[[], sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Less than a second is left from the start, as after nine seconds of waiting.
    monkeypatch.setattr(write_turns, "SECONDS", 0.4)
    monkeypatch.setattr(write_turns, "AT_ONCE", 0.0)
    held, late = connected(), connected()
    held.execute("BEGIN IMMEDIATE")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        WriteTurns(database).begin(late.execute)

    assert late.execute("PRAGMA busy_timeout").fetchone() == (10_000,)
    held.execute("COMMIT")


def test_a_child_process_takes_turns_of_its_own(database: Path, connected: Callable[[], sqlite3.Connection]) -> None:
    turns, connection = WriteTurns(database), connected()
    turns.begin(connection.execute)
    connection.execute("COMMIT")
    before = turns._opened
    assert before is not None

    read, write = os.pipe()
    if (child := os.fork()) == 0:
        opened = turns._file()
        os.write(write, b"own" if opened is not None and opened != before[1] else b"parent's")
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(read, 16) == b"own"
    os.close(read), os.close(write)


@pytest.mark.parametrize("turns", [WriteTurns(None), WriteTurns(Path("/proc/nowhere/kept.db"))])
def test_without_a_file_that_can_be_locked_sqlites_own_lock_is_asked(
    connected: Callable[[], sqlite3.Connection], turns: WriteTurns
) -> None:
    connection = connected()

    turns.begin(connection.execute)

    assert connection.in_transaction
    connection.execute("COMMIT")


def test_who_was_stopped_in_their_turn_keeps_nobody_from_writing(
    database: Path, connected: Callable[[], sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_turns, "SECONDS", 0.5)
    other, turns, connection = holder(database), WriteTurns(database), connected()
    other.send_signal(signal.SIGSTOP)

    waited = []
    for _ in range(3):
        since = monotonic()
        turns.begin(connection.execute)
        waited.append(monotonic() - since)
        connection.execute("COMMIT")
    assert 0.4 < waited[0] < 5 and max(waited[1:]) < 0.3, "only the first one waits"

    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert turns._asker is not None
    turns._asker.join(10)
    file = os.open(f"{database}-turns", os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(file)
    with turns._turn(1):
        assert _is_locked(database), "and then there are turns again"


def test_a_turn_that_comes_late_is_given_back(database: Path) -> None:
    other, turns = holder(database), WriteTurns(database)
    with turns._turn(0.1):
        assert turns._asker is not None and turns._asker.is_alive()
    other.kill()
    other.communicate()
    turns._asker.join(10)
    assert not _is_locked(database)


def test_a_file_that_cannot_be_locked_is_done_without(
    database: Path, connected: Callable[[], sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    connection = connected()
    WriteTurns(database).begin(connection.execute)
    assert connection.in_transaction


def _is_locked(database: Path) -> bool:
    file = os.open(f"{database}-turns", os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
