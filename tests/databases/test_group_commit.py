"""Audit rows of several reading requests in one transaction: each stands before its answer, or nobody gets one."""

import os
import signal
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from service.databases.group_commit import GroupCommit, NotWritten
from service.databases.write_turns import WriteTurns
from tests.conftest import running_server, wait_until
from tests.fhir.conftest import Api, connect, desk, loaded, system
from tests.oauth.desk import Desk

__all__ = ["connect", "desk", "loaded", "system"]
TOGETHER = 64
INSERT = "INSERT INTO kept (name) VALUES (?)"
DISCLOSED = "SELECT count(*) FROM audit_event WHERE tag = 'fhir:Patient:read' AND outcome = 'success'"
of_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def cursor_of(tmp_path: Path) -> Callable[[], sqlite3.Cursor]:
    """Connections in autocommit to one file, as reading sessions hold them."""

    def connected() -> sqlite3.Cursor:
        connection = sqlite3.connect(tmp_path / "kept.db", isolation_level=None, check_same_thread=False, timeout=10)
        connection.execute("PRAGMA journal_mode=WAL")
        return connection.cursor()

    connected().execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    return connected


def names(cursor: sqlite3.Cursor) -> list[str]:
    return [name for (name,) in cursor.execute("SELECT name FROM kept ORDER BY number").fetchall()]


def write_while_locked(cursor_of: Callable[[], sqlite3.Cursor], given: list[Any]) -> list[BaseException | None]:
    """Write all of them at one time while another process, so to say, holds the lock; how each ended."""
    together, other = GroupCommit(WriteTurns(None)), cursor_of()
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(len(given)) as pool:
        waiting = [pool.submit(together.write, cursor_of(), INSERT, (value,)) for value in given]
        wait_until(lambda: len(together._waiting) == len(given), 10, "not all of them wait")
        assert not any(one.done() for one in waiting)
        other.execute("COMMIT")
        return [one.exception(10) for one in waiting]


def test_rows_that_wait_are_written_by_one_transaction(cursor_of: Callable[[], sqlite3.Cursor]) -> None:
    seen: list[str] = []
    given = [str(number) for number in range(8)]
    assert write_while_locked(lambda: _traced(cursor_of(), seen), given) == [None] * 8
    assert sorted(names(cursor_of())) == given
    # One of the two is that of the process that held the lock.
    assert seen.count("COMMIT") == 2


def test_a_row_that_fails_fails_all_that_wait_with_it_and_none_is_kept(
    cursor_of: Callable[[], sqlite3.Cursor],
) -> None:
    ended = write_while_locked(cursor_of, ["a", "b", None, "c"])
    assert [type(problem) for problem in ended] == [NotWritten] * 4
    assert names(cursor_of()) == []


def test_rows_are_written_after_a_failure(cursor_of: Callable[[], sqlite3.Cursor]) -> None:
    together, cursor = GroupCommit(WriteTurns(None)), cursor_of()
    with pytest.raises(NotWritten):
        together.write(cursor, INSERT, (None,))
    together.write(cursor, INSERT, ("kept",))
    assert names(cursor_of()) == ["kept"]


def test_of_rows_of_one_key_that_wait_one_is_new_and_brings_what_hangs_from_it(
    cursor_of: Callable[[], sqlite3.Cursor],
) -> None:
    cursor_of().execute("CREATE TABLE claimed (name TEXT PRIMARY KEY)")
    together, other = GroupCommit(WriteTurns(None)), cursor_of()
    other.execute("BEGIN IMMEDIATE")
    claim = "INSERT INTO claimed (name) VALUES (?) ON CONFLICT DO NOTHING RETURNING 1"
    with ThreadPoolExecutor(8) as pool:
        waiting = [
            pool.submit(
                together.write_if_new, cursor_of(), (claim, (str(number % 2),)), [(INSERT, (f"{number % 2}",))] * 2
            )
            for number in range(8)
        ]  # fmt: skip
        wait_until(lambda: len(together._waiting) == 8, 10, "not all of them wait")
        other.execute("COMMIT")
        won = [one.result(10) for one in waiting]
    assert sorted((number % 2, is_new) for number, is_new in enumerate(won) if is_new) == [(0, True), (1, True)]
    assert sorted(names(cursor_of())) == ["0", "0", "1", "1"]
    assert not together.write_if_new(cursor_of(), (claim, ("0",)), [(INSERT, ("again",))])
    assert "again" not in names(cursor_of())


