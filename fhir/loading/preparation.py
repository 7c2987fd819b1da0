"""From one JSON text to a resource ready to be stored: checked, cleaned, labelled and indexed.

Every problem is a Rejected with the rule that was broken, where, and what to do about it.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

from fhir.compartment import (
    ID,
    SHARED,
    SHARED_TYPES,
    STORED_TYPES,
    SeveralPatients,
    UnknownPatient,
    contained_people,
    names_member,
    other_targets,
    patient_of,
    strip_foreign_names,
)
from fhir.loading import labels
from fhir.loading.faults import Rejected
from fhir.loading.lines import LONGEST
from fhir.loading.shapes import require_shape
from fhir.loading.survey import survey
from fhir.search.dates import BadDate, span
from fhir.search.index import IndexRow, index
from fhir.storage.projections import instant_text

_KEY_END = b'":'
_SPACE_AFTER_QUOTE = (b'" ', b'"\n', b'"\r', b'"\t')
_FIRST = ("resourceType", "id", "meta")
_STAMPED = frozenset({"versionId", "lastUpdated"})
_CONTROL = re.compile(rb"\\u00(?:0[0-8bcef]|1[0-9a-f]|7f)", re.IGNORECASE)
_DATE_LIKE = re.compile(r"\d{4}-\d\d-\d\d(?:T|$)")
_HALF_A_PAIR = re.compile(
    rb"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}", re.IGNORECASE
)
# Decimals keep the digits they came with (FHIR R4, decimal: precision matters).
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


class Prepared(msgspec.Struct, array_like=True):
    """A resource ready to be stored. `body` lacks its version; `stamped` writes it in at `stamp_at`.

    `patient_id` is None for a Provenance whose patient must be found by its `targets`.
    """

    type: str
    id: str
    patient_id: str | None
    targets: list[tuple[str, str]]
    body: bytes
    stamp_at: int
    content_hash: bytes
    index: IndexRow
    labels: frozenset[str]
    medication: str | None

    @property
    def key(self) -> tuple[str, str]:
        """Type and id."""
        return self.type, self.id

    def stamped(self, version: int, last_updated: int) -> bytes:
        """The JSON as served: with our version and our clock's instant in `meta`, so that reads never edit it."""
        stamp = f'"versionId":"{version}","lastUpdated":"{instant_text(last_updated)}"'.encode()
        rest = self.body[self.stamp_at :]
        return b"".join((self.body[: self.stamp_at], stamp, b"" if rest.startswith(b"}") else b",", rest))


def prepare(raw: bytes) -> Prepared:
    """The resource of one JSON text; raises Rejected."""
    return prepare_parsed(raw, parse(raw))


def prepare_parsed(raw: bytes, resource: dict[str, Any]) -> Prepared:
    """The resource of a JSON text that `parse` took, which is changed in place; raises Rejected."""
    encoded = require_unique_keys(raw, resource)
    resource_type, _ = _require_identity(resource)
    require_shape(raw, resource_type)
    return prepare_resource(resource, encoded)


def prepare_resource(resource: dict[str, Any], encoded: bytes | None = None) -> Prepared:
    """The same from a resource whose shape is known to be good, changed in place; raises Rejected.

    `encoded` is what `encode` makes of it, where that is known.
    """
    surveyed = survey(resource)
    resource_type, resource_id = _require_identity(resource)
    patient_id, targets = _whose(resource)
    if strip_foreign_names(surveyed.named, patient_id or SHARED, contained_people(resource)):
        encoded = None
    body, stamp_at = _encode(resource, encoded)
    return Prepared(
        type=resource_type,
        id=resource_id,
        patient_id=patient_id,
        targets=targets,
        body=body,
        stamp_at=stamp_at,
        content_hash=hashlib.blake2b(body, digest_size=16).digest(),
        index=_index(resource),
        labels=labels.labels(resource, surveyed.codings),
        medication=labels.medication(resource),
    )


