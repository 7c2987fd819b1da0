"""The parts of My information: which records each holds, what it is called, and what it says when it is empty."""

from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from consent.policy import Access
from fhir import whole_record

PEOPLE_AND_PLACES = frozenset({"Location", "Organization", "Practitioner"})


@dataclass(frozen=True, slots=True)
class Section:
    """One page of the record. `naming` are the shared types that its records refer to."""

    key: str
    name: LazyString
    description: LazyString
    empty: LazyString
    resource_types: frozenset[str]
    naming: frozenset[str] = PEOPLE_AND_PLACES


COVERAGE = Section(
    "coverage", _("Coverage"), _("Which plan covers this person, and from when until when."),
    _("No coverage is on file."), frozenset({"Coverage"}), frozenset({"Organization"}),
)  # fmt: skip
CLAIMS = Section(
    "claims", _("Claims and costs"), _("What was billed, what the plan paid, and what may be owed."),
    _("No claims are on file."), frozenset({"ExplanationOfBenefit"}), frozenset({"Organization", "Practitioner"}),
)  # fmt: skip
RESULTS = Section(
    "results", _("Test results and measurements"), _("Lab results, blood pressure, weight and more, over time."),
    _("No results are on file."), frozenset({"Observation"}), frozenset(),
)  # fmt: skip
LISTS = (
    Section(
        "visits", _("Visits"), _("Visits to doctors, hospitals and other places of care."),
        _("No visits are on file."), frozenset({"Encounter"}),
    ),
    Section(
        "conditions", _("Health problems"), _("Illnesses, injuries and other conditions, now and in the past."),
        _("No health problems are on file."), frozenset({"Condition"}),
    ),
    Section(
        "medicines", _("Medicines"), _("What was prescribed or filled, and how to take it."),
        _("No medicines are on file."), frozenset({"MedicationRequest", "MedicationDispense"}),
        PEOPLE_AND_PLACES | {"Medication"},
    ),
    Section(
        "allergies", _("Allergies"), _("Medicines, foods and other things that cause a reaction."),
        _("No allergies are on file."), frozenset({"AllergyIntolerance"}),
    ),
    Section(
        "vaccines", _("Vaccines"), _("Which shots were given, and when."),
        _("No vaccines are on file."), frozenset({"Immunization"}),
    ),
    Section(
        "treatments", _("Operations and treatments"), _("Surgery and other treatments that were done or ordered."),
        _("No operations or treatments are on file."), frozenset({"Procedure", "ServiceRequest"}),
    ),
    Section(
        "reports", _("Reports and documents"), _("Lab and imaging reports, letters and notes."),
        _("No reports or documents are on file."), frozenset({"DiagnosticReport", "DocumentReference", "Media"}),
    ),
    Section(
        "care", _("Care plans, goals and care team"), _("What is planned, and the people who give care."),
        _("No care plans, goals or care teams are on file."), frozenset({"CarePlan", "CareTeam", "Goal"}),
    ),
    Section(
        "devices", _("Medical devices"), _("Implants and other devices, such as a pacemaker."),
        _("No medical devices are on file."), frozenset({"Device"}),
    ),
    Section(
        "questionnaires", _("Health questionnaires"), _("Answers given in health surveys."),
        _("No questionnaires are on file."), frozenset({"QuestionnaireResponse"}),
    ),
)  # fmt: skip
SECTIONS = (COVERAGE, CLAIMS, *LISTS[:1], RESULTS, *LISTS[1:])
"""In the order of the page."""
BY_KEY = {one.key: one for one in (COVERAGE, *LISTS)}
"""The sections that are plain lists."""


def reached(access: Access) -> tuple[Section, ...]:
    """The sections of which the person may see anything: some represent a member for claims only."""
    return tuple(
        section for section in SECTIONS if any(whole_record.reaches(access, one) for one in section.resource_types)
    )
