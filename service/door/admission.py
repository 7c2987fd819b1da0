"""How many may be worked on at once, how many may wait for it, and stepping aside while waiting for something else."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_here = threading.local()


class Lane:
    """So many at once and so many waiting, first come first served; whoever comes then is turned away at once.

    Whoever waits is let in, however long it takes: a short queue keeps that short, not a clock (decision 97).
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._free, self._most_waiting = at_once, waiting
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Take a place, waiting for it where some may wait; whether there was one."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return True
            if len(self._waiting) >= self._most_waiting:
                return False
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        # The place is handed over by whoever leaves it.
        turn.acquire()
        return True

    def leave(self) -> None:
        """Give the place to who has waited longest."""
        with self._lock:
            if self._free >= 0 and self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def come_back(self) -> None:
        """Take a place where there is none too: who holds locks of the database must not wait for those without."""
        with self._lock:
            self._free -= 1


@contextmanager
def working_in(lane: Lane) -> Iterator[None]:
    """This thread holds a place of the lane, which `step_aside` may lend out, and gives it back at the end."""
    _here.lane = lane
    try:
        yield
    finally:
        _here.lane = None
        lane.leave()


@contextmanager
def step_aside() -> Iterator[None]:
    """Let others use this thread's place while it waits for what needs none of this process's attention."""
    lane: Lane | None = getattr(_here, "lane", None)
    if lane is None:
        yield
        return
    lane.leave()
    try:
        yield
    finally:
        lane.come_back()
