"""The search parameters, declared once: index columns, search parsing and the CapabilityStatement are made from here.

The rows themselves are data, in `fhir.search.declared` and `declared_directory`, with `targets` and `combinations`
beside them.
"""

from collections import defaultdict
from dataclasses import dataclass

from fhir.compartment import PATIENT_ELEMENT, TYPES
from fhir.search.declared import (
    ARRAYS,
    CARIN,
    DATES,
    DECLARED,
    MODIFIERS,
    NAMED,
    PATIENT_DEFINITIONS,
    PLAN_NET,
    R4,
    US_CORE,
    Column,
    Kind,
)
from fhir.search.declared_directory import DIRECTORY_DECLARED
from fhir.search.targets import CHAINS, REVINCLUDES, TARGETS


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type."""

    resource_type: str
    name: str
    kind: Kind
    column: Column
    path: str
    definition: str


PATIENT_NAMES = frozenset({"patient", "subject", "beneficiary"})
"""Parameters that name the member, whether or not a type has an element of that name."""


IDENTIFIED_PATIENT = frozenset(f"{name}.identifier" for name in PATIENT_NAMES)
"""Chains that would find the patient by identifier."""


_ROWS = {**DECLARED, **DIRECTORY_DECLARED}
_SORTED = {Column.DATE1: "sort_date", Column.LAST_UPDATED: "last_updated", Column.ID: "id"}


def find(resource_type: str, name: str) -> Parameter | None:
    """The parameter of that name; None when the type does not have it."""
    return _BY_NAME[resource_type].get(name)


def of(resource_type: str) -> tuple[Parameter, ...]:
    """All parameters of a type."""
    return tuple(_BY_NAME[resource_type].values())


def includes(resource_type: str) -> tuple[str, ...]:
    """What `_include` takes for a type: `Type:name`, and `Type:name:Target` where there are several."""
    made: list[str] = []
    for parameter in of(resource_type):
        if parameter.kind is Kind.REFERENCE:
            named = f"{resource_type}:{parameter.name}"
            several = targets(parameter) if len(targets(parameter)) > 1 else ()
            made += [named, *(f"{named}:{target}" for target in several)]
    return tuple(made)


def revincludes(resource_type: str) -> tuple[str, ...]:
    """What `_revinclude` takes for a type: the Provenance of whatever is about a member, and what Plan-Net names."""
    if resource_type in PATIENT_ELEMENT:
        return ("Provenance:target",) if resource_type != "Provenance" else ()
    return REVINCLUDES.get(resource_type, ())


def targets(parameter: Parameter) -> tuple[str, ...]:
    """The types a reference of this parameter may point to."""
    if parameter.column is Column.PATIENT:
        return ("Patient",)
    return TARGETS.get(f"{parameter.resource_type}.{parameter.name}") or TARGETS.get(parameter.name) or TYPES


def chains(parameter: Parameter) -> tuple[Parameter, ...]:
    """The target's parameters that a search may ask for through this one."""
    names = CHAINS.get(f"{parameter.resource_type}.{parameter.name}", ())
    return tuple(_BY_NAME[target][name] for target in targets(parameter) for name in names)


def modifiers(parameter: Parameter) -> tuple[str, ...]:
    """The modifiers that a search may put to the parameter."""
    if parameter.column is Column.PATIENT:
        # Whose a resource is, is never looked up by identifier.
        return ("missing", "Patient")
    of_kind = MODIFIERS.get(parameter.kind, ()) if parameter.column is not Column.ID else ()
    further = ("of-type",) if parameter.column is Column.IDENTIFIER else ()
    pointed = targets(parameter) if parameter.kind is Kind.REFERENCE else ()
    return ("missing", *of_kind, *further, *pointed)


def sort_column(parameter: Parameter) -> str | None:
    """The column that `_sort` uses for the parameter; None where it has no order of its own."""
    if parameter.column in _SORTED:
        return _SORTED[parameter.column]
    return parameter.column.value if parameter.column in {*DATES, *ARRAYS} - NAMED else None


def marked_name(parameter: Parameter, modifier: str) -> str:
    """What leads the further values by which a modifier finds: in a shared column, whatever the parameter's own is."""
    return f"{parameter.name}:{modifier}="


def stored_name(parameter: Parameter) -> str:
    """What leads each value of the parameter in a column shared with others; empty in a column of its own."""
    return f"{parameter.name}=" if parameter.column in NAMED else ""


def _definition(resource_type: str, name: str, source: str) -> str:
    if source == R4:
        return f"{R4}{resource_type}-{name}"
    if source in {US_CORE, CARIN, PLAN_NET}:
        return f"{source}{resource_type.lower()}-{name}"
    return source if source.startswith("http") else R4 + source


def _patient_parameters(resource_type: str) -> list[Parameter]:
    element = PATIENT_ELEMENT.get(resource_type)
    if element in {None, "id"}:
        return []
    us_core = f"{US_CORE}{resource_type.lower()}-patient"
    made = [_patient(resource_type, "patient", PATIENT_DEFINITIONS.get(resource_type, us_core))]
    if element in PATIENT_NAMES - {"patient"}:
        made.append(_patient(resource_type, str(element), f"{R4}{resource_type}-{element}"))
    return made


def _patient(resource_type: str, name: str, definition: str) -> Parameter:
    return Parameter(resource_type, name, Kind.REFERENCE, Column.PATIENT, "", definition)


def _all() -> dict[str, dict[str, Parameter]]:
    made: dict[str, dict[str, Parameter]] = defaultdict(dict)
    for resource_type in TYPES:
        rows = [
            Parameter(resource_type, "_id", Kind.CODE, Column.ID, "id", R4 + "Resource-id"),
            Parameter(resource_type, "_lastUpdated", Kind.DATE, Column.LAST_UPDATED, "", R4 + "Resource-lastUpdated"),
            *_patient_parameters(resource_type),
        ]
        rows += [
            Parameter(resource_type, name, kind, column, path, _definition(resource_type, name, source))
            for name, kind, column, path, source in _ROWS[resource_type]
        ]
        made[resource_type] = {row.name: row for row in rows}
    return dict(made)


_BY_NAME = _all()
