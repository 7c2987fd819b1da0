"""What reference parameters may point to, and how far searches go through them, as data."""

from collections.abc import Mapping

_PROVIDERS = ("Organization", "Practitioner", "PractitionerRole")
_PEOPLE = ("Patient", "RelatedPerson")
_ACTORS = ("Device", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson")
TARGETS: Mapping[str, tuple[str, ...]] = {
    "agent": _ACTORS,
    "author": _ACTORS,
    "care-team": ("CareTeam",),
    "condition": ("Condition",),
    "coverage": ("Coverage",),
    "custodian": ("Organization",),
    "derived-from": ("DocumentReference", "Media", "Observation", "QuestionnaireResponse"),
    "encounter": ("Encounter",),
    "endpoint": ("Endpoint",),
    "general-practitioner": _PROVIDERS,
    "goal": ("Goal",),
    "has-member": ("Observation", "QuestionnaireResponse"),
    "insurer": ("Organization",),
    "location": ("Location",),
    "medication": ("Medication",),
    "organization": ("Organization",),
    "partof": ("Organization",),
    "payee": (*_PROVIDERS, *_PEOPLE),
    "payor": ("Organization", *_PEOPLE),
    "performer": _ACTORS,
    "practitioner": ("Practitioner",),
    "prescription": ("MedicationRequest",),
    "provider": _PROVIDERS,
    "questionnaire": ("Questionnaire",),
    "requester": _ACTORS,
    "result": ("Observation",),
    "service-provider": ("Organization",),
    "specimen": ("Specimen",),
    "CareTeam.participant": ("CareTeam", "Organization", "Practitioner", "PractitionerRole", *_PEOPLE),
    "DiagnosticReport.performer": ("CareTeam", *_PROVIDERS),
    "Encounter.participant": ("Practitioner", "PractitionerRole", "RelatedPerson"),
    "ExplanationOfBenefit.care-team": _PROVIDERS,
    "Observation.performer": ("CareTeam", *_PROVIDERS, *_PEOPLE),
}
"""What a reference parameter may point to, by its name, or by type and name where they differ; else to any type."""

CHAINS: Mapping[str, tuple[str, ...]] = {"PractitionerRole.practitioner": ("identifier", "name")}
"""Parameters of the target that a search may ask for through a reference (`practitioner.name`)."""
