"""The combinations of parameters that the guides name, as data: for each type its rows of force and names.

Every parameter combines with every other; these are what US Core 6.1.0, 7.0.0, 8.0.0 and PDex 2.0.0 ask for by name
and the CapabilityStatement repeats. Where the guides differ, the stronger word counts.
"""

from collections.abc import Mapping

SHALL, SHOULD = "SHALL", "SHOULD"

COMBINATIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "AllergyIntolerance": ((SHOULD, "patient+clinical-status"),),
    "CarePlan": (
        (SHALL, "patient+category"),
        (SHOULD, "patient+category+date"),
        (SHOULD, "patient+category+status"),
        (SHOULD, "patient+category+status+date"),
    ),
    "CareTeam": (
        (SHALL, "patient+status"),
        (SHOULD, "patient+role"),
    ),
    "Condition": (
        (SHALL, "patient+category"),
        (SHOULD, "patient+_lastUpdated"),
        (SHOULD, "patient+abatement-date"),
        (SHOULD, "patient+asserted-date"),
        (SHOULD, "patient+category+clinical-status"),
        (SHOULD, "patient+category+encounter"),
        (SHOULD, "patient+clinical-status"),
        (SHOULD, "patient+code"),
        (SHOULD, "patient+onset-date"),
        (SHOULD, "patient+recorded-date"),
    ),
    "Device": (
        (SHOULD, "patient+status"),
        (SHOULD, "patient+type"),
    ),
    "DiagnosticReport": (
        (SHALL, "patient+category"),
        (SHALL, "patient+category+date"),
        (SHALL, "patient+code"),
        (SHOULD, "patient+category+_lastUpdated"),
        (SHOULD, "patient+code+date"),
        (SHOULD, "patient+status"),
    ),
    "DocumentReference": (
        (SHALL, "patient+category"),
        (SHALL, "patient+category+date"),
        (SHALL, "patient+type"),
        (SHOULD, "patient+status"),
        (SHOULD, "patient+type+period"),
    ),
    "Encounter": (
        (SHALL, "patient+date"),
        (SHOULD, "patient+class"),
        (SHOULD, "patient+_lastUpdated"),
        (SHOULD, "patient+discharge-disposition"),
        (SHOULD, "patient+location"),
        (SHOULD, "patient+status"),
        (SHOULD, "patient+type"),
    ),
    "Goal": (
        (SHOULD, "patient+description"),
        (SHOULD, "patient+lifecycle-status"),
        (SHOULD, "patient+target-date"),
    ),
    "Immunization": (
        (SHOULD, "patient+date"),
        (SHOULD, "patient+status"),
    ),
    "MedicationDispense": (
        (SHOULD, "patient+status"),
        (SHOULD, "patient+status+type"),
    ),
    "MedicationRequest": (
        (SHALL, "patient+intent"),
        (SHALL, "patient+intent+status"),
        (SHOULD, "patient+intent+authoredon"),
        (SHOULD, "patient+intent+encounter"),
    ),
    "Observation": (
        (SHALL, "patient+category"),
        (SHALL, "patient+category+date"),
        (SHALL, "patient+code"),
        (SHOULD, "patient+category+_lastUpdated"),
        (SHOULD, "patient+category+status"),
        (SHOULD, "patient+code+date"),
    ),
    "Patient": (
        (SHALL, "birthdate+name"),
        (SHALL, "gender+name"),
        (SHOULD, "birthdate+family"),
        (SHOULD, "death-date+family"),
        (SHOULD, "family+gender"),
    ),
    "Procedure": (
        (SHALL, "patient+date"),
        (SHOULD, "patient+code+date"),
        (SHOULD, "patient+status"),
    ),
    "QuestionnaireResponse": (
        (SHOULD, "patient+authored"),
        (SHOULD, "patient+questionnaire"),
        (SHOULD, "patient+status"),
    ),
    "RelatedPerson": ((SHOULD, "patient+name"),),
    "ServiceRequest": (
        (SHALL, "patient+category"),
        (SHALL, "patient+category+authored"),
        (SHALL, "patient+code"),
        (SHOULD, "patient+code+authored"),
        (SHOULD, "patient+status"),
    ),
}
