"""Prescriptions, and the fills that follow from them."""

from datetime import date, timedelta

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.claims.pharmacy import Fill
from service.sandbox.plan.clinical.catalogue import PROBLEMS
from service.sandbox.plan.clinical.encounters import Visit
from service.sandbox.plan.clinical.formulary import ACUTE_MEDICINES, MEDICINES, Medicine
from service.sandbox.plan.codes import (
    RXNORM,
    SNOMED,
    TERMINOLOGY,
    Resource,
    concept,
    day,
    period,
    quantity,
    reference,
    us_core_profile,
)
from service.sandbox.plan.providers import Clinician
from service.sandbox.plan.story import Event


def write_lasting(chart: Chart, problem: str, condition: str) -> list[Fill]:
    """Prescriptions for a lasting problem; their fills, the last ones first told."""
    fills: list[Fill] = []
    for key in PROBLEMS[problem].medicines:
        medicine = MEDICINES[key]
        prescriber = chart.site(PROBLEMS[problem].group).clinician
        days = _fill_days(chart, medicine)
        if not days:
            continue
        going_on = (chart.as_of - days[-1]).days < medicine.days + 60 and chart.person.deceased_on is None
        fields = _request(chart, key, days[0], prescriber, "active" if going_on else "completed")
        fields["reasonReference"] = [reference(condition)]
        chart.add("MedicationRequest", days[0], (us_core_profile("medicationrequest"),), fields)
        fills.extend(Fill(key, on, number, prescriber) for number, on in enumerate(days))
    return fills


def write_acute(chart: Chart, visit: Visit) -> list[Fill]:
    """The prescription of a visit that needs one, filled on the day after the visit's end."""
    passing = visit.episode.event in (Event.SICK, Event.EMERGENCY, Event.HOSPITAL)
    key = ACUTE_MEDICINES.get(visit.episode.reason) if passing else None
    filled = visit.end + timedelta(days=1)
    if key is None or visit.encounter is None or filled > chart.story.last_day or not visit.span.holds(filled):
        return []
    prescriber = visit.site.clinician
    fields = _request(chart, key, visit.end, prescriber, "completed")
    fields["encounter"] = reference(visit.encounter)
    chart.add("MedicationRequest", visit.end, (us_core_profile("medicationrequest"),), fields)
    return [Fill(key, filled, 0, prescriber)]


def _fill_days(chart: Chart, medicine: Medicine) -> list[date]:
    """The last fills before the story ends, each within a coverage, in order."""
    story = chart.story
    last = story.last_day - timedelta(days=chart.rng.randint(2, 40))
    every = max(medicine.days, 28) if medicine.unit != "{inhaler}" else 60
    days = [last - timedelta(days=every * back) for back in range(min(story.fills, medicine.refills + 1))]
    return [on for on in reversed(days) if any(span.holds(on) for span in story.spans) and on > chart.person.birth_date]


def _request(chart: Chart, key: str, on: date, prescriber: Clinician, status: str) -> Resource:
    medicine = MEDICINES[key]
    fields: Resource = {
        "status": status,
        "intent": "order",
        "category": [concept(f"{TERMINOLOGY}/medicationrequest-category", "community", "Community")],
        "reportedBoolean": False,
        "subject": chart.subject,
        "authoredOn": day(on),
        "requester": reference(prescriber.reference, prescriber.name),
        "dosageInstruction": [_dosage(medicine)],
        "dispenseRequest": {
            "validityPeriod": period(on, on + timedelta(days=365)),
            "numberOfRepeatsAllowed": medicine.refills,
            "quantity": quantity(medicine.quantity, medicine.unit),
            "expectedSupplyDuration": quantity(medicine.days, "days", "d"),
        },
    }
    # Inhalers and creams are told by a Medication of their own, tablets by their code: both forms are US Core's.
    if medicine.unit in ("{inhaler}", "g"):
        fields["medicationReference"] = reference(chart.network.medications[key], medicine.name)
    else:
        fields["medicationCodeableConcept"] = concept(RXNORM, medicine.rxnorm, medicine.name, medicine.name)
    return fields


def _dosage(medicine: Medicine) -> Resource:
    return {
        "sequence": 1,
        "text": medicine.instruction,
        "timing": {"repeat": {"frequency": medicine.per_day, "period": 1, "periodUnit": "d"}},
        "route": concept(SNOMED, "26643006", "Oral route")
        if "mouth" in medicine.instruction
        else {"text": "As written"},
        "doseAndRate": [{"doseQuantity": quantity(1, medicine.unit if medicine.unit != "g" else "{application}")}],
    }
