"""Types of data in plain words: from scopes to what a member reads and ticks, and back from ticks to scopes.

The two heads are those of the plan's public help page; every FHIR type that this server knows belongs to one data type.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from consent.models import SensitiveClass
from consent.scopes import Restriction, ScopeSet


class Head(StrEnum):
    """Under which head of the consent screen a data type stands."""

    PERSON = "person"
    INTERACTIONS = "interactions"
    CLINICAL = "clinical"


@dataclass(frozen=True, slots=True)
class DataType:
    """One tick box: a short name, a sentence, and the FHIR types it stands for."""

    key: str
    head: Head
    resource_types: frozenset[str]
    name: LazyString
    description: LazyString


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a data type: an app asked for it by itself (a granular scope), or a member may leave it out."""

    key: str
    name: str
    resource_type: str
    restriction: Restriction


@dataclass(frozen=True, slots=True)
class SensitiveType:
    """A class of data that stays off until it is ticked by itself."""

    key: SensitiveClass
    name: LazyString
    description: LazyString


HEADS: dict[Head, LazyString] = {
    Head.PERSON: _("About the person"),
    Head.INTERACTIONS: _("Claims, office visits, and other interactions with providers"),
    Head.CLINICAL: _("Clinical data from case management, care coordination, or other services of the plan"),
}

DATA_TYPES = (
    DataType(
        "about", Head.PERSON, frozenset({"Patient", "RelatedPerson", "Person"}),
        _("Name and contact details"),
        _("Name, birth date, gender, address, phone, language, and close family that the plan has on file."),
    ),
    DataType(
        "sharing", Head.PERSON, frozenset({"Consent"}),
        _("What you agreed with this app"),
        _("What you allow this app to see, and until when. Nothing about other apps."),
    ),
    DataType(
        "looks", Head.PERSON, frozenset({"AuditEvent"}),
        _("Who has looked at your information"),
        _("When it was looked at and how much was read, with the names of your other apps and of doctors' offices."),
    ),
    DataType(
        "claims", Head.INTERACTIONS, frozenset({"ExplanationOfBenefit", "Claim", "ClaimResponse"}),
        _("Claims and costs"),
        _("What providers and pharmacies billed, what the plan paid, what may still be owed, and for which care."),
    ),
    DataType(
        "coverage", Head.INTERACTIONS, frozenset({"Coverage"}),
        _("Insurance coverage"),
        _("The plan, the member number, and from when until when there is coverage."),
    ),
    DataType(
        "visits", Head.INTERACTIONS, frozenset({"Encounter", "Appointment"}),
        _("Office and hospital visits"),
        _("When and where there was a visit to a doctor, a hospital or another place of care."),
    ),
    DataType(
        "providers", Head.INTERACTIONS,
        frozenset({"Practitioner", "PractitionerRole", "Organization", "OrganizationAffiliation", "Location",
                   "HealthcareService", "Endpoint", "InsurancePlan"}),
        _("Doctors, pharmacies and other providers"),
        _("Names and addresses of the people and places that gave care."),
    ),
    DataType(
        "conditions", Head.CLINICAL, frozenset({"Condition", "FamilyMemberHistory"}),
        _("Health problems"),
        _("Illnesses, injuries and other conditions, now and in the past."),
    ),
    DataType(
        "results", Head.CLINICAL, frozenset({"Observation", "Specimen"}),
        _("Test results and measurements"),
        _("Lab results, blood pressure, weight, and answers about way of life such as smoking."),
    ),
    DataType(
        "reports", Head.CLINICAL, frozenset({"DiagnosticReport", "DocumentReference", "Media", "Binary"}),
        _("Reports and notes"),
        _("Lab and imaging reports, letters, and notes written by doctors and care managers."),
    ),
    DataType(
        "procedures", Head.CLINICAL, frozenset({"Procedure", "ServiceRequest"}),
        _("Operations and treatments"),
        _("Surgery, therapy and other treatments that were ordered or done."),
    ),
    DataType(
        "medicines", Head.CLINICAL,
        frozenset({"Medication", "MedicationRequest", "MedicationDispense", "MedicationStatement",
                   "MedicationAdministration"}),
        _("Medicines"),
        _("Medicines that were prescribed or given, and how to take them."),
    ),
    DataType(
        "allergies", Head.CLINICAL, frozenset({"AllergyIntolerance"}),
        _("Allergies"),
        _("Medicines, foods and other things that cause a reaction."),
    ),
    DataType(
        "immunizations", Head.CLINICAL, frozenset({"Immunization", "ImmunizationRecommendation"}),
        _("Vaccines"),
        _("Which shots were given, and when."),
    ),
    DataType(
        "care_plans", Head.CLINICAL, frozenset({"CarePlan", "CareTeam", "Goal"}),
        _("Care plans and goals"),
        _("Plans and goals for care, and the people on the care team."),
    ),
    DataType(
        "devices", Head.CLINICAL, frozenset({"Device", "DeviceRequest"}),
        _("Medical devices"),
        _("Implants and other devices in use, such as a pacemaker."),
    ),
    DataType(
        "questionnaires", Head.CLINICAL, frozenset({"Questionnaire", "QuestionnaireResponse"}),
        _("Health questionnaires"),
        _("Answers given in health surveys."),
    ),
    DataType(
        "sources", Head.CLINICAL, frozenset({"Provenance"}),
        _("Where records come from"),
        _("Who sent each record to the plan, and when."),
    ),
)  # fmt: skip

