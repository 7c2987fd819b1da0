"""How many may be worked on at once, how many may wait for it, and stepping aside while waiting for something else."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar, cast

import structlog

SHORTER = 8
"""Of so many who may wait, one may in a crowd."""
PATIENCE = 0.02
"""Seconds after which who waits in a crowd is told to come again: the word should be there within 50 ms."""
REFUSED_COUNTS, COMES_AT, AT_MOST = 3, 16, 48
QUIET_SECONDS = 0.25

_here = threading.local()
T = TypeVar("T")
log = structlog.get_logger("service.door")


@dataclass(frozen=True, slots=True)
class Room:
    """How many may be worked on at once, and how many may wait for it."""

    at_once: int
    waiting: int

    def in_a_crowd(self) -> "Room":
        """Half of those places and an eighth of those who wait: what is let in is answered soon."""
        return Room((self.at_once + 1) // 2, self.waiting // SHORTER)

    def less_one(self) -> "Room":
        """A place less, but for the last."""
        return Room(max(1, self.at_once - 1), self.waiting)


class Crowd:
    """Whether more come than can be answered for a while, so that waiting helps nobody.

    A refusal counts three, whoever is let in takes one back: it grows where more than a quarter is refused. From some
    six refusals in a row on there is a crowd, until nothing is left of the count, or nobody came for a quarter of a
    second.
    """

    def __init__(self) -> None:
        self.is_there = False
        self.count = 0
        """While it is nothing, nobody need be told of who comes and who is let in."""
        self._last = 0.0
        self._lock = threading.Lock()

    def come(self) -> None:
        """Somebody came: a crowd that has gone meanwhile is none for them."""
        moment = monotonic()
        with self._lock:
            if moment - self._last > QUIET_SECONDS:
                self.count, self.is_there = 0, False
            self._last = moment

    def let_in(self) -> None:
        """One was let in."""
        with self._lock:
            self.count = max(0, self.count - 1)
            self.is_there = self.is_there and self.count > 0

    def refuse(self) -> bool:
        """One was told to come again; whether a crowd is there now that was not."""
        with self._lock:
            self._last = monotonic()
            self.count = min(AT_MOST, self.count + REFUSED_COUNTS)
            comes = not self.is_there and self.count >= COMES_AT
            self.is_there = self.is_there or comes
            return comes


class Lane:
    """So many at once and so many waiting, first come first served; whoever comes then is turned away at once.

    Whoever waits is let in, however long it takes: a short queue keeps that short, not a clock (decision 97). In a
    crowd there is less room: those who have waited longest for it are turned away, and whoever comes into it waits no
    longer than `PATIENCE` (decision 125).
    """

    def __init__(self, room: Room, crowded: Room | None = None, *, before: "Lane | None" = None) -> None:
        """`crowded` is the room in a crowd of those who come here; without it, it is the same at all times.

        Whoever leaves the queue `before` another lane's comes into that one: in a crowd there, this is short too, or
        they would be turned away after they had waited here.
        """
        self._next = before
        self._queues: list[Lane] = [self]
        if before is not None:
            before._queues.append(self)
        self._room, self._crowded_room = room, crowded or room
        self._crowd = Crowd() if crowded else None
        self._working = 0
        self._waiting: deque[_Turn] = deque()
        self._answering: deque[_Turn] = deque()
        """Who waits in the middle of an answer."""
        self._let_on = False
        """Whether the last place went to one of those."""
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Take a place, waiting for it where some may wait; whether there was one."""
        crowd = self._crowd
        if crowd is None:
            return self._enter()
        if crowd.count:
            crowd.come()
        if entered := self._enter():
            if crowd.count:
                crowd.let_in()
        elif crowd.refuse():
            for lane in self._queues:
                lane._send_away()
        return entered

    def wait(self) -> None:
        """Take a place however many wait: for who is in the middle of an answer, which can be refused no more.

        These fill no room of those who come, and where both wait they are let in by turns: a few long answers would
        take every place, and have everybody else turned away for as long as they last.
        """
        with self._lock:
            if not (self._waiting or self._answering) and self._working < self._room_now().at_once:
                self._working += 1
                return
            turn = _Turn()
            self._answering.append(turn)
        turn.settled.acquire()

    def leave(self) -> None:
        """Give the place to who has waited longest."""
        with self._lock:
            self._working -= 1
            while (self._waiting or self._answering) and self._working < self._room_now().at_once:
                self._working += 1
                self._take_next().settle(has_place=True)

    def come_back(self) -> None:
        """Take a place where there is none too: who holds locks of the database must not wait for those without."""
        with self._lock:
            self._working += 1

    def is_crowded(self) -> bool:
        """Whether there is less room than at other times."""
        if self._next is not None and self._next.is_crowded():
            return True
        return self._crowd is not None and self._crowd.is_there

    def _enter(self) -> bool:
        crowded = self.is_crowded()
        with self._lock:
            room = self._crowded_room if crowded else self._room
            if self._working < room.at_once:
                self._working += 1
                return True
            if len(self._waiting) >= room.waiting:
                return False
            turn = _Turn()
            self._waiting.append(turn)
        # The place is handed over by whoever leaves it.
        if not turn.settled.acquire(timeout=PATIENCE if crowded else -1):
            with self._lock, suppress(ValueError):
                self._waiting.remove(turn)
        return turn.has_place

    def _take_next(self) -> "_Turn":
        self._let_on = bool(self._answering) and not (self._let_on and self._waiting)
        return (self._answering if self._let_on else self._waiting).popleft()

    def _send_away(self) -> None:
        with self._lock:
            while len(self._waiting) > self._crowded_room.waiting:
                self._waiting.popleft().settle(has_place=False)

    def _room_now(self) -> Room:
        return self._crowded_room if self.is_crowded() else self._room


