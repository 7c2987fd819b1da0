"""Two deeds that meet: the one waits for the other's commit, the other way round, and both begin at a barrier."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Barrier, Event
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from service.db import make_sessions

Deed = Callable[[Session], Any]
_ROUNDS = 12
_A_WHILE = 0.3


@dataclass(frozen=True)
class AtOnce:
    """How two deeds meet, each in a session and a thread of its own: `rounds` times, for what meets by chance."""

    sessions: sessionmaker[Session]
    pool: ThreadPoolExecutor
    way: str

    @property
    def rounds(self) -> int:
        """How often it is worth telling."""
        return _ROUNDS if self.way == "at once" else 1

    def __call__(self, one: Deed, other: Deed) -> tuple[Any, Any]:
        """What each of them gave."""
        if self.way == "first":
            return self._one_waits(one, other)
        if self.way == "second":
            return self._one_waits(other, one)[::-1]
        return self._both(one, other)

    def _one_waits(self, first: Deed, second: Deed) -> tuple[Any, Any]:
        """The second begins once the first has done everything but commit."""
        done, may_commit = Event(), Event()

        def begin() -> Any:
            with self.sessions.begin() as session:
                given = first(session)
                session.flush()
                done.set()
                assert may_commit.wait(20)
                return given

        one = self.pool.submit(begin)
        assert done.wait(20) or one.result()
        other = self.pool.submit(self._whole, second)
        wait([other], _A_WHILE)
        may_commit.set()
        return _results(one, other)

    def _both(self, one: Deed, other: Deed) -> tuple[Any, Any]:
        barrier = Barrier(2)

        def at_the_barrier(deed: Deed) -> Any:
            barrier.wait(20)
            return self._whole(deed)

        return _results(self.pool.submit(at_the_barrier, one), self.pool.submit(at_the_barrier, other))

    def _whole(self, deed: Deed) -> Any:
        with self.sessions.begin() as session:
            return deed(session)


def _results(*futures: Future[Any]) -> tuple[Any, Any]:
    one, other = (future.result(timeout=30) for future in futures)
    return one, other


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return make_sessions(engine)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


@pytest.fixture(params=["first", "second", "at once"])
def at_once(request: pytest.FixtureRequest, sessions: sessionmaker[Session], pool: ThreadPoolExecutor) -> AtOnce:
    """The two deeds meet with the first one ahead, with the second one ahead, and at a barrier."""
    return AtOnce(sessions, pool, request.param)
