"""Lists of what is to be deleted: a text file, one `Type/id` a line."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

_CHUNK = 500
_LONGEST = 4_096


def pieces(path: Path) -> Iterator[list[tuple[int, str]]]:
    """The names of a list with their lines, some at a time; blank lines are skipped."""
    named = _names(path)
    while chunk := list(islice(named, _CHUNK)):
        yield chunk


def _names(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(_LONGEST):
            number += 1
            if text := raw.decode("utf-8", "replace").strip().removeprefix("\ufeff"):
                yield number, text