SENSITIVE_TYPES = (
    SensitiveType(
        SensitiveClass.SUBSTANCE_USE, _("Alcohol and drug use"),
        _("Records about alcohol or drug problems and their treatment."),
    ),
    SensitiveType(
        SensitiveClass.MENTAL_HEALTH, _("Mental health"),
        _("Records about depression, anxiety and other mental health care."),
    ),
    SensitiveType(
        SensitiveClass.SEXUAL_REPRODUCTIVE, _("Sexual and reproductive health"),
        _("Records about pregnancy, birth control, and infections passed on by sex."),
    ),
    SensitiveType(SensitiveClass.HIV, _("HIV"), _("HIV tests and treatment.")),
    SensitiveType(
        SensitiveClass.GENETIC, _("Genetic information"),
        _("Genetic tests and what they may say about a person and the family."),
    ),
)  # fmt: skip

EVERY_TYPE = frozenset().union(*(data_type.resource_types for data_type in DATA_TYPES))
"""Every FHIR type that a scope may reach, in members' words."""

_CONDITION = "http://terminology.hl7.org/CodeSystem/condition-category"
_OBSERVATION = "http://terminology.hl7.org/CodeSystem/observation-category"
CATEGORIES: dict[str, tuple[str, ...]] = {
    "Condition": (
        f"{_CONDITION}|encounter-diagnosis", f"{_CONDITION}|problem-list-item",
        "http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern",
    ),
    "Observation": (
        *(f"{_OBSERVATION}|{code}" for code in ("laboratory", "social-history", "vital-signs", "survey")),
        "http://hl7.org/fhir/us/core/CodeSystem/us-core-category|sdoh",
    ),
}  # fmt: skip
"""Categories (`system|code`) of a type that members tick by themselves where the whole of it was asked (SMART-32)."""
_GO_WITH = {
    "Observation-laboratory": frozenset({"Specimen"}),
    **dict.fromkeys(
        ("Condition-encounter-diagnosis", "Condition-problem-list-item", "Condition-health-concern"),
        frozenset({"FamilyMemberHistory"}),
    ),
}
"""What stays out with a part of a whole type: samples with their results, and what no part names of health problems."""
_TOLD_BY_PARTS = frozenset({"Specimen"})
"""FHIR types that go without saying beside the parts of another: a sample is of a result."""
# Search values by which an app may ask for a part of a type only (SMART App Launch table of granular scopes).
_PARTS: dict[str, LazyString] = {
    "encounter-diagnosis": _("problems found at a visit"),
    "problem-list-item": _("the list of health problems"),
    "health-concern": _("health concerns"),
    "laboratory": _("lab results"),
    "social-history": _("way of life, such as smoking"),
    "vital-signs": _("vital signs, such as blood pressure"),
    "survey": _("answers in surveys"),
    "sdoh": _("living conditions, such as housing and food"),
    "clinical-note": _("clinical notes"),
    "pharmacy": _("pharmacy claims"),
    "institutional": _("hospital claims"),
    "professional": _("doctors' claims"),
    "oral": _("dental claims"),
    "vision": _("vision claims"),
}


