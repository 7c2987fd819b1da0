"""What reference parameters may point to, and how far searches go through them, as data."""

from collections.abc import Mapping

_PROVIDERS = ("Organization", "Practitioner", "PractitionerRole")
_PEOPLE = ("Patient", "RelatedPerson")
_ACTORS = ("Device", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson")
TARGETS: Mapping[str, tuple[str, ...]] = {
    "administered-by": ("Organization",),
    "agent": _ACTORS,
    "author": _ACTORS,
    "care-team": ("CareTeam",),
    "condition": ("Condition",),
    "coverage": ("Coverage",),
    "coverage-area": ("Location",),
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
    "network": ("Organization",),
    "organization": ("Organization",),
    "owned-by": ("Organization",),
    "participating-organization": ("Organization",),
    "partof": ("Organization",),
    "payee": (*_PROVIDERS, *_PEOPLE),
    "payor": ("Organization", *_PEOPLE),
    "performer": _ACTORS,
    "practitioner": ("Practitioner",),
    "primary-organization": ("Organization",),
    "prescription": ("MedicationRequest",),
    "provider": _PROVIDERS,
    "questionnaire": ("Questionnaire",),
    "requester": _ACTORS,
    "result": ("Observation",),
    "service": ("HealthcareService",),
    "service-provider": ("Organization",),
    "specimen": ("Specimen",),
    "CareTeam.participant": ("CareTeam", "Organization", "Practitioner", "PractitionerRole", *_PEOPLE),
    "DiagnosticReport.performer": ("CareTeam", *_PROVIDERS),
    "Encounter.participant": ("Practitioner", "PractitionerRole", "RelatedPerson"),
    "ExplanationOfBenefit.care-team": _PROVIDERS,
    "Location.partof": ("Location",),
    "Observation.performer": ("CareTeam", *_PROVIDERS, *_PEOPLE),
}
"""What a reference parameter may point to, by its name, or by type and name where they differ; else to any type."""

_OF_PLACE = ("address", "address-city", "address-postalcode", "address-state", "organization", "type")
_OF_SERVICE = ("location", "organization", "service-category")
CHAINS: Mapping[str, tuple[str, ...]] = {
    "HealthcareService.location": _OF_PLACE,
    "OrganizationAffiliation.location": _OF_PLACE,
    "OrganizationAffiliation.network": ("name", "partof"),
    "OrganizationAffiliation.service": _OF_SERVICE,
    "PractitionerRole.location": _OF_PLACE,
    "PractitionerRole.network": ("address", "name", "partof", "type"),
    "PractitionerRole.practitioner": ("identifier", "name"),
    "PractitionerRole.service": _OF_SERVICE,
}
"""Parameters of the target that a search may ask for through a reference (`practitioner.name`)."""

REVINCLUDES: Mapping[str, tuple[str, ...]] = {
    "HealthcareService": ("OrganizationAffiliation:service", "PractitionerRole:service"),
    "Location": (
        "HealthcareService:location", "InsurancePlan:coverage-area", "OrganizationAffiliation:location",
        "PractitionerRole:location",
    ),
    "Organization": (
        "Endpoint:organization", "HealthcareService:organization", "InsurancePlan:administered-by",
        "InsurancePlan:network", "InsurancePlan:owned-by", "OrganizationAffiliation:network",
        "OrganizationAffiliation:participating-organization", "OrganizationAffiliation:primary-organization",
        "PractitionerRole:network", "PractitionerRole:organization",
    ),
    "Practitioner": ("PractitionerRole:practitioner",),
}  # fmt: skip
"""What `_revinclude` brings of shared types: those that refer to a shared one, by which parameter (Plan-Net)."""
