"""The files of the journal of revocations in one folder, one of each host and month: `2026-11.HOST.jsonl`.

What their lines hold is said in `service.revocations`.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import orjson

from service.clock import now

_ENDING = ".jsonl"
_TAIL = 200
"""Lines at the end of a file that are looked up: processes and threads that write at once are never that far apart."""
_TAIL_BYTES = 1 << 17
_ADDING = os.O_RDWR | os.O_APPEND


class Unreadable(Exception):
    """A file of the journal, or its folder, is there and cannot be read: what was ended may be in it."""

    def __init__(self, path: Path, problem: OSError) -> None:
        self.path, self.problem = path, type(problem).__name__
        super().__init__(
            f"{path} (REVOCATION_JOURNAL) cannot be read ({self.problem}): chown it to the user of the servers, or look"
            " at its disk."
        )


def host() -> str:
    """This host, as its files and lines name it."""
    return socket.gethostname()


def hosts(folder: Path) -> set[str]:
    """Whose files are there; none where there is no folder. Raises Unreadable."""
    return {_whose(path) for path in _paths(folder)}


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    """Every line of every file; one that a crash cut short is passed over: nobody was told of it. Raises Unreadable."""
    for path in _paths(folder):
        yield from _read(path)


def ends(folder: Path) -> Iterator[dict[str, Any]]:
    """The last lines of the newest file of each host. Raises Unreadable."""
    for path in {_whose(path): path for path in _paths(folder)}.values():
        yield from list(_read(path, _TAIL_BYTES))[-_TAIL:]


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """A handle on this host's file of the month, which is made with its folder where it is missing. Raises OSError."""
    _make(folder)
    path = _own(folder)
    try:
        handle, is_new = os.open(path, _ADDING | os.O_CREAT | os.O_EXCL, 0o600), True
        _give_to_owner_of(folder, handle)
    except FileExistsError:
        handle, is_new = os.open(path, _ADDING), False
    try:
        yield handle
    finally:
        os.close(handle)
    if is_new:
        _sync(folder)


def add(handle: int, text: bytes) -> None:
    """Write whole lines behind those that are there. Raises OSError."""
    if _is_torn(handle):
        # Of a crash or a full disk: that line must not take the next one with it.
        text = b"\n" + text
    if os.write(handle, text) != len(text):
        raise OSError("cut short")


def find_barred(folder: Path) -> Path | None:
    """What keeps this host from writing: the folder, or its file of the month. It is tried."""
    if not can_write_to(folder):
        return folder
    path = _own(folder)
    try:
        os.close(os.open(path, _ADDING))
    except FileNotFoundError:
        return None
    except OSError:
        return path
    return None


def can_write_to(folder: Path) -> bool:
    """Whether something can be made in it, or in the folder it will be made in; it is tried: rights do not tell all."""
    try:
        there = next(one for one in (folder, *folder.parents) if one.exists())
        Path(mkdtemp(prefix=".try-", dir=there)).rmdir()
    except OSError:
        return False
    return True


def _own(folder: Path) -> Path:
    return folder / f"{now():%Y-%m}.{host()}{_ENDING}"


def _whose(path: Path) -> str:
    return path.name.removesuffix(_ENDING).partition(".")[2]


def _paths(folder: Path) -> list[Path]:
    """By name, so those of each host by month."""
    try:
        # Path.glob finds nothing in a folder that is shut, as if the journal were empty.
        return sorted(path for path in folder.iterdir() if path.name.endswith(_ENDING))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as problem:
        raise Unreadable(folder, problem) from problem


def _read(path: Path, last_bytes: int | None = None) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            if last_bytes is not None:
                file.seek(max(0, os.fstat(file.fileno()).st_size - last_bytes))
            for text in file:
                with suppress(orjson.JSONDecodeError):
                    if isinstance(line := orjson.loads(text), dict):
                        yield line
    except OSError as problem:
        raise Unreadable(path, problem) from problem


def _make(folder: Path) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for one in reversed(missing):
        handle = os.open(one, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _give_to_owner_of(one.parent, handle)
        finally:
            os.close(handle)


def _give_to_owner_of(folder: Path, handle: int) -> None:
    """Give what root has just made to whom the folder around it belongs: a command by hand must not shut servers out.

    By the handle: nobody can put something else in its place meanwhile.
    """
    if os.geteuid() != 0:
        return
    # Root of a container or of a shared disk may be no root to the file system; flask doctor says what is shut.
    with suppress(OSError):
        owner = folder.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)


def _is_torn(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
