"""Resources taken apart into their elements, and what each element by itself adds to the resource.

Most texts of elements (a status, a coded test, a profile) come again in thousands of resources: what they add is worked
out once and kept. What hardly ever comes twice (ids, instants, amounts) is not.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from fhir.compartment import (
    PATIENT_ELEMENT,
    SHARED_TYPES,
    contained_people,
    names_member,
    names_of_people,
    other_targets,
    patients_named,
)
from fhir.loading import bad_dates, labels, leaves, shapes
from fhir.loading.faults import Rejected
from fhir.loading.json_texts import DEEPEST, encode, read_value, require_shallow
from fhir.loading.labels import Told
from fhir.loading.leaves import Branches
from fhir.loading.shapes import is_reference
from fhir.loading.survey import survey
from fhir.search.dates import BadDate
from fhir.search.index import Part, led_by, part, refers

_NAMES = ("resourceType", "id")
_FORM = "QuestionnaireResponse"
"""Its codes stand in addresses and link ids too."""
_SPECIAL = frozenset({"contained", "medicationReference"})
_PLAIN_REFERENCE = re.compile(rb'\{"reference":"([A-Za-z]+/[A-Za-z0-9\-.]{1,64})"\}')
_STAMPED = frozenset({"versionId", "lastUpdated"})
_LONGEST_KEPT = 2_000
_MOST_KEPT = 8 * 1024 * 1024
_OVERHEAD = 1_000
_MOST_LEAVES = 2_000
_MOST_BRACKETS = DEEPEST - 30
"""So many in a leaf make no resource too deep, whose branches are ten levels, each a list of objects, at most."""
_JUDGED = 256
"""When so many texts of an element were new, it is asked whether they come again."""


class Element(msgspec.Struct, gc=False):
    """What an element adds to its resource.

    `text` is written into the body as it is (of `meta`, what stands within). `named` are references with a display
    that may mean people; `people` those that are contained.
    """

    text: bytes
    part: Part | None
    told: Told | None
    is_special: bool = False
    """Whether it has any of what follows."""
    named: tuple[dict[str, Any], ...] = ()
    people: frozenset[str] = frozenset()
    patients: frozenset[str] = frozenset()
    targets: tuple[tuple[str, str], ...] = ()
    medication: str | None = None
    names_member: bool = False
    is_shaped: bool = False


class _Surveyed(NamedTuple):
    """What a survey of an element told, and the references in it that have a display."""

    told: Told
    named: list[dict[str, Any]]


_SILENT = Told(frozenset(), classifies=False)
_NOTHING = _Surveyed(_SILENT, [])


class Misshapen(Exception):
    """An element that its type does not have, or a value of the wrong type."""


class _Place:
    """An element of one type: how its shape is checked, and what those of its texts add that came before."""

    __slots__ = ("branches", "decode_shape", "kept", "lead", "leads", "name", "names_patient", "new", "surveyed")

    def __init__(self, resource_type: str, name: str, decode_shape: Callable[[bytes], object] | None) -> None:
        self.name = name
        self.lead = b"" if name == "meta" else b',"%b":' % name.encode()
        self.decode_shape = decode_shape
        self.kept: dict[bytes, Element] | None = {}
        self.new = 0
        is_plain = resource_type not in SHARED_TYPES and name not in _SPECIAL and is_reference(resource_type, name)
        self.leads = led_by(resource_type, name) if is_plain else None
        """Where it is one reference, of which nothing but its target tells anything."""
        self.names_patient = PATIENT_ELEMENT.get(resource_type) == name
        is_whole = resource_type in {*SHARED_TYPES, _FORM} or name in _SPECIAL or self.names_patient
        self.branches = None if is_whole else leaves.branches_of(resource_type, name)
        self.surveyed: defaultdict[str, dict[bytes, _Surveyed]] = defaultdict(dict)
        """By kind, what each text of a leaf told."""


class Elements:
    """The elements of one type of resource: what those that came before add, and how to work out another's."""

    def __init__(self, resource_type: str) -> None:
        self._type = resource_type
        self._shapes = {name: one.decode for name, one in shapes.elements(resource_type).items()}
        self._choices = shapes.choices(resource_type)
        self._any_choice: frozenset[str] = frozenset().union(*self._choices)
        self._places: dict[str, _Place] = {}
        self._seen = 0

    def all_of(self, texts: Mapping[str, bytes], *, is_checked: bool) -> dict[str, Element]:
        """What the elements with these texts add, but for type and id.

        Raises Rejected, and Misshapen unless it `is_checked` that their shape is good.
        """
        self._seen += 1
        if not is_checked and len(chosen := texts.keys() & self._any_choice) > 1:
            self._require_one_of_each(chosen)
        places = self._places
        found: dict[str, Element] = {}
        for name, text in texts.items():
            place = places.get(name)
            if place is None:
                if name in _NAMES:
                    continue
                place = self._place(name, is_checked=is_checked)
            kept = place.kept
            # Asked once: another thread may find meanwhile that nothing here is worth keeping.
            one = kept.get(text) if kept is not None else None
            if one is None:
                one = self._learn(place, text, is_checked=is_checked)
            elif not (one.is_shaped or is_checked):
                # Only what `encode` wrote came unchecked.
                _require_shape(place, text)
                one.is_shaped = True
            found[name] = one
        return found

    def _require_one_of_each(self, names: set[str]) -> None:
        if any(shapes.several_of(names & one) for one in self._choices):
            raise Misshapen

    def _place(self, name: str, *, is_checked: bool) -> _Place:
        shape = self._shapes.get(name)
        if shape is None and not is_checked:
            raise Misshapen
        made = self._places[name] = _Place(self._type, name, shape)
        return made

    def _learn(self, place: _Place, text: bytes, *, is_checked: bool) -> Element:
        if place.leads is not None and (plain := _PLAIN_REFERENCE.fullmatch(text)):
            made = _reference(place, place.leads, plain[1].decode(), text)
        else:
            made = self._look(place, text, is_checked=is_checked)
        if place.kept is not None and len(text) <= _LONGEST_KEPT:
            self._keep(place, place.kept, text, made)
        return made

    def _look(self, place: _Place, text: bytes, *, is_checked: bool) -> Element:
        if place.branches is not None and not is_checked:
            made = _by_leaves(place, place.branches, self._type, text)
            if made is not None:
                return made
        require_shallow(text, within=1)
        value, encoded = read_value(text)
        if not is_checked:
            _require_shape(place, encoded)
        if place.name == "meta":
            encoded = _unstamped(value, encoded, self._type)
        try:
            found = _surveyed(self._type, place.name, value)
            made = _element(self._type, place.name, value, place.lead + encoded, found)
        except BadDate:
            raise bad_dates.refused(self._type, place.name, value) from None
        made.is_shaped = not is_checked
        return made

    def _keep(self, place: _Place, kept: dict[bytes, Element], text: bytes, made: Element) -> None:
        place.new += 1
        if place.new % _JUDGED == 0 and place.new > self._seen // 2:
            # Hardly any comes twice.
            place.kept = None
            return
        _room.take(2 * len(text) + _OVERHEAD)
        kept[text] = made

    def forget(self) -> None:
        """Let go of all that was kept."""
        self._places.clear()
        self._seen = 0