def asked(scopes: ScopeSet) -> tuple[DataType, ...]:
    """The data types of which `scopes` allow anything, in the order of the page."""
    return tuple(data_type for data_type in DATA_TYPES if _touches(scopes, data_type))


def asks_for_everything(scopes: ScopeSet) -> bool:
    """Whether a wildcard was asked: all data now and data added later (SMART-36)."""
    return "*" in scopes.types


def names(scopes: ScopeSet) -> list[str]:
    """The data types of `scopes` by name, each with its parts where not the whole of it is meant."""
    found = ((data_type, limited(scopes, data_type).values()) for data_type in asked(scopes))
    return [
        f"{data_type.name} ({', '.join(dict.fromkeys(some))})" if some else str(data_type.name)
        for data_type, some in found
    ]


def parts(scopes: ScopeSet, data_type: DataType) -> tuple[Part, ...]:
    """The parts of a data type that were asked for; empty when the whole of it was."""
    alternatives = {
        (resource_type, alternative): None
        for resource_type in sorted(data_type.resource_types)
        for letter in "rs"
        for alternative in scopes.restrictions(resource_type, letter)
    }
    if any(alternative == () for _type, alternative in alternatives):
        return ()
    return tuple(
        Part(_part_key(resource_type, alternative), _part_name(alternative), resource_type, alternative)
        for resource_type, alternative in alternatives
    )


def limited(scopes: ScopeSet, data_type: DataType) -> dict[str, str]:
    """The parts, by key, of those of its FHIR types that are allowed by parts only; empty where each is whole.

    Empty too where a type that none of the parts tells of is whole beside them: they would name less than is shared.
    """
    found: dict[str, str] = {}
    for resource_type in sorted(data_type.resource_types - _TOLD_BY_PARTS):
        allowed = [one for letter in "rs" for one in scopes.restrictions(resource_type, letter)]
        if () in allowed:
            return {}
        found |= {_part_key(resource_type, one): _part_name(one) for one in allowed}
    return found


def boxes(scopes: ScopeSet, data_type: DataType) -> dict[str, Part]:
    """The parts of a data type that have a tick box each, by key: where several were asked for, or the whole."""
    found: dict[str, Part] = {}
    for part in parts(scopes, data_type) or of_whole(scopes, data_type):
        found.setdefault(part.key, part)
    return found if len(found) > 1 else {}


def of_whole(scopes: ScopeSet, data_type: DataType) -> tuple[Part, ...]:
    """The parts of those of its FHIR types that were asked for whole, and that members may tick by parts."""
    return tuple(
        Part(_part_key(resource_type, restriction), _part_name(restriction), resource_type, restriction)
        for resource_type in sorted(data_type.resource_types & CATEGORIES.keys())
        if any(() in scopes.restrictions(resource_type, letter) for letter in "rs")
        for restriction in _restrictions_of(resource_type)
    )