class _Turn:
    """Of one who waits: settled once there is a place, or will be none."""

    __slots__ = ("has_place", "settled")

    def __init__(self) -> None:
        self.has_place = False
        self.settled = threading.Lock()
        self.settled.acquire()

    def settle(self, *, has_place: bool) -> None:
        self.has_place = has_place
        self.settled.release()


def in_a_crowd() -> bool:
    """Whether this thread answers a request while more come than can be answered."""
    lane: Lane | None = getattr(_here, "lane", None)
    return lane is not None and lane.is_crowded()


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


class BrokenOff(Exception):
    """An answer ends here before its end.

    It has no words: it leaves the application, and the web server writes down whatever does. Granian ends the body as
    if it were whole, so what is sent in pieces has to show by itself that it is not.
    """


def in_places(pieces: Iterator[T], request_id: str) -> Iterator[T]:
    """The pieces of an answer that is made while it is sent, each made in a place of the lane of this request.

    The request's own place is given back before the first of them. Between two there is none: whoever takes a piece
    slowly holds up nobody. A fault is logged as one of a view, under `request_id`, and raises BrokenOff.
    """
    return _each_in(getattr(_here, "lane", None), pieces, request_id)


def _each_in(lane: Lane | None, pieces: Iterator[T], request_id: str) -> Iterator[T]:
    end = object()
    while True:
        try:
            with _another_place(lane):
                piece = next(pieces, end)
        except BrokenOff:
            raise
        except Exception as fault:
            log.error("unexpected_fault", problem=type(fault).__name__, exc_info=fault, request_id=request_id)
            raise BrokenOff from None
        if piece is end:
            return
        yield cast(T, piece)


@contextmanager
def _another_place(lane: Lane | None) -> Iterator[None]:
    if lane is None or getattr(_here, "lane", None) is lane:
        # No door, or read within the request itself, which has its place.
        yield
        return
    lane.wait()
    try:
        yield
    finally:
        lane.leave()


class Places:
    """So many at once, fewer in a crowd; nobody waits for one of these."""

    def __init__(self, most: int, in_a_crowd: int) -> None:
        self._most, self._in_a_crowd = most, in_a_crowd
        self._taken = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether there was a place."""
        most = self._in_a_crowd if in_a_crowd() else self._most
        with self._lock:
            if self._taken >= most:
                return False
            self._taken += 1
            return True

    def leave(self) -> None:
        """Give it back."""
        with self._lock:
            self._taken -= 1
