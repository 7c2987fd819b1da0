"""JSON texts of resources: parsed strictly, taken apart, and encoded again without losing a digit."""

import json
import re
from decimal import Decimal
from itertools import accumulate
from typing import Any

import msgspec

from fhir.loading.faults import Rejected
from fhir.loading.lines import LONGEST

_KEY_END = b'":'
_SPACE_AFTER_QUOTE = (b'" ', b'"\n', b'"\r', b'"\t')
_HALF_A_PAIR = re.compile(
    rb"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}", re.IGNORECASE
)
# Behind a backslash that is escaped itself, `u0000` is text like any other.
_CONTROL = re.compile(rb"(?<!\\)(?:\\\\)*\\u00(?:0[0-8bcef]|1[0-9a-f]|7f)", re.IGNORECASE)
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
DEEPEST = 100
"""Levels of objects and lists in a resource. FHIR names no bound; readers have one, ours of 254 and a thousand."""
_ROUNDS = 12
_TOO_DEEP = f"The resource is nested too deeply: more than {DEEPEST} levels."
# Decimals keep the digits they came with (FHIR R4, decimal: precision matters).
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_quick = msgspec.json.Decoder()
_splitter = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder(decimal_format="number")


def parse(raw: bytes) -> dict[str, Any]:
    """The object of a JSON text, strictly: UTF-8, one object, no control characters; raises Rejected."""
    _require_text(raw)
    found = parse_value(raw)
    if not isinstance(found, dict):
        raise _no_object(found)
    return found


def parse_unique(raw: bytes) -> dict[str, Any]:
    """The same of a text that is new to us: no key stands twice in an object, and none too deep; raises Rejected."""
    require_shallow(raw)
    found = parse(raw)
    require_unique_keys(raw, found)
    return found


def split(raw: bytes) -> dict[str, bytes]:
    """The members of the object of a JSON text with their texts; raises Rejected.

    As strict as `parse_unique` of what it sees: whether a member is too deep, or has a key twice within, is for who
    reads it.
    """
    _require_text(raw)
    try:
        found = split_own(raw)
    except Rejected:
        # What is wrong at which byte, if it is wrong JSON and not another value.
        raise _no_object(parse_value(raw)) from None
    # Written without space, and every member kept: the lengths add up.
    if sum([len(name) + len(text) + 4 for name, text in found.items()]) + 1 == len(raw):
        return found
    require_shallow(raw)
    return split_own(require_unique_keys(raw, parse_value(raw)))


def split_own(raw: bytes) -> dict[str, bytes]:
    """The same of a text that `encode` wrote, or one that was looked at."""
    try:
        return {name: bytes(text) for name, text in _splitter.decode(raw).items()}
    except (msgspec.DecodeError, RecursionError):
        raise Rejected("json", "The line is not one JSON object.") from None


def parse_value(raw: bytes) -> Any:
    """What a JSON text says; raises Rejected."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise _refused(raw, problem) from None


def read_value(raw: bytes) -> tuple[Any, bytes]:
    """What a JSON text says, numbers as floats perhaps, and how it is kept: no key stands twice; raises Rejected."""
    try:
        quick = _quick.decode(raw)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise _refused(raw, problem) from None
    if _encoder.encode(quick) == raw:
        # Nothing was lost, digits neither.
        return quick, raw
    value = parse_value(raw)
    return value, require_unique_keys(raw, value)


def encode(resource: Any) -> bytes:
    """JSON of something parsed here, decimals as they came."""
    return _encoder.encode(resource)


def require_unique_keys(raw: bytes, parsed: Any) -> bytes:
    """Refuse a text in which an object has a key twice; `parsed` is what was made of it. Returns that, encoded.

    Parsers keep the last of two equal keys, another reader the first: nobody shall see something else than we
    indexed. What comes out as it went in has lost no key, nor has what has as many; the rest is looked at exactly.
    """
    encoded = _encoder.encode(parsed)
    if encoded != raw and (_is_written_otherwise(raw) or encoded.count(_KEY_END) != raw.count(_KEY_END)):
        json.loads(raw, object_pairs_hook=_unique)
    return encoded


def require_shallow(raw: bytes, *, within: int = 0) -> None:
    """Refuse a JSON text of more levels than DEEPEST, itself `within` so many; what is no JSON is another's affair."""
    deepest = DEEPEST - within
    if raw.count(b"[") + raw.count(b"{") <= deepest:
        return
    left = raw.translate(None, _NO_BRACKETS)
    # What is innermost goes first: nothing is left of nearly every claim after a few rounds.
    for _ in range(_ROUNDS):
        before, left = len(left), left.replace(b"[]", b"").replace(b"{}", b"")
        if not left:
            return
        if len(left) == before:
            break
    # Deep indeed, or brackets in its texts.
    brackets = _STRING.sub(b"", raw).translate(None, _NO_BRACKETS)
    if any(level > deepest for level in accumulate(1 if one in b"[{" else -1 for one in brackets)):
        raise Rejected("json", _TOO_DEEP)


def _is_written_otherwise(raw: bytes) -> bool:
    """Whether the ends of keys may be written as they would not be here, or stand for something else."""
    return b"\\u" in raw or any(space in raw for space in _SPACE_AFTER_QUOTE)


def _unique(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise Rejected("duplicate-key", "Each key may stand once in an object.")


def _require_text(raw: bytes) -> None:
    if len(raw) > LONGEST:
        raise Rejected("too-long", "Send resources of at most 16 MB.")
    if not raw.isascii():
        _require_utf8(raw)
    if b"\\u00" in raw and _CONTROL.search(raw):
        raise Rejected("control-character", "Remove control characters; FHIR strings have none but tab and line ends.")


def _require_utf8(raw: bytes) -> None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejected("utf-8", "Encode the file in UTF-8.") from None


def _no_object(found: Any) -> Rejected:
    what = "an array: write its resources one a line, or as a Bundle" if isinstance(found, list) else "another value"
    return Rejected("json", f"The line is not one JSON object but {what}.")


def _refused(raw: bytes, problem: Exception) -> Rejected:
    if isinstance(problem, RecursionError):
        return Rejected("json", _TOO_DEEP)
    if _HALF_A_PAIR.search(raw):
        return Rejected("json", "A surrogate (\\uD800 to \\uDFFF) stands without its pair.")
    # What the parser found and where; its words quote nothing of the text.
    words = str(problem).removeprefix("JSON is malformed: ")
    told = words.replace("Input data was truncated", "it ends in the middle")
    return Rejected("json", f"The line is not one JSON object: {told}.")
