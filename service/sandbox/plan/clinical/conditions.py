"""Conditions, allergies, procedures and vaccinations."""

from datetime import date, timedelta

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.clinical.catalogue import (
    ALLERGIES,
    NO_KNOWN_ALLERGY,
    PROBLEMS,
    REASONS,
    VACCINES,
    Reason,
)
from service.sandbox.plan.clinical.encounters import Visit
from service.sandbox.plan.codes import (
    CVX,
    DATA_ABSENT_EXTENSION,
    ICD10_CM,
    ICD10_PCS,
    SNOMED,
    TERMINOLOGY,
    Resource,
    coding,
    concept,
    day,
    moment,
    reference,
    us_core_profile,
)
from service.sandbox.plan.people import years_between
from service.sandbox.plan.story import Event

_ASSERTED = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"
_BORN_WITH = ("down syndrome",)

_PROCEDURES = {
    "appendicitis": ("80146002", "Appendix taken out", "0DTJ4ZZ"),
    "hip fracture": ("52734007", "Hip joint replaced", "0SR90JZ"),
    "childbirth": ("66348005", "Childbirth", "10E0XZZ"),
    "heart block": ("307280005", "Pacemaker put in", "0JH606Z"),
    "colon screening": ("73761001", "Colonoscopy", None),
    "cataract": ("54885007", "Cataract taken out", None),
    "cut hand": ("288086009", "Wound closed with stitches", None),
    "bone density": ("312681000", "Bone density scan", None),
    "mammogram": ("71651007", "Breast X-ray", None),
}


def write_problem(chart: Chart, key: str) -> str:
    """A lasting problem on the problem list; its reference."""
    since = _since(chart, key)
    over = _over(chart, key)
    fields = _condition(chart, PROBLEMS[key].reason, "problem-list-item", since, over)
    return chart.add(
        "Condition",
        since,
        (us_core_profile("condition-problems-health-concerns"),),
        fields,
    )


def write_diagnosis(chart: Chart, visit: Visit) -> None:
    """The diagnosis of a visit that came and went."""
    over = min(visit.end + timedelta(days=chart.rng.randint(9, 40)), chart.story.last_day)
    fields = _condition(chart, REASONS[visit.episode.reason], "encounter-diagnosis", visit.on, over)
    if visit.encounter is not None:
        fields["encounter"] = reference(visit.encounter)
    chart.add("Condition", visit.end, (us_core_profile("condition-encounter-diagnosis"),), fields)


def write_procedure(chart: Chart, visit: Visit) -> None:
    """What was done at a visit, where something was."""
    if visit.episode.reason not in _PROCEDURES or visit.encounter is None:
        return
    snomed, words, pcs = _PROCEDURES[visit.episode.reason]
    code: Resource = {"coding": [coding(SNOMED, snomed, words)], "text": words}
    if pcs is not None:
        code["coding"].append(coding(ICD10_PCS, pcs))
    start = moment(visit.on, visit.start_minute + 10)
    fields: Resource = {
        "status": "completed",
        "code": code,
        "subject": chart.subject,
        "encounter": reference(visit.encounter),
        "performedPeriod": {"start": start, "end": moment(visit.on, visit.start_minute + 25)},
        "performer": [{"actor": reference(visit.site.clinician.reference, visit.site.clinician.name)}],
        "reasonCode": [
            concept(ICD10_CM, REASONS[visit.episode.reason].icd10, text=REASONS[visit.episode.reason].words)
        ],
    }
    chart.add("Procedure", visit.on, (us_core_profile("procedure"),), fields)


def write_old_procedure(chart: Chart, on: date) -> None:
    """Tonsils taken out long ago, nobody knows when: the date is absent and says so (us-core-7)."""
    fields: Resource = {
        "status": "completed",
        "code": concept(SNOMED, "173422009", "Tonsillectomy", "Tonsils taken out"),
        "subject": chart.subject,
        "_performedDateTime": {"extension": [{"url": DATA_ABSENT_EXTENSION, "valueCode": "unknown"}]},
    }
    chart.add("Procedure", on, (us_core_profile("procedure"),), fields)