def _require_shape(place: _Place, encoded: bytes) -> None:
    if place.decode_shape is None:
        raise Misshapen
    try:
        place.decode_shape(encoded)
        shapes.require_no_empty(encoded, place.name)
    except (msgspec.DecodeError, Rejected):
        raise Misshapen from None


class _Room:
    """How much all types together keep; where there is no more room, everything goes and begins anew."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, size: int) -> None:
        self._taken += size
        if self._taken > _MOST_KEPT:
            self._taken = 0
            for one in list(_of_types.values()):
                one.forget()


_room = _Room()
_of_types: dict[str, Elements] = {}


def of(resource_type: str) -> Elements:
    """The elements of a type that is stored."""
    found = _of_types.get(resource_type)
    if found is None:
        found = _of_types[resource_type] = Elements(resource_type)
    return found


def _unstamped(meta: Any, encoded: bytes, resource_type: str) -> bytes:
    """What stands within a `meta` without version and instant."""
    if not isinstance(meta, dict):
        raise Rejected("structure", "meta is an object.", f"{resource_type}.meta")
    kept = {name: value for name, value in meta.items() if name not in _STAMPED}
    return (encoded if len(kept) == len(meta) else encode(kept))[1:-1]


def _reference(place: _Place, leads: tuple[str, ...], target: str, text: bytes) -> Element:
    made = Element(place.lead + text, refers(leads, target), None, is_shaped=True)
    if place.names_patient and target.startswith("Patient/"):
        made.patients, made.is_special = frozenset((target[8:],)), True
    return made


def _by_leaves(place: _Place, branches: Branches, resource_type: str, text: bytes) -> Element | None:
    """An element by its leaves, its shape checked; None where it has to be looked at whole, to be refused perhaps."""
    value = leaves.read(branches, text)
    if value is None:
        return None
    classes: frozenset[str] = frozenset()
    classifies, named = False, []
    surveyed = place.surveyed
    found_leaves = leaves.of(branches, value)
    if found_leaves is None:
        return None
    for kind, leaf in found_leaves:
        found = surveyed[kind].get(leaf) or _survey_leaf(surveyed[kind], resource_type, place.name, kind, leaf)
        if found is None:
            return None
        if found is not _NOTHING:
            classes = classes | found.told.classes
            classifies = classifies or found.told.classifies
            named += found.named
    try:
        made = _element(
            resource_type, place.name, value, place.lead + text, _Surveyed(Told(classes, classifies), named)
        )  # fmt: skip
    except BadDate:
        return None
    made.is_shaped = True
    return made


def _survey_leaf(
    kept: dict[bytes, _Surveyed], resource_type: str, name: str, kind: str, leaf: bytes
) -> _Surveyed | None:  # fmt: skip
    """What a survey of a leaf tells; None where it has another shape, a key twice, many levels, or is written oddly."""
    if leaf.count(b"{") + leaf.count(b"[") > _MOST_BRACKETS:
        return None
    try:
        value, encoded = read_value(leaf)
        shapes.of_kind(kind).decode(leaf)
    except (Rejected, msgspec.DecodeError):
        return None
    if encoded != leaf:
        return None
    found = _surveyed(resource_type, name, value)
    # A document may lie in an extension: what is so long hardly comes again, and thousands would be gigabytes.
    if len(leaf) <= _LONGEST_KEPT:
        if len(kept) >= _MOST_LEAVES:
            kept.clear()
        kept[leaf] = found
    return found


def _surveyed(resource_type: str, name: str, value: Any) -> _Surveyed:
    if resource_type != _FORM and type(value) is not dict and type(value) is not list:
        return _NOTHING
    found = survey(value)
    if not found.codings and resource_type != _FORM:
        return _Surveyed(_SILENT, found.named) if found.named else _NOTHING
    return _Surveyed(labels.tell(resource_type, name, value, found.codings), found.named)


def _element(resource_type: str, name: str, value: Any, text: bytes, found: _Surveyed) -> Element:
    told = found.told if found.told.classes or found.told.classifies else None
    made = Element(text, part(resource_type, name, value), told)
    if found.named or name in _SPECIAL or resource_type in SHARED_TYPES or PATIENT_ELEMENT[resource_type] == name:
        _tell_more(made, resource_type, name, value, found.named)
    return made


def _tell_more(made: Element, resource_type: str, name: str, value: Any, named: list[dict[str, Any]]) -> None:
    made.named = tuple(names_of_people(named))
    if resource_type in SHARED_TYPES:
        made.names_member = names_member({name: value})
    elif PATIENT_ELEMENT[resource_type] == name:
        made.patients = patients_named(value)
        made.targets = tuple(other_targets(value)) if resource_type == "Provenance" and not made.patients else ()
    if name == "contained":
        made.people = contained_people(value)
    elif name == "medicationReference":
        made.medication = labels.medication(value)
    made.is_special = bool(
        made.named or made.names_member or made.patients or made.targets or made.people or made.medication
    )
