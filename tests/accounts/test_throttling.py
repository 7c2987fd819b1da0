"""Counters of attempts, on both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.accounts import throttling
from service.accounts.models import AttemptCounter
from service.db import make_sessions
from tests.conftest import MovableClock


def test_the_limit_is_the_last_attempt_allowed(session: Session) -> None:
    assert [throttling.hit(session, "key", 3, 60) for _ in range(5)] == [True, True, True, False, False]


def test_keys_do_not_share_a_counter(session: Session) -> None:
    throttling.hit(session, "one", 1, 60)
    assert throttling.hit(session, "other", 1, 60)


def test_a_window_ends_where_it_was_to_end_whatever_was_tried_within(session: Session, clock: MovableClock) -> None:
    throttling.hit(session, "key", 1, 60)
    clock.advance(59)
    assert not throttling.hit(session, "key", 1, 60)
    clock.advance(1)
    assert throttling.hit(session, "key", 1, 60)


def test_an_attempt_given_back_can_be_made_again(session: Session) -> None:
    throttling.hit(session, "key", 1, 60)
    throttling.give_back(session, "key")
    assert throttling.hit(session, "key", 1, 60)


def test_a_parallel_burst_does_not_pass_the_limit(engine: Engine) -> None:
    sessions = make_sessions(engine)

    def attempt(_number: int) -> bool:
        with sessions.begin() as own:
            return throttling.hit(own, "key", 10, 60)

    with ThreadPoolExecutor(8) as pool:
        allowed = sum(pool.map(attempt, range(60)))
    assert allowed == 10


def test_over_counters_are_swept_and_live_ones_stay(session: Session, clock: MovableClock) -> None:
    throttling.hit(session, "short", 1, 10)
    throttling.hit(session, "long", 1, 1000)
    clock.advance(11)
    assert throttling.delete_over(session) == 1
    assert session.get(AttemptCounter, "long") is not None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        (None, "junk", True),
    ],
)
def test_one_subscriber_is_one_network(one: str | None, other: str, same: bool) -> None:
    assert (throttling.network_of(one) == throttling.network_of(other)) is same
