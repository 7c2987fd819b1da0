"""Sessions that read without a transaction: what they write stands at once, the ORM still has its transaction."""

import os
import socket
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from service import audit, single_use
from service.clock import now
from service.databases import prepared
from service.databases.group_commit import NotWritten
from service.databases.prepared import PreparedStatements
from service.databases.reading import ReadingSession, ReadingSessions
from service.databases.replica import _OF_PRIMARY
from service.db import Row, driver_cursor
from service.plan.models import Member
from tests.factories import make_member

EVENTS = "SELECT count(*) FROM audit_event"
of_a_server = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def sessions(engine: Engine) -> ReadingSessions:
    return ReadingSessions(engine)


@pytest.fixture
def reading(sessions: ReadingSessions) -> Iterator[ReadingSession]:
    with sessions.open() as made:
        yield made


def test_the_audit_row_of_a_reading_session_stands_before_its_end(reading: ReadingSession, session: Session) -> None:
    audit.record(reading, "test:thing:read")
    assert session.scalar(text(EVENTS)) == 1


def test_a_claim_and_its_rows_stand_at_once_and_a_second_claim_brings_none(
    reading: ReadingSession, session: Session
) -> None:
    soon, rows = now() + timedelta(minutes=1), [audit.row("test:thing:read"), audit.row("test:thing:told")]
    assert single_use.claim(reading, "test", "one", expires_at=soon, rows=rows)
    assert session.scalar(text(EVENTS)) == 2
    session.commit()
    for again in (reading, session):
        assert not single_use.claim(again, "test", "one", expires_at=soon, rows=rows)
    assert session.scalar(text(EVENTS)) == 2


def test_a_claim_whose_rows_cannot_be_written_is_none(reading: ReadingSession, session: Session) -> None:
    soon, event = now() + timedelta(minutes=1), audit.row("test:thing:read")
    without_tag = Row(event.insertion, (event.values[0], None, *event.values[2:]))
    with pytest.raises((NotWritten, psycopg.errors.NotNullViolation)):
        single_use.claim(reading, "test", "one", expires_at=soon, rows=[event, without_tag])
    assert session.scalar(text(EVENTS)) == 0
    session.commit()
    assert single_use.claim(reading, "test", "one", expires_at=soon, rows=[event])


def test_a_claim_in_a_transaction_falls_with_it(reading: ReadingSession, session: Session) -> None:
    soon = now() + timedelta(minutes=1)
    assert single_use.claim(session, "test", "one", expires_at=soon, rows=[audit.row("test:a:b")])
    session.rollback()
    assert single_use.claim(reading, "test", "one", expires_at=soon, rows=[audit.row("test:a:b")])


def test_statements_of_a_reading_session_join_a_transaction_that_the_orm_began(
    reading: ReadingSession, session: Session
) -> None:
    make_member(reading)
    audit.record(reading, "test:thing:write")
    reading.rollback()
    assert session.scalar(text(EVENTS)) == 0


def test_what_the_orm_writes_in_a_reading_session_stands_after_commit(
    reading: ReadingSession, session: Session
) -> None:
    assert driver_cursor(reading).execute(EVENTS).fetchall() == [(0,)]
    make_member(reading)
    audit.record(reading, "test:thing:write")
    reading.commit()
    assert session.execute(text("SELECT count(*) FROM member")).one() == (1,)
    assert session.scalar(text(EVENTS)) == 1


def test_a_reading_session_serves_the_next_request_and_sees_what_came_meanwhile(
    sessions: ReadingSessions, session: Session
) -> None:
    with sessions.open() as first:
        assert driver_cursor(first).execute(EVENTS).fetchall() == [(0,)]
    audit.record(session, "test:thing:do")
    session.commit()
    with sessions.open() as second:
        assert driver_cursor(second).execute(EVENTS).fetchall() == [(1,)]
        assert second is first


def test_a_reading_session_forgets_what_the_orm_held(sessions: ReadingSessions, session: Session) -> None:
    with sessions.open() as first:
        made = make_member(first, given_name="Maria")
        first.commit()
    session.execute(text("UPDATE member SET given_name = 'Ana'"))
    session.commit()
    with sessions.open() as second:
        assert second.get_one(Member, made.id).given_name == "Ana"


