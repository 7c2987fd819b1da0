"""The search parameters, declared once: index columns, search parsing and the CapabilityStatement are made from here.

The rows themselves are data, in `fhir.search.declared`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from fhir.compartment import PATIENT_ELEMENT, TYPES
from fhir.search.declared import CARIN, DECLARED, NAMED, R4, US_CORE, Column, Kind


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type."""

    resource_type: str
    name: str
    kind: Kind
    column: Column
    path: str
    definition: str

    @property
    def is_include(self) -> bool:
        """Whether `_include` can follow it."""
        return self.kind is Kind.REFERENCE


PATIENT_NAMES = frozenset({"patient", "subject", "beneficiary"})
"""Parameters that name the member, whether or not a type has an element of that name."""


IDENTIFIED_PATIENT = frozenset(f"{name}.identifier" for name in PATIENT_NAMES)
"""Chains that would find the patient by identifier."""
_TARGETS: Mapping[str, tuple[str, ...]] = {
    "care-team": ("CareTeam", "Practitioner", "PractitionerRole", "Organization"),
    "condition": ("Condition",),
    "coverage": ("Coverage",),
    "encounter": ("Encounter",),
    "endpoint": ("Endpoint",),
    "goal": ("Goal",),
    "insurer": ("Organization",),
    "location": ("Location",),
    "medication": ("Medication",),
    "organization": ("Organization",),
    "practitioner": ("Practitioner",),
    "prescription": ("MedicationRequest",),
    "result": ("Observation",),
    "specimen": ("Specimen",),
}


def find(resource_type: str, name: str) -> Parameter | None:
    """The parameter of that name; None when the type does not have it."""
    return _BY_NAME[resource_type].get(name)


def of(resource_type: str) -> tuple[Parameter, ...]:
    """All parameters of a type."""
    return tuple(_BY_NAME[resource_type].values())


def includes(resource_type: str) -> tuple[str, ...]:
    """What `_include` takes for a type, without the wildcard."""
    return tuple(parameter.name for parameter in of(resource_type) if parameter.is_include)


def targets(parameter: Parameter) -> tuple[str, ...]:
    """The types a reference of this parameter may point to."""
    return _TARGETS.get(parameter.name, TYPES)


def stored_name(parameter: Parameter) -> str:
    """What leads each value of the parameter in a column shared with others; empty in a column of its own."""
    return f"{parameter.name}=" if parameter.column in NAMED else ""


def _definition(resource_type: str, name: str, source: str) -> str:
    if source == R4:
        return f"{R4}{resource_type}-{name}"
    if source in {US_CORE, CARIN}:
        return f"{source}{resource_type.lower()}-{name}"
    return source if source.startswith("http") else R4 + source


def _patient_parameters(resource_type: str) -> list[Parameter]:
    element = PATIENT_ELEMENT.get(resource_type)
    if element in {None, "id", "target"}:
        return [] if element != "target" else [_patient(resource_type, "patient", R4 + "Provenance-patient")]
    source = f"{CARIN}explanationofbenefit-patient" if resource_type == "ExplanationOfBenefit" else (
        f"{US_CORE}{resource_type.lower()}-patient"
    )  # fmt: skip
    made = [_patient(resource_type, "patient", source)]
    if element in PATIENT_NAMES:
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
            for name, kind, column, path, source in DECLARED[resource_type]
        ]
        made[resource_type] = {row.name: row for row in rows}
    return dict(made)


_BY_NAME = _all()
