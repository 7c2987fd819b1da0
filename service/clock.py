"""The one source of time: aware UTC, with an offset for sandboxes and tests.

The offset (seconds, as decimal text) is read from a file, so that several running processes obey the same shifted
clock. Production never names such a file (architecture.md section 7.2).
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time_ns

_MICROSECOND = timedelta(microseconds=1)
_offset_file: Path | None = None
_offset_stamp: tuple[int, int] | None = None
_offset = timedelta()


def now() -> datetime:
    """The present moment as an aware datetime in UTC, shifted by the offset file where one is configured."""
    present = datetime.now(UTC)
    return present if _offset_file is None else present + _read_offset(_offset_file)


def now_in_microseconds() -> int:
    """The same as microseconds since 1970, which is how instants are stored; for what every request asks."""
    present = time_ns() // 1_000
    return present if _offset_file is None else present + _read_offset(_offset_file) // _MICROSECOND


def obey(offset_file: Path | None) -> None:
    """Shift `now()` by the seconds written in `offset_file`; None returns to the real clock."""
    global _offset_file, _offset_stamp, _offset
    _offset_file, _offset_stamp, _offset = offset_file, None, timedelta()


def _read_offset(path: Path) -> timedelta:
    global _offset_stamp, _offset
    # Asked several times a request: most sandboxes have no such file, and this says so without an exception.
    if not os.access(path, os.F_OK):
        return timedelta()
    try:
        status = path.stat()
    except FileNotFoundError:
        return timedelta()
    stamp = (status.st_mtime_ns, status.st_size)
    if stamp != _offset_stamp:
        text = path.read_text(encoding="ascii").strip()
        _offset, _offset_stamp = timedelta(seconds=float(text or 0)), stamp
    return _offset