def test_two_requests_at_one_time_have_a_session_each(sessions: ReadingSessions) -> None:
    with sessions.open() as closed:
        closed.close()
    with sessions.open() as first, sessions.open() as second:
        assert first is not second
        assert driver_cursor(first) is not driver_cursor(second)


@of_a_server
def test_a_connection_that_the_server_ended_is_replaced(engine: Engine, sessions: ReadingSessions) -> None:
    with sessions.open() as first:
        (pid,) = driver_cursor(first).execute("SELECT pg_backend_pid()").fetchall()[0]
    with engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with sessions.open() as second:
        assert driver_cursor(second).execute(EVENTS).fetchall() == [(0,)]


@of_a_server
@pytest.mark.parametrize("how", ["ended by the server", "cut on the way"])
def test_case_182_a_connection_lost_between_two_statements_is_the_drivers_operational_error(
    reading: ReadingSession, session: Session, how: str
) -> None:
    cursor = driver_cursor(reading)
    _lose(cursor, session, how)
    # The second try finds a connection that is known to be gone.
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            cursor.execute(EVENTS).fetchall()


@of_a_server
@pytest.mark.parametrize("how", ["ended by the server", "cut on the way"])
def test_case_182_a_connection_lost_within_a_request_is_answered_503_and_the_next_one_is_served(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    execute = PreparedStatements.execute

    def lose_first(cursor: PreparedStatements, *given: Any) -> PreparedStatements:
        monkeypatch.undo()
        _lose(cursor, session, how)
        return execute(cursor, *given)

    browser, bearer = app.test_client(), {"Authorization": "Bearer of-nobody"}
    for path in ("/oauth/userinfo", "/fhir/r4/Patient"):
        monkeypatch.setattr(PreparedStatements, "execute", lose_first)
        answer = browser.get(path, headers=bearer)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert browser.get(path, headers=bearer).status_code == 401


def _lose(cursor: Any, session: Session, how: str) -> None:
    """Take the connection behind a hand-kept statement away: between its two statements."""
    ((process,),) = cursor.execute("SELECT pg_backend_pid()").fetchall()
    if how == "ended by the server":
        session.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})
        session.commit()
        return
    line = socket.socket(fileno=os.dup(cursor._libpq.socket))
    line.shutdown(socket.SHUT_RDWR)
    line.close()


def test_a_fault_of_a_statement_is_the_drivers_and_the_next_one_runs(reading: ReadingSession) -> None:
    with pytest.raises((psycopg.Error, sqlite3.Error)):
        driver_cursor(reading).execute("SELECT nothing FROM nowhere")
    assert driver_cursor(reading).execute(EVENTS).fetchall() == [(0,)]


def test_statements_beyond_those_that_are_prepared_run_too(
    reading: ReadingSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "_MOST", 1)
    for wanted in (1, 2, 3):
        assert driver_cursor(reading).execute(f"SELECT {wanted}").fetchall() == [(wanted,)]
    assert driver_cursor(reading).execute("SELECT 1").fetchall() == [(1,)]


def test_values_of_every_kind_arrive_as_they_were_given(engine: Engine, reading: ReadingSession) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite's driver is used as it is")
    text = "SELECT %s::text, %s::bigint, %s::boolean, %s::bytea, %s::text[], %s::text"
    given = ("q\"uo'te \\ é", 1 << 40, True, b"\0\xff", ["a,b", "{}", 'c"d', ""], None)
    assert driver_cursor(reading).execute(text, given).fetchall() == [given]


@of_a_server
def test_a_pooled_connection_that_the_server_ended_is_replaced(engine: Engine) -> None:
    with engine.connect() as one, engine.connect() as other:
        pid = one.scalar(text("SELECT pg_backend_pid()"))
        one.close()
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    for _ in range(3):
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1


@of_a_server
def test_a_statement_without_an_index_is_not_compiled_each_time(reading: ReadingSession) -> None:
    """Where a table has to be read whole, its plan looks dear enough for a compiler: 26 ms instead of 0.02."""
    told = reading.driver_cursor().execute(f"EXPLAIN (ANALYZE) {_OF_PRIMARY}").fetchall()
    assert "Seq Scan on visibility_epoch" in str(told) and "JIT" not in str(told)