def ticked(scopes: ScopeSet, keys: Collection[str], part_keys: Collection[str] | None = None) -> ScopeSet:
    """`scopes` cut to the data types whose `keys` were ticked, and of those to the parts ticked (None: to all parts).

    A wildcard stays one only when nothing was unticked; so does the whole of a type, which is more than its parts.
    """
    left_out = {data_type.key for data_type in asked(scopes)} - set(keys)
    allowed = EVERY_TYPE.difference(
        *(data_type.resource_types for data_type in DATA_TYPES if data_type.key in left_out)
    )
    if part_keys is not None:
        scopes = _without_parts(scopes, set(part_keys))
    return scopes.limited_to_types(allowed, EVERY_TYPE)


def _without_parts(scopes: ScopeSet, part_keys: set[str]) -> ScopeSet:
    return _cut_wholes(_without_asked_parts(scopes, part_keys), scopes, part_keys)


def _cut_wholes(left: ScopeSet, asked_for: ScopeSet, part_keys: set[str]) -> ScopeSet:
    for data_type in asked(asked_for):
        if parts(asked_for, data_type):
            continue
        unticked = boxes(asked_for, data_type).keys() - part_keys
        for resource_type in {key.partition("-")[0] for key in unticked}:
            kept = [one for one in _restrictions_of(resource_type) if _part_key(resource_type, one) in part_keys]
            left = left.limited_to_parts(resource_type, kept, EVERY_TYPE)
        gone = frozenset().union(*(_GO_WITH.get(key, frozenset()) for key in unticked))
        left = left.limited_to_types(EVERY_TYPE - gone, EVERY_TYPE) if gone else left
    return left


def _without_asked_parts(scopes: ScopeSet, part_keys: set[str]) -> ScopeSet:
    unticked = {
        (part.resource_type, part.restriction)
        for data_type in asked(scopes)
        for part in parts(scopes, data_type)
        if part.key in boxes(scopes, data_type).keys() - part_keys
    }
    kept = (scope for scope in scopes.resources if (scope.resource_type, scope.restriction) not in unticked)
    return replace(scopes, resources=tuple(kept))


def ticked_before(scopes: ScopeSet, answered: ScopeSet, left: ScopeSet) -> tuple[frozenset[str], frozenset[str]]:
    """The keys of what is ticked when part of `scopes` was `answered` before: what is `left`, and what is new.

    Of the data types, and of their parts that have boxes.
    """
    kinds, parts_ticked = set(), set()
    for data_type in asked(scopes):
        if _touches(left, data_type) or not _touches(answered, data_type):
            kinds.add(data_type.key)
        parts_ticked |= {
            key for key, part in boxes(scopes, data_type).items() if _allows(left, part) or not _allows(answered, part)
        }
    return frozenset(kinds), frozenset(parts_ticked)


def sensitive_matter(scopes: ScopeSet) -> bool:
    """Whether the ask reaches records that may be of a sensitive class: anything about care."""
    return any(
        data_type.key not in {"about", "sharing", "looks", "coverage", "providers"} for data_type in asked(scopes)
    )


def find_sensitive(keys: Collection[str]) -> tuple[SensitiveType, ...]:
    """The sensitive classes with these keys, in the order of the page."""
    return tuple(sensitive for sensitive in SENSITIVE_TYPES if sensitive.key.value in keys)


def _touches(scopes: ScopeSet, data_type: DataType) -> bool:
    return any(scopes.permits(name, letter) for name in data_type.resource_types for letter in "rs")


def _allows(scopes: ScopeSet, part: Part) -> bool:
    allowed = (one for letter in "rs" for one in scopes.restrictions(part.resource_type, letter))
    return any(set(one) <= set(part.restriction) for one in allowed)


def _restrictions_of(resource_type: str) -> tuple[Restriction, ...]:
    return tuple((("category", value),) for value in CATEGORIES[resource_type])


def _part_key(resource_type: str, alternative: Restriction) -> str:
    return "-".join((resource_type, *(value.rpartition("|")[2] for _parameter, value in alternative)))


def _part_name(alternative: Restriction) -> str:
    names = []
    for _parameter, value in alternative:
        code = value.rpartition("|")[2]
        names.append(str(_PARTS[code]) if code in _PARTS else code)
    return ", ".join(names)
