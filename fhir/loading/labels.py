"""Sensitive classes of a resource, found from its codes by the tables in `sensitive_codes.json`.

A code in no sensitive set is ordinary. A clinical resource without any code that could be looked up is `restricted`
(architecture.md section 7.8): it stays with the member until somebody classifies it.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from consent.policy import UNCLASSIFIED

_TABLES: dict[str, Any] = json.loads(Path(__file__).with_name("sensitive_codes.json").read_text("utf-8"))
VERSION: str = _TABLES["version"]
"""Version of the code tables."""

_SYSTEMS: Mapping[str, str] = _TABLES["systems"]
_SECURITY: Mapping[str, Mapping[str, str]] = _TABLES["security"]
_NOTHING: Mapping[str, str] = {}
_PREFIX_TABLES = frozenset(_TABLES["prefix_tables"])
_CODED_TYPES = frozenset({
    "AllergyIntolerance", "Condition", "DiagnosticReport", "Immunization", "Medication", "MedicationDispense",
    "MedicationRequest", "Observation", "Procedure", "ServiceRequest",
})  # fmt: skip
"""Types that are about one coded thing; without a code nobody can tell how sensitive it is."""


def labels(resource_type: str, codings: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The sensitive classes of a resource with these codings (system, code); empty when it is ordinary."""
    classified = False
    found: set[str] = set()
    # Most codings of a claim stand in it many times.
    for system, code in set(codings):
        table = _SYSTEMS.get(system)
        # What the source labelled itself is kept as labelled; it tells no more of the resource than that.
        if (own := _SECURITY.get(system, _NOTHING).get(code)) is not None:
            found.add(own)
        if table is not None:
            classified = True
            found.update(_classes(table, code))
    if not classified and resource_type in _CODED_TYPES:
        found.add(UNCLASSIFIED)
    return frozenset(found)


def medication(resource: Mapping[str, Any]) -> str | None:
    """The id of the Medication that carries the code of a prescription; its classes are the prescription's too."""
    named = resource.get("medicationReference")
    reference = named.get("reference") if isinstance(named, dict) else None
    if not isinstance(reference, str) or not reference.startswith("Medication/"):
        return None
    return reference.split("/")[1]


def with_medication(own: Iterable[str], of_medication: Iterable[str] | None) -> frozenset[str]:
    """Labels of a prescription, given those of its Medication (None when nobody has loaded that one)."""
    if of_medication is None:
        return frozenset({*own, UNCLASSIFIED})
    return (frozenset(own) - {UNCLASSIFIED}) | frozenset(of_medication)


@lru_cache(maxsize=65_536)
def _classes(table: str, code: str) -> tuple[str, ...]:
    if table in _PREFIX_TABLES:
        plain = code.replace(".", "").upper()
        starts = {plain[:length] for length in range(1, len(plain) + 1)}
        return tuple(name for name, codes in _sets(table) if codes & starts)
    return tuple(name for name, codes in _sets(table) if code in codes)


@lru_cache(maxsize=32)
def _sets(table: str) -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((name, frozenset(tables.get(table, ()))) for name, tables in _TABLES["classes"].items())