def test_each_row_is_committed_once_when_its_write_returns(cursor_of: Callable[[], sqlite3.Cursor]) -> None:
    together, start = GroupCommit(WriteTurns(None)), Barrier(8)

    def write_many(writer: int) -> None:
        cursor, reader = cursor_of(), cursor_of()
        start.wait()
        for number in range(25):
            name = f"{writer} {number}"
            together.write(cursor, INSERT, (name,))
            found = reader.execute("SELECT count(*) FROM kept WHERE name = ?", (name,)).fetchall()
            assert found == [(1,)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write_many, range(8)))
    assert sorted(names(cursor_of())) == sorted(f"{writer} {number}" for writer in range(8) for number in range(25))


def test_disclosures_of_two_workers_are_as_many_rows(connect: Callable[..., Api], desk: Desk, session: Session) -> None:
    api = connect()
    with running_server(desk.settings) as server, ThreadPoolExecutor(TOGETHER) as pool:
        statuses = list(pool.map(lambda _number: read(server.url, api)[0], range(4 * TOGETHER)))
    assert statuses == [200] * (4 * TOGETHER)
    assert session.scalar(text(DISCLOSED)) == 4 * TOGETHER


@of_sqlite
def test_no_answer_leaves_without_its_row(connect: Callable[..., Api], desk: Desk, engine: Engine) -> None:
    api = connect()
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TRIGGER full BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        )
    with running_server(desk.settings) as server, ThreadPoolExecutor(TOGETHER) as pool:
        answers = list(pool.map(lambda _number: read(server.url, api), range(TOGETHER)))
    assert {status for status, _ in answers} == {503}
    assert not any(api.patient_id in body for _, body in answers)


def test_killed_workers_leave_no_answer_without_its_row(
    connect: Callable[..., Api], desk: Desk, session: Session
) -> None:
    api = connect()
    with running_server(desk.settings) as server, ThreadPoolExecutor(TOGETHER) as pool:
        read(server.url, api)
        asked = [pool.submit(read, server.url, api) for _ in range(8 * TOGETHER)]
        wait_until(lambda: sum(one.done() for one in asked) > TOGETHER, 60, "nothing is answered")
        for worker in workers_on(server.url):
            os.kill(worker, signal.SIGKILL)
        received = 1 + sum(one.result()[0] == 200 for one in asked)
    kept = session.scalar(text(DISCLOSED))
    assert TOGETHER < received < 8 * TOGETHER
    assert kept is not None and kept >= received


def read(url: str, api: Api) -> tuple[int, str]:
    """Status and body of a read; status 0 where no whole answer came."""
    asked = Request(f"{url}/fhir/r4/Patient/{api.patient_id}", headers={"Authorization": f"Bearer {api.token}"})
    try:
        with urlopen(asked, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        return refused.code, refused.read().decode()
    except (URLError, OSError):
        return 0, ""


def workers_on(url: str) -> list[int]:
    """The processes that serve: the children of the one that was started with this port."""
    port = url.rpartition(":")[2].encode()
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
            parent = int((place / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        if port in words:
            found[int(place.name)] = parent
    return [pid for pid, parent in found.items() if parent in found]


def _traced(cursor: sqlite3.Cursor, seen: list[str]) -> sqlite3.Cursor:
    cursor.connection.set_trace_callback(seen.append)
    return cursor
