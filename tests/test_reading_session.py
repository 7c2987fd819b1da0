"""Sessions that read without a transaction: what they write stands at once, the ORM still has its transaction."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from service import audit
from service.db import ReadingConnections, ReadingSession, driver_cursor
from tests.factories import make_member

EVENTS = "SELECT count(*) FROM audit_event"


@pytest.fixture
def connections(engine: Engine) -> ReadingConnections:
    return ReadingConnections(engine)


@pytest.fixture
def reading(connections: ReadingConnections) -> Iterator[ReadingSession]:
    with connections.session() as made:
        yield made


def test_the_audit_row_of_a_reading_session_stands_before_its_end(reading: ReadingSession, session: Session) -> None:
    audit.record(reading, "test:thing:read")
    assert session.scalar(text(EVENTS)) == 1


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


def test_a_reading_connection_serves_the_next_session_and_sees_what_came_meanwhile(
    connections: ReadingConnections, session: Session
) -> None:
    with connections.session() as first:
        # Not read to its end: the connection must not keep the old snapshot for the next session.
        driver_cursor(first).execute("SELECT 1 UNION ALL SELECT count(*) FROM audit_event")
        used = first._taken
    audit.record(session, "test:thing:do")
    session.commit()
    with connections.session() as second:
        assert driver_cursor(second).execute(EVENTS).fetchall() == [(1,)]
        assert second._taken is used


def test_a_connection_that_the_server_ended_is_replaced(engine: Engine, connections: ReadingConnections) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no server")
    with connections.session() as first:
        (pid,) = driver_cursor(first).execute("SELECT pg_backend_pid()").fetchall()[0]
    with engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with connections.session() as second:
        assert driver_cursor(second).execute(EVENTS).fetchall() == [(0,)]


def test_a_pooled_connection_that_the_server_ended_is_replaced(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no server")
    with engine.connect() as one, engine.connect() as other:
        pid = one.scalar(text("SELECT pg_backend_pid()"))
        one.close()
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    for _ in range(3):
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
