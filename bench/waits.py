"""Where a request waits inside of the server: told by the server itself in a header of each answer, for `make load`.

Only the benchmark's application has it: it wraps the places where a request can wait, and adds up what each took.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from functools import wraps
from time import perf_counter, thread_time
from typing import Any

from service.accounts import passwords
from service.databases.group_commit import GroupCommit
from service.databases.write_turns import WriteTurns
from service.door.admission import Lane

HEADER = "X-Bench-Waits"
DOOR, HASH, TURN, COMMIT, CPU, ALL = "door", "hash", "turn", "commit", "cpu", "all"
PLACES = (DOOR, HASH, TURN, COMMIT, CPU, ALL)
"""Waiting at the door; for a hash, its making too; for the turn to write; for rows written with those of others; the
thread's CPU; everything between the web server's hand-over and the head of the answer. What is left of that is waiting
for the interpreter's lock, for a core, for the disk or for PostgreSQL."""

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
_here = threading.local()


def told(application: Application) -> Application:
    """`application`, whose answers say in milliseconds where they waited."""
    _wrap(Lane, "enter", DOOR)
    _wrap(passwords, "_in_turn", HASH)
    _wrap(WriteTurns, "begin", TURN)
    _wrap(GroupCommit, "_write", COMMIT)

    def measured(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        _here.took = took = dict.fromkeys(PLACES, 0.0)
        began, cpu_began = perf_counter(), thread_time()

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            took[CPU], took[ALL] = thread_time() - cpu_began, perf_counter() - began
            line = " ".join(f"{name}={took[name] * 1e3:.2f}" for name in PLACES)
            return start_response(status, [*headers, (HEADER, line)], *rest)

        return application(environ, start)

    return measured


def parsed(line: str) -> Mapping[str, float]:
    """Seconds by place, of such a header's value."""
    pairs = (pair.partition("=") for pair in line.split())
    return {name: float(value) / 1e3 for name, _, value in pairs}


def _wrap(owner: Any, name: str, place: str) -> None:
    original = getattr(owner, name)

    @wraps(original)
    def timed(*given: Any, **named: Any) -> Any:
        with _counted(place):
            return original(*given, **named)

    setattr(owner, name, timed)


@contextmanager
def _counted(place: str) -> Any:
    took = getattr(_here, "took", None)
    if took is None:
        yield
        return
    began, within = perf_counter(), sum(took[one] for one in PLACES)
    try:
        yield
    finally:
        # What waited inside of this has been counted as such.
        inside = sum(took[one] for one in PLACES) - within
        took[place] += perf_counter() - began - inside
