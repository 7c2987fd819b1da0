"""Rows as PostgreSQL takes them by binary COPY, packed by hand: the driver packs arrays in Python, a call a word."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from struct import Struct
from typing import Any

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TAIL = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_BLOCK = 256
_TEXT_OID = 25
_count = Struct("!h").pack
_length = Struct("!i").pack
_int4 = Struct("!ii").pack
_int8 = Struct("!iq").pack
_array = Struct("!iiIii").pack
_EMPTY_ARRAY = _length(12) + Struct("!iiI").pack(0, 0, _TEXT_OID)


def blocks(types: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The stream of a COPY of these rows, whose columns have these types; some rows at a time.

    `text repeated` and `text[] repeated` are columns that hold few values in many rows.
    """
    packers = [_PACKERS[kind] for kind in types]
    start = _count(len(packers))
    yield HEAD
    pieces: list[bytes] = []
    for number, row in enumerate(rows, start=1):
        pieces.append(start)
        pieces += [_NULL if value is None else pack(value) for pack, value in zip(packers, row, strict=True)]
        if number % _BLOCK == 0:
            yield b"".join(pieces)
            pieces.clear()
    yield b"".join(pieces) + TAIL


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def _text(value: str) -> bytes:
    raw = value.encode()
    return _length(len(raw)) + raw


def _words(values: Sequence[str]) -> bytes:
    if not values:
        return _EMPTY_ARRAY
    raws = [value.encode() for value in values]
    packed = b"".join([piece for raw in raws for piece in (_length(len(raw)), raw)])
    # One dimension, no nulls, elements of type text, counted from 1.
    return _length(20 + len(packed)) + _array(1, 0, _TEXT_OID, len(values), 1) + packed


_PACKERS: Mapping[str, Callable[[Any], bytes]] = {
    "text": _text,
    "text repeated": lru_cache(maxsize=16_384)(_text),
    "text[]": _words,
    "text[] repeated": lru_cache(maxsize=16_384)(_words),
    "bytea": _bytes,
    "int4": partial(_int4, 4),
    "int8": partial(_int8, 8),
    "bool": lambda value: b"\0\0\0\1\1" if value else b"\0\0\0\1\0",
}