def parse(raw: bytes) -> dict[str, Any]:
    """The object of a JSON text, strictly: UTF-8, one object, no control characters; raises Rejected."""
    if len(raw) > LONGEST:
        raise Rejected("too-long", "Send resources of at most 16 MB.")
    if not raw.isascii():
        _require_utf8(raw)
    if b"\\u00" in raw and _CONTROL.search(raw):
        raise Rejected("control-character", "Remove control characters; FHIR strings have none but tab and line ends.")
    try:
        found = _decoder.decode(raw)
    except RecursionError:
        raise Rejected("json", "The resource is nested too deeply.") from None
    except msgspec.DecodeError as problem:
        if _HALF_A_PAIR.search(raw):
            raise Rejected("json", "A surrogate (\\uD800 to \\uDFFF) stands without its pair.") from None
        raise Rejected("json", f"The line is not one JSON object: {_told(problem)}.") from None
    if not isinstance(found, dict):
        raise Rejected("json", "The line is not one JSON object.")
    return found


def _told(problem: msgspec.DecodeError) -> str:
    """What the parser found and where; its words quote nothing of the text."""
    words = str(problem).removeprefix("JSON is malformed: ")
    return words.replace("Input data was truncated", "it ends in the middle")


def encode(resource: Any) -> bytes:
    """JSON of something parsed here, decimals as they came."""
    return _encoder.encode(resource)


def _require_utf8(raw: bytes) -> None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejected("utf-8", "Encode the file in UTF-8.") from None


def require_unique_keys(raw: bytes, parsed: dict[str, Any]) -> bytes:
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


def _require_identity(resource: dict[str, Any]) -> tuple[str, str]:
    resource_type, resource_id = resource.get("resourceType"), resource.get("id")
    if resource_type not in STORED_TYPES:
        raise Rejected("unknown-type", f"Only these types are stored: {', '.join(STORED_TYPES)}.", "resourceType")
    if not isinstance(resource_id, str) or not ID.fullmatch(resource_id):
        raise Rejected("id", "An id has 1 to 64 letters, digits, hyphens and dots.", f"{resource_type}.id")
    if not isinstance(resource.get("meta", {}), dict):
        raise Rejected("structure", "meta is an object.", f"{resource_type}.meta")
    return str(resource_type), resource_id


def _whose(resource: dict[str, Any]) -> tuple[str | None, list[tuple[str, str]]]:
    resource_type = resource["resourceType"]
    if resource_type in SHARED_TYPES and names_member(resource):
        raise Rejected("shared", "Everybody sees this: take members and what is theirs out of it.", resource_type)
    try:
        return patient_of(resource), []
    except SeveralPatients:
        raise Rejected("several-patients", "A resource belongs to one patient.", resource_type) from None
    except UnknownPatient:
        targets = other_targets(resource) if resource_type == "Provenance" else []
        if not targets:
            raise Rejected("patient", "Name the patient by a reference Patient/id.", resource_type) from None
        return None, targets


def _encode(resource: dict[str, Any], encoded: bytes | None) -> tuple[bytes, int]:
    """The body, its identity and `meta` first and without a version, and where the version is written in."""
    came = {name: resource[name] for name in _FIRST if name in resource}
    identity = {name: value for name, value in came.items() if name != "meta"}
    meta = {name: value for name, value in came.get("meta", {}).items() if name not in _STAMPED}
    stamp_at = len(_encoder.encode(identity)) + len(',"meta":{') - 1
    first = identity | {"meta": meta}
    if encoded is not None and list(islice(resource, len(came))) == list(came):
        # Nearly all come in this order: only what changes is written anew.
        return _encoder.encode(first)[:-1] + encoded[len(_encoder.encode(came)) - 1 :], stamp_at
    rest = {name: value for name, value in resource.items() if name not in first}
    return _encoder.encode(first | rest), stamp_at


def _index(resource: dict[str, Any]) -> IndexRow:
    try:
        return index(resource)
    except BadDate:
        path = next(_bad_dates(resource, resource["resourceType"]), resource["resourceType"])
        raise Rejected("date", "There is no such day or time, or it is not written as FHIR does.", path) from None


def _bad_dates(node: dict[str, Any], path: str) -> Iterator[str]:
    """The paths of texts that look like a date and are none."""
    for name, value in node.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield from _bad_dates(one, f"{path}.{name}")
            elif _is_bad_date(one):
                yield f"{path}.{name}"


def _is_bad_date(value: Any) -> bool:
    if not isinstance(value, str) or not _DATE_LIKE.match(value):
        return False
    try:
        span(value)
    except BadDate:
        return True
    return False
