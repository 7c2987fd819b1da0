"""Sensitive classes of a resource, found from its codes by the tables in `sensitive_codes.json`.

A code in no sensitive set is ordinary, but for drugs: an NDC is ordinary where `drug_codes.json` lists its product so
(decision 156). A record whose codes cannot be looked up is `restricted`: it stays with the member until somebody
classifies it (decision 74).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from consent.policy import UNCLASSIFIED
from fhir.compartment import SHARED_TYPES
from fhir.loading import drug_codes
from fhir.loading.survey import survey

_FILE = Path(__file__).with_name("sensitive_codes.json")
_TABLES: dict[str, Any] = json.loads(_FILE.read_text("utf-8"))
_DIGEST = hashlib.blake2b(_FILE.read_bytes() + drug_codes.FILE.read_bytes(), digest_size=4).hexdigest()
VERSION: str = f"{_TABLES['version']}+{_DIGEST}"
"""Version of the code tables: what we say, and what a plan made of them."""
SUBSTANCES: Mapping[str, tuple[str, ...]] = {name: tuple(words) for name, words in _TABLES["substances"].items()}
"""By class, how names of ingredients and pharmacologic classes of its drugs start."""

_SYSTEMS: Mapping[str, str] = _TABLES["systems"]
_SECURITY: Mapping[str, Mapping[str, str]] = _TABLES["security"]
_NOTHING: Mapping[str, str] = {}
_PREFIX_TABLES = frozenset(_TABLES["prefix_tables"])
_HINTS = frozenset(_TABLES["hints"])
_PROCEDURE = re.compile(r"(?:\d{4}[0-9A-Z]|[A-Z]\d{4})(?![0-9A-Z])", re.ASCII)
"""A CPT or HCPCS code, a modifier behind it perhaps."""
_NAMED_BY: Mapping[str, tuple[str, ...]] = {
    "AllergyIntolerance": ("code",),
    "Condition": ("code",),
    "DiagnosticReport": ("code",),
    "DocumentReference": ("type",),
    "Encounter": ("type", "serviceType", "reasonCode"),
    "Immunization": ("vaccineCode",),
    "Medication": ("code", "ingredient"),
    "MedicationDispense": ("medicationCodeableConcept", "contained"),
    "MedicationRequest": ("medicationCodeableConcept", "contained"),
    "Observation": ("code",),
    "Procedure": ("code",),
    "ServiceRequest": ("code",),
}
"""Types about one coded thing, with the elements that say which: no other element tells how sensitive it is."""
_NAMED_ANYWHERE = frozenset({"ExplanationOfBenefit", "QuestionnaireResponse"})
"""Types that are about several; each code that can be looked up tells of one of them."""
_NO_CLASSES: frozenset[str] = frozenset()
_LOINC = "http://loinc.org"
_LOINC_ITEM = re.compile(r"(\d{1,7}-\d)", re.ASCII)


class Told(NamedTuple):
    """What an element tells of the sensitive classes of its resource; whether it `classifies` the resource at all."""

    classes: frozenset[str]
    classifies: bool


def labels(resource: Mapping[str, Any]) -> frozenset[str]:
    """The sensitive classes of a resource; empty when it is ordinary.

    A prescription that names a Medication of its own is as sensitive as that one is besides (`with_medication`).
    """
    resource_type = str(resource["resourceType"])
    told = [tell(resource_type, name, value, survey([value]).codings) for name, value in resource.items()]
    return joined(resource_type, told, medication(resource.get("medicationReference")))


def tell(resource_type: str, name: str, value: object, codings: Iterable[tuple[str, str]]) -> Told:
    """What an element tells in which these codings (system, code) stand."""
    # Most codings of a claim stand in it many times.
    known = {*codings, *(_of_questionnaire(name, value) if resource_type == "QuestionnaireResponse" else ())}
    found: set[str] = set()
    classifies = False
    for system, code in known:
        # What the source labelled itself is kept as labelled; it tells no more of the resource than that.
        if (own := _SECURITY.get(system, _NOTHING).get(code)) is not None:
            found.add(own)
        table = _SYSTEMS.get(system)
        # A psychiatrist in the directory is no record of anybody.
        if table is None or (table in _HINTS and resource_type in SHARED_TYPES):
            continue
        if (classes := _classes(table, code)) is not None:
            found.update(classes)
            classifies = classifies or table not in _HINTS
    names_it = resource_type in _NAMED_ANYWHERE or name in _NAMED_BY.get(resource_type, ())
    return Told(frozenset(found), classifies and names_it)


def joined(resource_type: str, told: Iterable[Told], of_medication: str | None) -> frozenset[str]:
    """The sensitive classes of a resource whose elements tell this."""
    classes = _NO_CLASSES
    classifies = of_medication is not None or not (resource_type in _NAMED_ANYWHERE or resource_type in _NAMED_BY)
    for one in told:
        classes = classes | one.classes if one.classes else classes
        classifies = classifies or one.classifies
    return classes if classifies else classes | {UNCLASSIFIED}


def _of_questionnaire(name: str, value: object) -> Iterator[tuple[str, str]]:
    """The LOINC codes of the form and of its questions, where addresses and link ids are made of them."""
    form = str(value).partition("|")[0] if name == "questionnaire" else ""
    if form.startswith(f"{_LOINC}/q/"):
        yield _LOINC, form.rpartition("/")[2]
    left: list[Any] = [value if name == "item" else None]
    while left:
        node = left.pop()
        if isinstance(node, list):
            left += node
        elif isinstance(node, dict):
            if linked := _LOINC_ITEM.fullmatch(str(node.get("linkId", "")).rpartition("/")[2]):
                yield _LOINC, linked[1]
            left += (node.get("item"), node.get("answer"))


def medication(named: object) -> str | None:
    """The id of the Medication that a prescription names by its `medicationReference`: its classes are its own too."""
    reference = named.get("reference") if isinstance(named, dict) else None
    if not isinstance(reference, str) or not reference.startswith("Medication/"):
        return None
    return reference.split("/")[1]


def with_medication(own: Iterable[str], of_medication: Iterable[str] | None) -> frozenset[str]:
    """Labels of a prescription, given those of its Medication (None when nobody has loaded that one)."""
    return frozenset(own) | ({UNCLASSIFIED} if of_medication is None else frozenset(of_medication))


@lru_cache(maxsize=65_536)
def _classes(table: str, code: str) -> frozenset[str] | None:
    """The classes of a code; None where it cannot be looked up."""
    if table == "ndc":
        return drug_codes.classes_of(code)
    plain = code.strip().upper()
    if table == "revenue":
        plain = plain.zfill(4)
    if table == "hcpcs" and not _PROCEDURE.match(plain):
        return None
    if table in _PREFIX_TABLES:
        plain = plain.replace(".", "")
        starts = {plain[:length] for length in range(1, len(plain) + 1)}
        return frozenset(name for name, codes in _sets(table) if codes & starts)
    return frozenset(name for name, codes in _sets(table) if plain in codes)


@lru_cache(maxsize=32)
def _sets(table: str) -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((name, frozenset(tables.get(table, ()))) for name, tables in _TABLES["classes"].items())
