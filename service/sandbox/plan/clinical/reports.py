"""Laboratory panels and imaging reports: Observations, DiagnosticReports and the documents beside them."""

from base64 import b64encode
from datetime import timedelta

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.clinical.catalogue import PROBLEMS, REASONS
from service.sandbox.plan.clinical.encounters import Visit
from service.sandbox.plan.clinical.laboratory import PANELS, Measure
from service.sandbox.plan.clinical.vitals import observe
from service.sandbox.plan.codes import (
    DATA_ABSENT,
    DOCUMENT_ID,
    ICD10_CM,
    LOINC,
    TERMINOLOGY,
    US_CORE,
    Resource,
    concept,
    moment,
    quantity,
    reference,
    us_core_profile,
)
from service.sandbox.plan.story import Event

_REPORTS = {
    "mammogram": ("24606-6", "Breast X-ray report", "LP29684-5", "Radiology", "No sign of cancer was seen."),
    "bone density": (
        "38268-9",
        "Bone density report",
        "LP29684-5",
        "Radiology",
        "The bones are thinner than they should be.",
    ),
    "colon screening": (
        "18746-8",
        "Colonoscopy report",
        "LP7839-6",
        "Pathology",
        "A small harmless polyp was taken out.",
    ),
    "chest pain": ("11524-6", "Heart tracing report", "LP29708-2", "Cardiology", "The heart tracing is normal."),
    "broken arm": ("37363-9", "Forearm X-ray report", "LP29684-5", "Radiology", "The forearm is broken in one place."),
}


def panels_for(chart: Chart, visit: Visit) -> tuple[str, ...]:
    """Keys of the panels taken at a visit: those of the problem followed, or of all problems at a check-up."""
    if visit.episode.event is Event.CHECKUP:
        wanted = [PROBLEMS[problem].panel for problem in chart.story.problems]
        grown = ["basic metabolic"] if chart.person.age_on(visit.on) >= 40 else []
        return tuple(dict.fromkeys(panel for panel in [*wanted, *grown] if panel))[:2]
    problem = PROBLEMS.get(visit.episode.reason)
    return (problem.panel,) if problem is not None and problem.panel else ()


def write_panel(chart: Chart, visit: Visit, key: str) -> None:
    """One panel: an Observation for each test and the report that holds them together."""
    panel = PANELS[key]
    results = [reference(_measure(chart, visit, measure)) for measure in panel.measures]
    fields: Resource = {
        "status": "final",
        "category": [concept(f"{TERMINOLOGY}/v2-0074", "LAB", "Laboratory")],
        "code": concept(LOINC, panel.loinc, panel.words, panel.words),
        **_common(chart, visit),
        "result": results,
    }
    if panel.reason is not None:
        reason = REASONS[panel.reason]
        fields["conclusionCode"] = [concept(ICD10_CM, reason.icd10, text=reason.words)]
    chart.add("DiagnosticReport", visit.on, (us_core_profile("diagnosticreport-lab"),), fields)


def write_report(chart: Chart, visit: Visit) -> None:
    """The written report of a test that has one, as report and as document with the same text."""
    if visit.episode.reason not in _REPORTS or visit.encounter is None:
        return
    loinc, words, category, category_words, finding = _REPORTS[visit.episode.reason]
    form = text_form(f"{words}\nDate: {visit.on}\nFinding: {finding}\n", words)
    fields: Resource = {
        "status": "final",
        "category": [concept(LOINC, category, category_words)],
        "code": concept(LOINC, loinc, words, words),
        **_common(chart, visit),
        "presentedForm": [form],
    }
    chart.add("DiagnosticReport", visit.on, (us_core_profile("diagnosticreport-note"),), fields)
    write_document(chart, visit, loinc, words, form)


def write_note(chart: Chart, visit: Visit) -> None:
    """The note of a visit: a progress note, or a discharge summary after a stay."""
    stay = visit.episode.event is Event.HOSPITAL
    loinc, words = ("18842-5", "Discharge summary") if stay else ("11506-3", "Progress note")
    reason = REASONS[visit.episode.reason].words
    until = f" to {visit.end}" if stay else ""
    text = f"{words}\nDate: {visit.on}{until}\nSeen by: {visit.site.clinician.name}\nReason: {reason}\n"
    write_document(chart, visit, loinc, words, text_form(f"{text}Plan: as agreed with the patient.\n", words))


def write_document(chart: Chart, visit: Visit, loinc: str, words: str, form: Resource) -> None:
    """A DocumentReference with its text inside."""
    until = visit.start_minute + 20 if visit.end == visit.on else 15 * 60
    fields: Resource = {
        "identifier": [{"system": DOCUMENT_ID, "value": chart.make_id(f"document/{visit.encounter}/{loinc}")}],
        "status": "current",
        "type": concept(LOINC, loinc, words, words),
        "category": [
            concept(f"{US_CORE}/CodeSystem/us-core-documentreference-category", "clinical-note", "Clinical Note")
        ],
        "subject": chart.subject,
        "date": moment(visit.end, until),
        "author": [reference(visit.site.clinician.reference, visit.site.clinician.name)],
        "custodian": reference(visit.site.group.reference),
        "content": [
            {
                "attachment": form,
                "format": {
                    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
                    "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
                    "display": "mimeType Sufficient",
                },
            }
        ],
    }
    if visit.encounter is not None:
        reason = REASONS[visit.episode.reason]
        fields["context"] = {
            "encounter": [reference(visit.encounter)],
            # What it is about, coded: a text alone could not be withheld with its class of conditions.
            "event": [concept(ICD10_CM, reason.icd10, text=reason.words)],
            "period": {"start": moment(visit.on, visit.start_minute), "end": moment(visit.end, until)},
        }
    chart.add("DocumentReference", visit.end, (us_core_profile("documentreference"),), fields)


def text_form(text: str, title: str) -> Resource:
    """An Attachment of plain text."""
    return {"contentType": "text/plain", "data": b64encode(text.encode()).decode(), "title": title}


def _measure(chart: Chart, visit: Visit, measure: Measure) -> str:
    value = round(chart.rng.uniform(measure.low, measure.high), measure.digits)
    if measure.digits == 0:
        value = int(value)
    code = concept(LOINC, measure.loinc, measure.words, measure.words)
    if chart.rng.random() < 0.03:
        # A tube that was spoilt: US Core wants the reason where a value would stand.
        absent: Resource = {
            "dataAbsentReason": concept(DATA_ABSENT, "unknown", "Unknown", "The sample could not be used")
        }
        return observe(chart, visit, "observation-lab", "laboratory", code, absent)
    shown = {"valueQuantity": quantity(value, measure.unit)}
    return observe(chart, visit, "observation-lab", "laboratory", code, shown)


def _common(chart: Chart, visit: Visit) -> Resource:
    made: Resource = {
        "subject": chart.subject,
        "effectiveDateTime": moment(visit.on, visit.start_minute + 5),
        "issued": moment(visit.on + timedelta(days=1), 9 * 60),
        "performer": [
            reference(visit.site.clinician.reference, visit.site.clinician.name),
            reference(visit.site.group.reference, visit.site.group.name),
        ],
    }
    if visit.encounter is not None:
        made["encounter"] = reference(visit.encounter)
    return made
