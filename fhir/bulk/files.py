"""Files of exports on disk: a folder for each export, readable by this installation's user alone."""

import os
import shutil
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path

from fhir.bulk.models import BulkFile
from fhir.outcomes import NotFound
from service.settings import Settings

_BLOCK = 256 * 1024
"""Bytes written at once: few enough to be in the cache still, and to be held in memory that was used before."""


def folder_of(settings: Settings, export_id: str) -> Path:
    """Where the files of an export are; the id is one of ours."""
    return settings.exports / export_id


def path_of(settings: Settings, file: BulkFile) -> Path:
    """Where a file is; its name is one of ours."""
    return folder_of(settings, file.export_id) / file.name


def append(settings: Settings, file: BulkFile, lines: Iterable[bytes]) -> Path:
    """Write lines behind what counts of the file, and count them; where. `sync` it before the count is committed.

    What a worker that died left there is overwritten. Few lines are held at once.
    """
    path = path_of(settings, file)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0) as opened:
        opened.seek(file.size)
        opened.truncate()
        for block in _blocks(lines):
            # Ended by an empty line: to add a line end to what was joined would copy all of it into fresh memory.
            content = b"\n".join([*block, b""])
            _write(opened, content)
            file.size += len(content)
            file.count += len(block)
    return path


def _write(opened: FileIO, content: bytes) -> None:
    """Write all of it: a disk that is nearly full takes a part, and says so at the next try."""
    written = opened.write(content)
    while written < len(content):
        written += opened.write(memoryview(content)[written:])


def _blocks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield held
            held, size = [], 0
    if held:
        yield held


def sync(path: Path) -> None:
    """Wait until what was written to a file is on the disk."""
    with path.open("rb") as opened:
        os.fsync(opened.fileno())


def read(settings: Settings, file: BulkFile) -> bytes:
    """What counts of a file; raises NotFound where it is gone."""
    try:
        with path_of(settings, file).open("rb") as opened:
            return opened.read(file.size)
    except FileNotFoundError:
        # The janitor was here between the two looks, or the disk is not the one of the worker.
        raise NotFound("The file is not there any more. Ask for the export again.") from None


def remove(settings: Settings, export_id: str) -> None:
    """Delete what there is of an export."""
    shutil.rmtree(folder_of(settings, export_id), ignore_errors=True)
