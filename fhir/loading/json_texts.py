"""JSON texts of resources: parsed strictly, taken apart, and encoded again without losing a digit."""

import json
import re
from decimal import Decimal
from typing import Any

import msgspec

from fhir.loading.faults import Rejected
from fhir.loading.lines import LONGEST

_KEY_END = b'":'
_SPACE_AFTER_QUOTE = (b'" ', b'"\n', b'"\r', b'"\t')
_HALF_A_PAIR = re.compile(
    rb"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}", re.IGNORECASE
)
_CONTROL = re.compile(rb"\\u00(?:0[0-8bcef]|1[0-9a-f]|7f)", re.IGNORECASE)
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
        raise Rejected("json", "The line is not one JSON object.")
    return found


def split(raw: bytes) -> dict[str, bytes]:
    """The members of the object of a JSON text with their texts, as strictly, none there twice; raises Rejected."""
    _require_text(raw)
    try:
        found = split_own(raw)
    except Rejected:
        # What is wrong at which byte, if it is wrong JSON and not another value.
        parse_value(raw)
        raise
    # Written without space, and every member kept: the lengths add up.
    if sum([len(name) + len(text) + 4 for name, text in found.items()]) + 1 == len(raw):
        return found
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


def _refused(raw: bytes, problem: Exception) -> Rejected:
    if isinstance(problem, RecursionError):
        return Rejected("json", "The resource is nested too deeply.")
    if _HALF_A_PAIR.search(raw):
        return Rejected("json", "A surrogate (\\uD800 to \\uDFFF) stands without its pair.")
    # What the parser found and where; its words quote nothing of the text.
    words = str(problem).removeprefix("JSON is malformed: ")
    told = words.replace("Input data was truncated", "it ends in the middle")
    return Rejected("json", f"The line is not one JSON object: {told}.")
