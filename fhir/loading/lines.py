"""What a file is read as: numbered lines, and places in a file."""

from dataclasses import dataclass

import msgspec

from fhir.loading.faults import Finding

LONGEST = 16 * 1024 * 1024
"""The longest resource that is taken, in bytes."""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line of a file (or entry of a Bundle): its number from 1, and its JSON; `fault` where it cannot be read."""

    number: int
    raw: bytes
    is_entry: bool = False
    fault: Finding | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was read: the number of the last line, and a digest of all lines up to it."""

    line: int
    digest: bytes


def fault(number: int, raw: bytes, finding: Finding, *, is_entry: bool = False) -> Line:
    """A line, or entry of a Bundle, that could not be read; `raw` is its beginning."""
    return Line(number, raw, is_entry, finding)
