"""Single-use secrets: one winner, in the transaction of the deed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, String
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from service.clock import now
from service.db import make_sessions
from service.single_use import SpentOnce, claim, spend

ROUNDS, CALLERS = 20, 8


class Apart(DeclarativeBase):
    """Tables of this test alone: the product's schema must not learn of them."""


class Ticket(SpentOnce, Apart):
    """A single-use row that only these tests know."""

    __tablename__ = "test_ticket"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    used_by: Mapped[str | None] = mapped_column(String(36), default=None)


@pytest.fixture(autouse=True)
def tickets(engine: Engine) -> Iterator[None]:
    Apart.metadata.create_all(engine)
    yield
    Apart.metadata.drop_all(engine)


def test_a_secret_is_spent_once_and_keeps_who_spent_it(session: Session) -> None:
    session.add(Ticket(id="t"))
    session.flush()
    assert spend(session, Ticket, Ticket.id == "t", used_by="first")
    assert not spend(session, Ticket, Ticket.id == "t", used_by="second")
    assert session.get_one(Ticket, "t").used_by == "first"


def test_a_deed_that_fails_leaves_the_secret_unspent(session: Session) -> None:
    session.add(Ticket(id="t"))
    session.commit()
    assert spend(session, Ticket, Ticket.id == "t")
    session.rollback()
    assert spend(session, Ticket, Ticket.id == "t")


def test_conditions_must_hold(session: Session) -> None:
    session.add(Ticket(id="t", used_by="me"))
    session.flush()
    assert not spend(session, Ticket, Ticket.id == "t", Ticket.used_by.is_(None))


def test_a_claimed_value_is_refused_for_ever(session: Session) -> None:
    until = now() + timedelta(minutes=5)
    assert claim(session, "jti", "one", expires_at=until)
    assert not claim(session, "jti", "one", expires_at=until)
    assert claim(session, "jti", "two", expires_at=until)
    assert claim(session, "other", "one", expires_at=until)


def test_of_many_callers_exactly_one_wins(engine: Engine) -> None:
    sessions = make_sessions(engine)
    with ThreadPoolExecutor(CALLERS) as pool:
        for number in range(ROUNDS):
            with sessions.begin() as session:
                session.add(Ticket(id=str(number)))
            barrier = Barrier(CALLERS)

            def attempt(_caller: int, number: int = number, barrier: Barrier = barrier) -> bool:
                barrier.wait()
                with sessions.begin() as session:
                    return spend(session, Ticket, Ticket.id == str(number))

            assert sum(pool.map(attempt, range(CALLERS))) == 1
