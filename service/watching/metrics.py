"""Counters of answers for Prometheus: by area and status class, with how long they took. No ids and no paths.

A server has several processes, and a scrape reaches any one of them. Each counts in a file of its own that is mapped
into its memory; a scrape adds up all files. What ended processes counted is kept, so that totals never fall.
"""

import fcntl
import mmap
import os
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic

AREAS = ("fhir", "directory", "plan", "oauth", "pages")
STATUSES = ("2xx", "3xx", "4xx", "5xx")
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram in seconds; one more cell counts what took longer, and another the microseconds."""
_WIDTH = len(STATUSES) + len(BOUNDS) + 2
_REFUSED = (429, 503)
_REFUSALS = len(AREAS) * _WIDTH
"""Behind the cells of all areas: how often each told its callers to come again, too many of one or of all."""
_CELLS = _REFUSALS + len(AREAS) * len(_REFUSED)
_SIZE = 8 * _CELLS
_ENDED = "ended"
_LOCK = "lock"
_TRY_AGAIN = 10.0
"""Seconds after which a process that could not make its file tries again; what it answers meanwhile is uncounted."""
EXTENSION = "latchstring.counters"
"""Under this name an application holds its counters, where there are any."""


class Counters:
    """What one process counted, and on a scrape what all of this machine did. `folder` is on a local disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._pid = 0
        self._again_at = 0.0
        self._cells: memoryview = memoryview(bytearray(_SIZE)).cast("Q")

    def count(self, area: str, status: int, seconds: float) -> None:
        """Count one answer. Raises OSError where this process cannot make its file."""
        start = AREAS.index(area) * _WIDTH
        bucket = start + len(STATUSES) + bisect_left(BOUNDS, seconds)
        with self._lock:
            if self._pid != os.getpid():
                if monotonic() < self._again_at:
                    return
                self._again_at = monotonic() + _TRY_AGAIN
                self._open()
            self._cells[start + min(max(status // 100, 2), 5) - 2] += 1
            self._cells[bucket] += 1
            self._cells[start + _WIDTH - 1] += round(seconds * 1_000_000)
            if status in _REFUSED:
                self._cells[_REFUSALS + AREAS.index(area) * len(_REFUSED) + _REFUSED.index(status)] += 1

    def lines(self) -> Iterator[str]:
        """The text format of Prometheus, version 0.0.4. Raises OSError where the folder cannot be read."""
        total = self._total()
        parts = {area: total[at * _WIDTH : (at + 1) * _WIDTH] for at, area in enumerate(AREAS)}
        yield "# HELP latchstring_requests_total Answers by area and class of status."
        yield "# TYPE latchstring_requests_total counter"
        for area, cells in parts.items():
            for status, number in zip(STATUSES, cells, strict=False):
                yield f'latchstring_requests_total{{area="{area}",status="{status}"}} {number}'
        yield "# HELP latchstring_request_seconds How long answers took, until their first byte."
        yield "# TYPE latchstring_request_seconds histogram"
        for area, cells in parts.items():
            yield from _histogram(area, cells[len(STATUSES) : -1], cells[-1])
        yield "# HELP latchstring_refused_total Callers told to come again: 429 too many of one, 503 too many of all."
        yield "# TYPE latchstring_refused_total counter"
        refused = iter(total[_REFUSALS:])
        for area in AREAS:
            for code in _REFUSED:
                yield f'latchstring_refused_total{{area="{area}",status="{code}"}} {next(refused)}'

    def _total(self) -> list[int]:
        try:
            # Nothing is made or written here, so a disk that is full or read-only is scraped too.
            with (self._folder / _LOCK).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                found = [_read(path) for path in self._folder.glob("*.counts")]
        except FileNotFoundError:
            # Nobody has counted yet.
            found = []
        return [sum(column) for column in zip(*found, strict=True)] if found else [0] * _CELLS

    def _open(self) -> None:
        pid = os.getpid()
        with self._all_to_itself():
            self._fold_in_ended()
            with os.fdopen(os.open(self._folder / f"{pid}.counts", os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
                # Its room is taken now: to write into a mapped file on a full disk would kill this process (SIGBUS).
                file.write(bytes(max(0, _SIZE - file.seek(0, os.SEEK_END))))
                file.flush()
                self._cells = memoryview(mmap.mmap(file.fileno(), _SIZE)).cast("Q")
        self._pid, self._again_at = pid, 0.0

    def _fold_in_ended(self) -> None:
        kept = self._folder / f"{_ENDED}.counts"
        over = [path for path in self._folder.glob("*.counts") if path.stem != _ENDED and not _is_alive(int(path.stem))]
        if not over:
            return
        found = [_read(path) for path in (kept, *over) if path.exists()]
        draft = kept.with_suffix(".draft")
        draft.write_bytes(b"".join(sum(column).to_bytes(8, "little") for column in zip(*found, strict=True)))
        draft.replace(kept)
        for path in over:
            path.unlink()

    @contextmanager
    def _all_to_itself(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / _LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _histogram(area: str, cells: list[int], microseconds: int) -> Iterator[str]:
    so_far = 0
    for bound, number in zip((*map(str, BOUNDS), "+Inf"), cells, strict=True):
        so_far += number
        yield f'latchstring_request_seconds_bucket{{area="{area}",le="{bound}"}} {so_far}'
    yield f'latchstring_request_seconds_sum{{area="{area}"}} {microseconds / 1_000_000}'
    yield f'latchstring_request_seconds_count{{area="{area}"}} {so_far}'


def _read(path: Path) -> list[int]:
    found = path.read_bytes().ljust(_SIZE, b"\0")
    return [int.from_bytes(found[at : at + 8], "little") for at in range(0, _SIZE, 8)]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
