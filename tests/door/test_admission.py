"""Places at work and places to wait, and lending one while waiting for something else."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.door.admission import (
    AT_MOST,
    COMES_AT,
    PATIENCE,
    QUIET_SECONDS,
    REFUSED_COUNTS,
    Crowd,
    Lane,
    Places,
    Room,
    in_a_crowd,
    in_places,
    step_aside,
    working_in,
)
from service.environment import UnsafeSetting
from service.settings import Settings


def test_who_waits_is_let_in_first_come_first_served_and_the_next_is_turned_away() -> None:
    lane, let_in = Lane(Room(1, 2)), []

    def come(name: int) -> None:
        assert lane.enter()
        let_in.append(name)
        lane.leave()

    assert lane.enter()
    threads = []
    for name in (1, 2):
        threads.append(threading.Thread(target=come, args=(name,)))
        threads[-1].start()
        while len(lane._waiting) < name:
            pass
    assert not lane.enter()
    lane.leave()
    for thread in threads:
        thread.join(10)
    assert let_in == [1, 2] and lane._working == 0


def test_stepping_aside_lends_the_place_and_coming_back_waits_for_nobody() -> None:
    lane = Lane(Room(1, 0))
    assert lane.enter()
    with working_in(lane):
        assert not lane.enter()
        with step_aside():
            assert lane.enter(), "the place was lent to somebody else, who still has it"
        lane.leave()
        assert not lane.enter(), "who came back holds it"
    assert lane.enter()
    with step_aside():
        pass  # Outside of any place there is nothing to lend.
    lane.leave()


def crowded(lane: Lane) -> None:
    """Let a lane that is empty know of a crowd, as refusals do."""
    assert lane._crowd is not None
    while not lane.is_crowded():
        lane._crowd.refuse()


def test_a_handful_of_refusals_is_no_crowd_and_a_lasting_one_is_until_it_goes() -> None:
    crowd = Crowd()
    for _ in range(COMES_AT // REFUSED_COUNTS):
        crowd.refuse()
    assert not crowd.is_there
    crowd.refuse()
    assert crowd.is_there
    for _ in range(100):
        crowd.refuse()
    for _ in range(AT_MOST - 1):
        crowd.let_in()
    assert crowd.is_there
    crowd.let_in()
    assert not crowd.is_there
    for _ in range(1_000):
        crowd.refuse()
        for _ in range(REFUSED_COUNTS):
            crowd.let_in()
    assert not crowd.is_there, "one refused of four never adds up"


def test_after_a_quiet_moment_nobody_is_told_of_a_crowd_that_has_gone() -> None:
    lane = Lane(Room(2, 8), Room(1, 0))
    crowded(lane)
    assert lane.enter()
    assert not lane.enter(), "the crowd is there"
    time.sleep(QUIET_SECONDS * 1.2)
    assert lane.enter() and not lane.is_crowded()


def test_in_a_crowd_there_is_less_room_and_who_waits_too_long_is_turned_away() -> None:
    room = Room(4, 8)
    assert (room.in_a_crowd(), room.less_one(), Room(1, 64).in_a_crowd()) == (Room(2, 1), Room(3, 8), Room(1, 8))
    assert Room(1, 0).less_one() == Room(1, 0), "the last place stays"
    lane = Lane(room, room.in_a_crowd())
    crowded(lane)
    assert [lane.enter(), lane.enter()] == [True, True]
    began = time.monotonic()
    assert not lane.enter(), "it waited, and no place came"
    assert PATIENCE <= time.monotonic() - began < 20 * PATIENCE
    assert not lane._waiting

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lane.enter)
        while not lane._waiting and not waiting.done():
            pass
        began = time.monotonic()
        assert not lane.enter(), "one may wait, not two"
        assert time.monotonic() - began < PATIENCE
        lane.leave()
        waiting.result(10)
    # Whether the machine let it have its place in time or not: none was lost.
    assert lane._working == (2 if waiting.result() else 1)


def test_when_a_crowd_comes_those_who_have_waited_longest_are_told_at_once() -> None:
    lane, told = Lane(Room(1, 3), Room(1, 1)), []

    def come(name: int) -> None:
        told.append((name, lane.enter()))

    assert lane.enter()
    threads = [threading.Thread(target=come, args=(1,)), threading.Thread(target=lane.wait)]
    threads += [threading.Thread(target=come, args=(name,)) for name in (2, 3)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(lane._waiting) + len(lane._answering) <= number:
            pass
    while not lane.is_crowded():
        assert not lane.enter()
    for thread in (threads[0], threads[2]):
        thread.join(10)
    assert sorted(told) == [(1, False), (2, False)]
    assert len(lane._waiting) == len(lane._answering) == 1, "who came last, and who is in the middle of an answer"
    lane.leave()
    threads[1].join(10)
    lane.leave()
    threads[3].join(10)
    assert told[-1] == (3, True) and lane._working == 1


def test_a_crowd_at_the_places_shortens_the_queue_before_them_and_not_the_other_way_round() -> None:
    places = Lane(Room(2, 8), Room(1, 1))
    heavy, told = Lane(Room(1, 8), Room(1, 0), before=places), []
    assert heavy.enter()
    waiting = threading.Thread(target=lambda: told.append(heavy.enter()))
    waiting.start()
    while not heavy._waiting:
        pass
    assert places.enter() and places.enter()
    places._room = Room(2, 0)
    while not places.is_crowded():
        assert not places.enter()
    waiting.join(10)
    assert told == [False] and heavy.is_crowded() and not heavy.enter()

    other = Lane(Room(2, 8), Room(1, 1))
    heavy = Lane(Room(1, 0), Room(1, 0), before=other)
    assert heavy.enter()
    while not heavy.is_crowded():
        assert not heavy.enter()
    assert not other.is_crowded()


def test_hashes_find_fewer_places_in_a_crowd() -> None:
    places, lane = Places(3, 1), Lane(Room(4, 8), Room(2, 1))
    assert [places.take() for _ in range(4)] == [True, True, True, False]
    for _ in range(3):
        places.leave()
    crowded(lane)
    assert lane.enter()
    with working_in(lane):
        assert in_a_crowd()
        assert [places.take() for _ in range(2)] == [True, False]
    assert not in_a_crowd(), "who came by no door, or left it"
    assert places.take()


def test_what_is_made_while_it_is_sent_takes_a_place_for_each_piece() -> None:
    lane, seen = Lane(Room(1, 0)), []

    def pieces() -> Iterator[int]:
        for number in range(3):
            seen.append(lane._working)
            yield number

    assert lane.enter()
    with working_in(lane):
        sent = in_places(pieces(), "the-reference")
        assert next(sent) == 0, "read within the request, whose place it has"
    assert lane.enter()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, sent)
        while not lane._answering:
            assert not following.done(), "another has the only place"
        lane.leave()
        assert following.result(10) == 1
    assert lane._working == 0, "between two pieces nobody is held up"
    assert list(sent) == [2] and seen == [1, 1, 1] and lane._working == 0
    assert list(in_places(iter("ab"), "the-reference")) == ["a", "b"], "outside of any door"


def test_those_in_the_middle_of_answers_take_every_second_place_and_no_room_of_who_comes() -> None:
    lane, order = Lane(Room(1, 2)), []
    assert lane.enter()

    def come() -> None:
        assert lane.enter()
        order.append("came")
        lane.leave()

    def go_on() -> None:
        lane.wait()
        order.append("went on")
        lane.leave()

    threads = []
    for number, deed in enumerate([go_on, go_on, go_on, come, come]):
        threads.append(threading.Thread(target=deed))
        threads[-1].start()
        while len(lane._waiting) + len(lane._answering) <= number:
            pass
    assert not lane.enter(), "two may wait, and two have come"
    lane.leave()
    for thread in threads:
        thread.join(10)
    assert order == ["went on", "came", "went on", "came", "went on"] and lane._working == 0


def test_settings_of_load_are_whole_numbers_that_make_sense(tmp_path: Path) -> None:
    for name, value in {
        "REQUESTS_AT_ONCE": "0", "PROCESSES": "0", "REQUESTS_WAITING": "-1", "APP_REQUESTS_PER_MINUTE": "-5",
        "ACCOUNT_PAGES_PER_MINUTE": "many",
    }.items():  # fmt: skip
        with pytest.raises(UnsafeSetting):
            Settings.from_environment({"VAR": str(tmp_path), name: value})
