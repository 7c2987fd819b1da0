"""From one JSON text to a resource ready to be stored: checked, cleaned, labelled and indexed.

Every problem is a Rejected with the rule that was broken, where, and what to do about it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from fhir.compartment import ID, PATIENT_ELEMENT, SHARED, SHARED_TYPES, STORED_TYPES, foreign_names
from fhir.loading import elements, labels, narratives
from fhir.loading.elements import Element, Elements, Misshapen
from fhir.loading.faults import Rejected
from fhir.loading.json_texts import encode, parse_value, split, split_own
from fhir.loading.shapes import require_shape
from fhir.loading.survey import survey
from fhir.search.index import IndexRow, joined
from fhir.storage.projections import instant_text

_ELSEWHERE = (
    "This patient is at an address that is not ours, and none of our members, whatever the id. If the ids of that "
    "server are ours, load with --source-base and what stands before Patient/id; else refer to Patient/id."
)
_TYPES = {f'"{name}"'.encode(): name for name in STORED_TYPES}


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
    without_text: bool = False
    """Whether a narrative was left out that holds more than formatting."""

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
    return prepare_split(raw, split(raw))


def prepare_resource(resource: Mapping[str, Any]) -> Prepared:
    """The same from a parsed resource whose shape is known to be good; raises Rejected."""
    return _prepared(split_own(encode(resource)), is_checked=True)


def prepare_split(raw: bytes, texts: dict[str, bytes]) -> Prepared:
    """The resource of a JSON text that was `split` into these; raises Rejected."""
    try:
        return _prepared(texts, is_checked=False)
    except Misshapen:
        require_shape(raw, parse_value(texts["resourceType"]))
        raise Rejected("structure", "The resource has an element that its type does not have.") from None
    except Rejected as refused:
        if refused.rule == "json":
            # Found within an element: the whole text tells at which byte of the line.
            parse_value(raw)
        raise


def _prepared(texts: dict[str, bytes], *, is_checked: bool) -> Prepared:
    resource_type, resource_id = _require_identity(texts)
    known = elements.of(resource_type)
    found = known.all_of(texts, is_checked=is_checked)
    special = [one for one in found.values() if one.is_special]
    patient_id, targets = _whose(resource_type, resource_id, special, texts)
    people = frozenset().union(*[one.people for one in special])
    for name, one in list(found.items()) if any(one.named for one in special) else ():
        if one.named and foreign_names(one.named, patient_id or SHARED, people):
            found[name] = _without_names(known, name, texts[name], patient_id or SHARED, people)
    without_text = _leave_unfit_narratives_out(known, found, texts)
    meta = found.pop("meta", None)
    head = f'{{"resourceType":"{resource_type}","id":"{resource_id}","meta":{{'.encode()
    within_meta = meta.text if meta is not None else b""
    body = b"".join((head, within_meta, b"}", *[one.text for one in found.values()], b"}"))
    every = [*found.values(), meta] if meta is not None else found.values()
    medication = next((one.medication for one in special if one.medication), None)
    return Prepared(
        type=resource_type,
        id=resource_id,
        patient_id=patient_id,
        targets=targets,
        body=body,
        stamp_at=len(head),
        content_hash=hashlib.blake2b(body, digest_size=16).digest(),
        index=joined(resource_type, [one.part for one in every if one.part is not None]),
        labels=labels.joined(resource_type, [one.told for one in every if one.told is not None], medication),
        medication=medication,
        without_text=without_text,
    )


def _leave_unfit_narratives_out(known: Elements, found: dict[str, Element], texts: Mapping[str, bytes]) -> bool:
    """Take out of what was found the narratives, of the resource and of those it contains, that apps must not show."""
    left_out = False
    if "text" in found and not narratives.is_fit(texts["text"]):
        del found["text"]
        left_out = True
    if "contained" not in found or b"div" not in texts["contained"]:
        return left_out
    contained = parse_value(found["contained"].text.partition(b":")[2])
    unfit = [one for one in contained if "text" in one and not narratives.is_fit(encode(one["text"]))]
    for one in unfit:
        del one["text"]
    if unfit:
        found.update(known.all_of({"contained": encode(contained)}, is_checked=True))
    return left_out or bool(unfit)


def _require_identity(texts: Mapping[str, bytes]) -> tuple[str, str]:
    if "resourceType" not in texts:
        raise Rejected("unknown-type", "Say in resourceType what the resource is.", "resourceType")
    named = texts["resourceType"]
    resource_type = _TYPES.get(named) or parse_value(named)
    resource_id = parse_value(texts.get("id", b"null"))
    if resource_type not in STORED_TYPES:
        raise Rejected("unknown-type", f"Only these types are stored: {', '.join(STORED_TYPES)}.", "resourceType")
    if not isinstance(resource_id, str) or not ID.fullmatch(resource_id):
        hint = "An id has 1 to 64 letters, digits, hyphens and dots." if "id" in texts else "Give the resource an id."
        raise Rejected("id", hint, f"{resource_type}.id")
    return resource_type, resource_id


def _whose(
    resource_type: str, resource_id: str, special: Iterable[Element], texts: Mapping[str, bytes]
) -> tuple[str | None, list[tuple[str, str]]]:  # fmt: skip
    if resource_type in SHARED_TYPES:
        if any(one.names_member for one in special):
            raise Rejected("shared", "Everybody sees this: take members and what is theirs out of it.", resource_type)
        return SHARED, []
    if resource_type == "Patient":
        return resource_id, []
    patients = [patient for one in special for patient in one.patients]
    if len(patients) > 1:
        raise Rejected("several-patients", "A resource belongs to one patient.", _patient_path(resource_type))
    if patients:
        return patients[0], []
    if targets := [target for one in special for target in one.targets]:
        return None, targets
    is_elsewhere = b"://" in texts.get(PATIENT_ELEMENT[resource_type], b"")
    hint = _ELSEWHERE if is_elsewhere else "Name the patient by a reference Patient/id."
    raise Rejected("patient", hint, _patient_path(resource_type))


def _patient_path(resource_type: str) -> str:
    return f"{resource_type}.{PATIENT_ELEMENT[resource_type]}"


def _without_names(known: Elements, name: str, text: bytes, patient_id: str, people: frozenset[str]) -> Element:
    value = parse_value(text)
    for node in foreign_names(survey([value]).named, patient_id, people):
        del node["display"]
    return known.all_of({name: encode(value)}, is_checked=True)[name]
