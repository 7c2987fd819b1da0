"""Pieces of files examined in other processes, in order, while this one reads and writes."""

import gc
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.context import ForkServerContext
from pathlib import Path
from threading import Thread

import msgspec

from fhir.loading.examining import Checks, Outcome, examine
from fhir.loading.lines import Line
from fhir.loading.reading import Piece

Examined = tuple[Path, Piece, list[Outcome]]
_WORTH_IT = 8 * 1024 * 1024
_MOST = 8
_lines_out = msgspec.msgpack.Encoder()
_lines_in = msgspec.msgpack.Decoder(list[Line])
_outcomes_in = msgspec.msgpack.Decoder(list[Outcome])


@contextmanager
def looking_for_cycles_rarely() -> Iterator[None]:
    """What is made meanwhile dies by itself: looking for cycles among it costs a load a quarter."""
    before = gc.get_threshold()
    _look_for_cycles_rarely()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def count_for(size: int) -> int:
    """How many processes examine files of so many bytes; none where starting them takes longer."""
    return min(len(os.sched_getaffinity(0)), _MOST) if size >= _WORTH_IT else 0


def examined(pieces: Iterable[tuple[Path, Piece]], checks: Checks, workers: int) -> Iterator[Examined]:
    """Each piece with its outcomes, in order; no more pieces are held than keep every worker busy."""
    if not workers:
        for path, piece in pieces:
            yield path, piece, examine(piece.lines, checks)
        return
    with ProcessPoolExecutor(workers, _context(), initializer=_begin_worker) as pool:
        underway: deque[tuple[Path, Piece, Future[bytes]]] = deque()
        for path, piece in pieces:
            underway.append((path, piece, pool.submit(_examine, _lines_out.encode(piece.lines), checks)))
            if len(underway) > workers + 2:
                yield _wait(*underway.popleft())
        while underway:
            yield _wait(*underway.popleft())


def _context() -> ForkServerContext:
    """Workers are forked from a process that has imported what they need and nothing else: no connection, no thread."""
    context = get_context("forkserver")
    context.set_forkserver_preload([examine.__module__])
    return context


def _wait(path: Path, piece: Piece, future: "Future[bytes]") -> Examined:
    return path, piece, _outcomes_in.decode(future.result())


def _examine(lines: bytes, checks: Checks) -> bytes:
    # Packed by hand: pickling each object costs more than it took to make.
    return _lines_out.encode(examine(_lines_in.decode(lines), checks))


def _begin_worker() -> None:
    _look_for_cycles_rarely()
    _end_with_parent()


def _look_for_cycles_rarely() -> None:
    gc.freeze()
    gc.set_threshold(500_000, 10, 100)


def _end_with_parent() -> None:
    """A parent that is killed closes nothing: its workers would wait for ever."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
