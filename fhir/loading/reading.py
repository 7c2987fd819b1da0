"""Files to pieces of lines: NDJSON and JSON (a Bundle or one resource), plain or gzip, single files and folders.

Nothing is held but the piece at hand, however long a file or one of its lines is. Each piece tells where the file
stands behind it, so that a load that was killed goes on from there.
"""

import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from fhir.compartment import SHARED_TYPES
from fhir.loading import bundles
from fhir.loading.faults import Finding
from fhir.loading.lines import LONGEST, Line, Place, fault

PIECE_LINES = 500
PIECE_BYTES = 4 * 1024 * 1024
_SUFFIXES = (".ndjson", ".ndjson.gz", ".json", ".json.gz")
_MARK = b"\xef\xbb\xbf"
_UTF_16 = Finding("utf-8", "Encode the file in UTF-8; this one is UTF-16.")
_PACKED = Finding("gzip", "The file is packed by gzip: let its name end in .gz.")
_GZIP = b"\x1f\x8b"
_MARKS = {b"\xff\xfe": _UTF_16, b"\xfe\xff": _UTF_16, _GZIP: _PACKED}
"""What a file begins with that is no text in UTF-8."""
_CUT = Finding("gzip", "The file ends in the middle or is damaged: send it again. What came before was read.")
_UNPACKED = Finding("gzip", "The file is not packed by gzip, though its name ends in .gz.")


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of one file that follow each other, and the place behind them; the last piece of a file has no lines.

    `read_bytes` is how far the file itself was read, packed or not.
    """

    file: str
    lines: tuple[Line, ...]
    end: Place
    read_bytes: int
    is_last: bool = False


class NothingToLoad(Exception):
    """A folder that was named holds no file we read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"No file of resources in {folder}: they end in .ndjson or .json, with .gz or without.")


class ChangedFile(Exception):
    """What the file holds up to the place is not what was read before."""


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files to load in the order to load them; raises NothingToLoad.

    What others refer to comes first: shared types, then patients, then their records, Provenance at the end.
    """
    found: list[Path] = []
    for path in paths:
        ours = [one for one in path.iterdir() if _is_ours(one, path)] if path.is_dir() else [path]
        if not ours:
            raise NothingToLoad(path)
        found += ours
    return sorted(dict.fromkeys(found), key=lambda path: (_rank(path.name.partition(".")[0]), path.name))


def left_alone(paths: Iterable[Path]) -> list[Path]:
    """What the folders among the paths hold besides: other files, folders, links that lead out of them."""
    folders = [path for path in paths if path.is_dir()]
    return sorted(one for folder in folders for one in folder.iterdir() if not _is_ours(one, folder))


def names_of(files: Iterable[Path]) -> dict[Path, str]:
    """What each file is called in what is told of it: its name, with its folders where another has that name too."""
    every = list(files)
    seen = Counter(path.name for path in every)
    return {path: path.name if seen[path.name] == 1 else str(path) for path in every}


def pieces(path: Path, behind: Place | None = None, *, name: str = "") -> Iterator[Piece]:
    """The pieces of a file, from its start or from behind a place; raises ChangedFile before the first piece."""
    with path.open("rb") as opened:
        yield from _gather(name or path.name, _lines(path, opened), behind or Place(0, b""), opened.tell)


def _gather(name: str, lines: Iterator[Line], before: Place, position: Callable[[], int]) -> Iterator[Piece]:
    seen, last = hashlib.blake2b(digest_size=16), 0
    gathered: list[Line] = []
    size = 0
    for line in lines:
        seen.update(line.raw)
        last = line.number
        if last <= before.line:
            if last == before.line and seen.digest() != before.digest:
                raise ChangedFile
            continue
        gathered.append(line)
        size += len(line.raw)
        if len(gathered) >= PIECE_LINES or size >= PIECE_BYTES:
            yield Piece(name, tuple(gathered), Place(last, seen.digest()), position())
            gathered, size = [], 0
    if last < before.line:
        raise ChangedFile
    if gathered:
        yield Piece(name, tuple(gathered), Place(last, seen.digest()), position())
    yield Piece(name, (), Place(last, seen.digest()), position(), is_last=True)


def _is_ours(path: Path, folder: Path) -> bool:
    # Who may put a link into a folder of deliveries shall not have us read whatever it points to.
    is_inside = path.resolve().is_relative_to(folder.resolve())
    return is_inside and path.is_file() and path.name.endswith(_SUFFIXES)


def _rank(resource_type: str) -> int:
    order = ("Patient", "Coverage")
    if resource_type in SHARED_TYPES:
        return 0
    if resource_type in order:
        return 1 + order.index(resource_type)
    return 9 if resource_type == "Provenance" else 5


def _lines(path: Path, opened: BinaryIO) -> Iterator[Line]:
    number = 0
    is_json = ".ndjson" not in path.name and ".json" in path.name
    if path.suffix == ".gz" and _beginning(opened) != _GZIP:
        yield fault(1, b"", _UNPACKED)
        return
    file = _unpacked(path, opened)
    try:
        if wrong := _MARKS.get(_beginning(file)):
            yield fault(1, b"", wrong)
            return
        for line in bundles.lines(lambda: _unpacked(path, path.open("rb")), file) if is_json else _ndjson(file):
            number = line.number
            yield line
    except (EOFError, gzip.BadGzipFile, zlib.error):
        yield fault(number + 1, b"", _CUT)


def _beginning(file: BinaryIO) -> bytes:
    found = file.read(2)
    file.seek(0)
    return found


def _unpacked(path: Path, opened: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=opened)) if path.suffix == ".gz" else opened


def _ndjson(file: BinaryIO) -> Iterator[Line]:
    number = 0
    while raw := file.readline(LONGEST + 2):
        number += 1
        if number == 1:
            raw = raw.removeprefix(_MARK)
        if not raw.endswith(b"\n") and len(raw) > LONGEST:
            yield fault(number, raw[:200], Finding("too-long", "Send resources of at most 16 MB."))
            _skip_line(file)
        elif stripped := raw.strip():
            yield Line(number, stripped)


def _skip_line(file: BinaryIO) -> None:
    while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
        pass
