"""How long an app's revocation takes while others read, and that the token opens nothing once it is answered."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import quantiles
from threading import Event
from time import perf_counter

from bench.load import Load, Reply, Work, WrongAnswer

LEAST = 20


@dataclass(frozen=True)
class Revoked:
    """Revocations made one after the other, in milliseconds each, and the reads that were answered meanwhile."""

    milliseconds: Sequence[float]
    reads: int

    @property
    def p99(self) -> float:
        """What all but one in a hundred stayed below."""
        return quantiles(self.milliseconds, n=100, method="inclusive")[98]


@dataclass(frozen=True)
class Deed:
    """A token's revocation, and the read that must be refused from then on."""

    revoke: bytes
    read: bytes


def measure(
    load: Load, reading: Work, connections: int, deeds: Sequence[Deed], ask: Callable[[bytes], Reply]
) -> Revoked:
    """Do the deeds by `ask` while `reading` keeps so many connections of `load` busy; raises WrongAnswer.

    `ask` sends on a connection of its own.
    """
    if len(deeds) < LEAST:
        raise ValueError(f"fewer than {LEAST} revocations say nothing of the slowest")
    done = Event()
    with ThreadPoolExecutor(1) as others:
        answered = others.submit(_read_until, done, load, reading, connections)
        try:
            took = [_timed(deed, ask) for deed in deeds]
        finally:
            done.set()
        return Revoked(took, answered.result())


def _read_until(done: Event, load: Load, reading: Work, connections: int) -> int:
    answered = 0
    while not done.is_set():
        answered += load.run(reading, 0.2, connections)[0]
    return answered


def _timed(deed: Deed, ask: Callable[[bytes], Reply]) -> float:
    _require(ask(deed.read), 200)
    began = perf_counter()
    answer = ask(deed.revoke)
    took = perf_counter() - began
    _require(answer, 200)
    _require(ask(deed.read), 401)
    return took * 1000


def _require(reply: Reply, status: int) -> None:
    if reply.status != status:
        raise WrongAnswer(f"status {reply.status} instead of {status} around a revocation: {reply.body[:200]!r}")
