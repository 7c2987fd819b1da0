"""Places at work and places to wait, and lending one while waiting for something else."""

import threading
from pathlib import Path

import pytest

from service.door.admission import Lane, step_aside, working_in
from service.environment import UnsafeSetting
from service.settings import Settings


def test_who_waits_is_let_in_first_come_first_served_and_the_next_is_turned_away() -> None:
    lane, let_in = Lane(1, 2), []

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
    assert let_in == [1, 2] and lane._free == 1


def test_stepping_aside_lends_the_place_and_coming_back_waits_for_nobody() -> None:
    lane = Lane(1, 0)
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


def test_settings_of_load_are_whole_numbers_that_make_sense(tmp_path: Path) -> None:
    for name, value in {
        "REQUESTS_AT_ONCE": "0", "PROCESSES": "0", "REQUESTS_WAITING": "-1", "APP_REQUESTS_PER_MINUTE": "-5",
        "ACCOUNT_PAGES_PER_MINUTE": "many",
    }.items():  # fmt: skip
        with pytest.raises(UnsafeSetting):
            Settings.from_environment({"VAR": str(tmp_path), name: value})
