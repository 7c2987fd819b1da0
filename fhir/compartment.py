"""Which resource types are served, and whose they are: a member's, or shared by all (Practitioner, Organization …).

A type without a rule here is not served (SMART-85). R4 allows several ways into the patient compartment; a resource
is kept under the one patient it is about.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
"""A legal FHIR id."""

PATIENT_ELEMENT: Mapping[str, str] = {
    "AllergyIntolerance": "patient",
    "AuditEvent": "entity",
    "CarePlan": "subject",
    "CareTeam": "subject",
    "Condition": "subject",
    "Consent": "patient",
    "Coverage": "beneficiary",
    "Device": "patient",
    "DiagnosticReport": "subject",
    "DocumentReference": "subject",
    "Encounter": "subject",
    "ExplanationOfBenefit": "patient",
    "Goal": "subject",
    "Immunization": "patient",
    "Media": "subject",
    "MedicationDispense": "subject",
    "MedicationRequest": "subject",
    "Observation": "subject",
    "Patient": "id",
    "Procedure": "subject",
    "Provenance": "target",
    "QuestionnaireResponse": "subject",
    "RelatedPerson": "patient",
    "ServiceRequest": "subject",
    "Specimen": "subject",
}
"""The types of the patient compartment, each with the element that names its patient."""

SHARED_TYPES = frozenset({
    "Endpoint", "HealthcareService", "InsurancePlan", "Location", "Medication", "Organization",
    "OrganizationAffiliation", "Practitioner", "PractitionerRole", "Questionnaire",
})  # fmt: skip
"""Types about no member: whoever has their scope sees all of them."""

RENDERED_TYPES = frozenset({"AuditEvent", "Consent"})
"""Types that are rendered on read from rows of ours and never stored (`fhir.storage.rendered`)."""
RECORD_TYPES = frozenset(PATIENT_ELEMENT.keys() - {"AuditEvent"})
"""The types of a member's whole record: who looked at it is no part of it."""
TYPES = tuple(sorted({*PATIENT_ELEMENT, *SHARED_TYPES}))
STORED_TYPES = tuple(name for name in TYPES if name not in RENDERED_TYPES)
SHARED = ""
"""The patient id under which shared resources are stored."""

_PERSON_TYPES = frozenset({"Patient", "RelatedPerson", "Person"})
_STEPS = re.compile(r"[/?]")
_OF_MEMBERS = PATIENT_ELEMENT.keys() | _PERSON_TYPES


def patients_named(element: object) -> frozenset[str]:
    """The ids of the patients that an element of one reference or several refers to."""
    return frozenset(name for kind, name in _targets(element, "Patient/") if kind == "Patient")


def other_targets(element: object) -> list[tuple[str, str]]:
    """What a Provenance without a Patient among its targets is about: (type, id) of each."""
    return [target for target in _targets(element) if target[0] in TYPES]


def literal(reference: object) -> tuple[str, str] | None:
    """(type, id) of a relative literal reference, its version left out; None for every other kind.

    An address of ours was made relative before (`fhir.loading.own_addresses`): whatever has a host still is another
    server's, and none of ours whatever its type and id.
    """
    if not isinstance(reference, str):
        return None
    kind, _, name = reference.partition("/")
    name, is_version, version = name.partition("/_history/")
    if not (kind.isascii() and kind.isalpha() and ID.fullmatch(name)) or (is_version and not ID.fullmatch(version)):
        return None
    return kind, name


def names_member(resource: Mapping[str, Any]) -> bool:
    """Whether a resource holds a member's record within itself, or refers to a person of the plan.

    A shared one must not: every app sees it, and the open directory shows it to everybody.
    """
    left: list[Any] = list(resource.values())
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if _is_type(node.get("resourceType"), _OF_MEMBERS) or _refers_to_person(node):
                return True
            left += node.values()
        elif isinstance(node, list):
            left += node
    return False


def foreign_names(
    named: Iterable[dict[str, Any]], patient_id: str, people: frozenset[str]
) -> list[dict[str, Any]]:  # fmt: skip
    """Those of these references, with a `display`, that may mean people other than this patient.

    A display would name another member (a relative who is a RelatedPerson, the subscriber) whatever may be read of
    them. Where it cannot be told whom a reference means (urn:, contained `people`), it goes too.
    """
    return [node for node in named if _may_name_person(node, patient_id, people)]


def names_of_people(named: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of these references, with a `display`, that may mean people of any kind, whosever the record is."""
    return [node for node in named if _is_contained(node) or _may_name_person(node, "", frozenset())]


def contained_people(contained: object) -> frozenset[str]:
    """References (`#id`) to people among what a resource contains."""
    people = contained if isinstance(contained, list) else ()
    return frozenset(
        f"#{one.get('id')}"
        for one in people
        if isinstance(one, dict) and _is_type(one.get("resourceType"), _PERSON_TYPES)
    )


def _is_type(named: object, types: Container[str]) -> bool:
    """Whether a value is the name of one of the types; a contained Organization's `type` is a list."""
    return isinstance(named, str) and named in types


def _refers_to_person(node: Mapping[str, Any]) -> bool:
    target = literal(node.get("reference"))
    if target is not None:
        return target[0] in _PERSON_TYPES
    if _leads_to_person(node.get("reference")):
        return True
    return ("identifier" in node or "reference" in node) and _is_type(node.get("type"), _PERSON_TYPES)


def _leads_to_person(reference: object) -> bool:
    """Whether an address on another server is of a person, or looks for one."""
    return isinstance(reference, str) and not _PERSON_TYPES.isdisjoint(_STEPS.split(reference))


def _is_contained(node: Mapping[str, Any]) -> bool:
    reference = node.get("reference")
    return isinstance(reference, str) and reference.startswith("#")


def _may_name_person(node: Mapping[str, Any], patient_id: str, people: frozenset[str]) -> bool:
    reference = node.get("reference")
    if reference is None:
        return "identifier" in node and _is_type(node.get("type"), _PERSON_TYPES)
    if not isinstance(reference, str):
        return True
    if reference.startswith("#"):
        return reference in people
    if reference.startswith("urn:"):
        return True
    target = literal(reference)
    if target is None:
        return _is_type(node.get("type"), _PERSON_TYPES) or _leads_to_person(reference)
    return target[0] in _PERSON_TYPES and target != ("Patient", patient_id)


def _targets(element: object, within: str = "") -> Iterator[tuple[str, str]]:
    """The literal targets of one reference or several; only of those whose text holds `within`."""
    references = element if isinstance(element, list) else [element]
    for one in references:
        named = one.get("reference") if isinstance(one, dict) else None
        if isinstance(named, str) and within in named and (target := literal(named)):
            yield target