def write_allergies(chart: Chart, on: date) -> None:
    """Every allergy of the story, or that none is known."""
    for key in chart.story.allergies:
        code, words, category, reaction, reaction_words = ALLERGIES[key]
        fields = _allergy(chart, concept(SNOMED, code, words, words), on)
        fields |= {
            "type": "allergy",
            "category": [category],
            "criticality": "low",
            "reaction": [{"manifestation": [concept(SNOMED, reaction, reaction_words)], "severity": "mild"}],
        }
        chart.add("AllergyIntolerance", on, (us_core_profile("allergyintolerance"),), fields)
    if not chart.story.allergies:
        fields = _allergy(chart, concept(SNOMED, *NO_KNOWN_ALLERGY, text="No known allergy"), on)
        chart.add("AllergyIntolerance", on, (us_core_profile("allergyintolerance"),), fields)


def write_vaccinations(chart: Chart, visit: Visit) -> None:
    """The shots given at a check-up; now and then one that was refused."""
    for key in _vaccines(chart, visit):
        code, words = VACCINES[key]
        refused = key == "flu" and chart.rng.random() < 0.12
        fields: Resource = {
            "status": "not-done" if refused else "completed",
            "vaccineCode": concept(CVX, code, words, words),
            "patient": chart.subject,
            "occurrenceDateTime": moment(visit.on, visit.start_minute + 15),
            "primarySource": True,
        }
        if refused:
            fields["statusReason"] = concept(f"{TERMINOLOGY}/v3-ActReason", "PATOBJ", "patient objection")
        if visit.encounter is not None:
            fields["encounter"] = reference(visit.encounter)
        chart.add("Immunization", visit.on, (us_core_profile("immunization"),), fields)


def _vaccines(chart: Chart, visit: Visit) -> tuple[str, ...]:
    age = chart.person.age_on(visit.on)
    first = next(past for past in chart.story.episodes if past.event is Event.CHECKUP).on == visit.on
    if not first:
        return ("flu",)
    if age < 7:
        return ("flu", "mmr", "dtap", "polio", "chickenpox")
    if age < 19:
        return ("flu", "hpv", "meningitis") if age > 10 else ("flu",)
    return ("flu", "td") if age < 60 else ("flu", "td", "shingles", "pneumonia")


def _condition(chart: Chart, reason: Reason, category: str, since: date, over: date | None) -> Resource:
    fields: Resource = {
        "extension": [{"url": _ASSERTED, "valueDateTime": day(since)}],
        "clinicalStatus": concept(f"{TERMINOLOGY}/condition-clinical", "active" if over is None else "resolved"),
        "verificationStatus": concept(f"{TERMINOLOGY}/condition-ver-status", "confirmed"),
        "category": [concept(f"{TERMINOLOGY}/condition-category", category)],
        "code": {
            "coding": [coding(SNOMED, reason.snomed, reason.words), coding(ICD10_CM, reason.icd10)],
            "text": reason.words,
        },
        "subject": chart.subject,
        "onsetDateTime": day(since),
        "recordedDate": day(since),
    }
    if over is not None:
        fields["abatementDateTime"] = day(over)
    return fields


def _allergy(chart: Chart, code: Resource, on: date) -> Resource:
    return {
        "clinicalStatus": concept(f"{TERMINOLOGY}/allergyintolerance-clinical", "active"),
        "verificationStatus": concept(f"{TERMINOLOGY}/allergyintolerance-verification", "confirmed"),
        "code": code,
        "patient": chart.subject,
        "recordedDate": day(on),
    }


def _since(chart: Chart, key: str) -> date:
    """When a problem began: at birth, or in the years before the first visit for anything."""
    if key in _BORN_WITH:
        return chart.person.birth_date
    first = chart.story.episodes[0].on if chart.story.episodes else chart.story.last_day
    if key == "pregnancy":
        return next((past.on for past in chart.story.episodes if past.reason == key), first) - timedelta(days=14)
    years = min(years_between(chart.person.birth_date, first), 6)
    return max(first - timedelta(days=chart.rng.randint(20, 60 + 300 * max(years - 1, 0))), chart.person.birth_date)


def _over(chart: Chart, key: str) -> date | None:
    if key != "pregnancy":
        return None
    return next((past.on for past in chart.story.episodes if past.reason == "childbirth"), None)
