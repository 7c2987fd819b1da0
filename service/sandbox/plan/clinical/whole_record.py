"""What the member with the whole record has besides: every profile of US Core is told, and each of its must-supports.

It reads as one life: measured as a baby, asked about food at a check-up, sent for an ultrasound when she was expecting.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.clinical import conditions, reports
from service.sandbox.plan.clinical.encounters import Visit
from service.sandbox.plan.clinical.growth import write_growth
from service.sandbox.plan.codes import (
    DATA_ABSENT,
    DOCUMENT_ID,
    LOINC,
    OBSERVATION_CATEGORY,
    SNOMED,
    TERMINOLOGY,
    US_CORE,
    Resource,
    coding,
    concept,
    day,
    moment,
    period,
    quantity,
    reference,
    us_core_profile,
)
from service.sandbox.plan.story import Event

_NOTES = (("11488-4", "Consultation note"), ("34117-2", "History and physical note"), ("28570-0", "Procedure note"))
_UNITS = {"blood-pressure": "85354-9", "heart-rate": "8867-4", "body-height": "8302-2", "body-weight": "29463-7",
          "bmi": "39156-5", "body-temperature": "8310-5", "respiratory-rate": "9279-1",
          "pulse-oximetry": "59408-5"}  # fmt: skip
_PARTS = {
    "blood-pressure": ("8480-6", "8462-4"),
    "pulse-oximetry": ("3151-8", "3150-0"),
}
_SCREENED = (
    ("sdoh", "88122-7", "Food ran out before there was money for more", "LA28398-8", "Never true"),
    ("disability-status", "69856-3", "Deaf, or serious difficulty hearing", "LA33-6", "Yes"),
    ("cognitive-status", "69858-9", "Serious difficulty remembering", "LA32-8", "No"),
    ("functional-status", "69859-7", "Serious difficulty walking", "LA32-8", "No"),
)
"""Category of US Core, LOINC question, words, LOINC answer, words."""


def write(chart: Chart, visits: Sequence[Visit]) -> None:
    """Everything, into the chart; the story's own records stand there already."""
    seen = [visit for visit in visits if visit.encounter is not None]
    checkups = [visit for visit in seen if visit.episode.event is Event.CHECKUP]
    expecting = [visit for visit in seen if visit.episode.reason == "pregnancy"]
    _complete_patient(chart)
    write_growth(chart)
    conditions.write_old_procedure(chart, checkups[0].on)
    _not_measured(chart, checkups[0])
    _lived(chart, checkups[0])
    _screened(chart, checkups[-1])
    _sampled(chart, checkups[-1])
    _refused(chart, checkups[-1])
    _ultrasound(chart, expecting[0])
    _dispensed(chart, expecting[0])
    for visit, (loinc, words) in zip(seen, _NOTES, strict=False):
        form = reports.text_form(f"{words}\nDate: {visit.on}\nPlan: as agreed with the patient.\n", words)
        reports.write_document(chart, visit, loinc, words, form)


def _complete_patient(chart: Chart) -> None:
    """Her name before and after she married, and what US Core asks of a person beyond that."""
    patient, person = chart.resources[0], chart.person
    married = date(person.birth_date.year + 24, 6, 1)
    patient["deceasedBoolean"] = False
    before = {"use": "old", "family": "Ortiz", "given": [person.given_name], "suffix": ["RN"]}
    patient["name"].append({**before, "period": period(person.birth_date, married)})
    base = f"{US_CORE}/StructureDefinition"
    woman = concept(SNOMED, "446141000124107", "Identifies as female gender (finding)")
    tribe = concept(f"{TERMINOLOGY}/v3-TribalEntityUS", "43", "Cherokee Nation")
    patient["extension"] += [
        {"url": f"{base}/us-core-sex", "valueCode": "248152002"},
        {"url": f"{base}/us-core-genderIdentity", "valueCodeableConcept": woman},
        {"url": f"{base}/us-core-tribal-affiliation", "extension": [
            {"url": "tribalAffiliation", "valueCodeableConcept": tribe}, {"url": "isEnrolled", "valueBoolean": False}]},
    ]  # fmt: skip


def _not_measured(chart: Chart, visit: Visit) -> None:
    """A visit at which the instruments failed: each vital sign says why it has no value."""
    absent: Resource = {"dataAbsentReason": concept(DATA_ABSENT, "error", "Error", "The instrument failed")}
    for name, loinc in _UNITS.items():
        code = concept(LOINC, loinc)
        if name == "pulse-oximetry":
            code["coding"].insert(0, coding(LOINC, "2708-6", "Oxygen saturation"))
        parts = [{"code": concept(LOINC, part), **absent} for part in _PARTS.get(name, ())]
        _observe(chart, visit, name, "vital-signs", code, {**absent, **({"component": parts} if parts else {})})


def _lived(chart: Chart, visit: Visit) -> None:
    """Work and orientation: asked once, kept for good."""
    code = concept(LOINC, "76690-7", "Sexual orientation")
    value = {"valueCodeableConcept": concept(SNOMED, "20430005", "Heterosexual (finding)")}
    _observe(chart, visit, "observation-sexual-orientation", "social-history", code, value)
    industry = {"code": concept(LOINC, "86188-0", "History of Occupation industry"),
                "valueCodeableConcept": {"text": "Health care"}}  # fmt: skip
    fields = {"effectivePeriod": period(date(visit.on.year - 4, 1, 1)), "valueCodeableConcept": {"text": "Nurse"},
              "component": [industry]}  # fmt: skip
    code = concept(LOINC, "11341-5", "History of Occupation")
    _observe(chart, visit, "observation-occupation", "social-history", code, fields)


def _screened(chart: Chart, visit: Visit) -> None:
    """A questionnaire at a check-up, what was concluded from its answers, and the concern that came of it."""
    answers = _questionnaire(chart, visit)
    members = [reference(_answer(chart, visit, answers, *row)) for row in _SCREENED]
    panel = concept(LOINC, "93025-5", "Questions about daily life")
    fields: Resource = {"hasMember": members, "derivedFrom": [reference(answers)]}
    _survey(chart, visit, "sdoh", panel, fields)
    absent = {"dataAbsentReason": concept(DATA_ABSENT, "asked-declined", "Asked But Declined")}
    _survey(chart, visit, "sdoh", concept(LOINC, "76513-1", "Hard to pay for the very basics"), absent)
    wish = concept(LOINC, "75773-2", "Goals, preferences, and priorities for medical treatment")
    told = {"valueString": "Would rather be treated at home", "derivedFrom": [reference(answers)]}
    _observe(chart, visit, "simple-observation", "social-history", wish, told, by=True)
    _concern(chart, visit)


def _questionnaire(chart: Chart, visit: Visit) -> str:
    asked: list[Resource] = [
        {"linkId": f"/{loinc}", "text": f"{words}?", "answer": [{"valueCoding": coding(LOINC, code, answer)}]}
        for _category, loinc, words, code, answer in _SCREENED
    ]
    # A question within a group, and one that only an answer leads to.
    aid = {"linkId": "/aid", "text": "Which aid do you use?", "answer": [{"valueString": "Cochlear implant"}]}
    asked[1]["answer"][0]["item"] = [aid]
    group = {"linkId": "/mind", "text": "Memory", "item": [asked[2]]}
    display = {"url": "http://hl7.org/fhir/StructureDefinition/display", "valueString": "Questions about daily life"}
    origin = {"url": f"{US_CORE}/StructureDefinition/us-core-extension-questionnaire-uri",
              "valueUri": "https://loinc.org/93025-5"}  # fmt: skip
    fields: Resource = {
        "identifier": {"system": DOCUMENT_ID, "value": chart.make_id("questionnaire")},
        "questionnaire": "http://hl7.org/fhir/us/core/Questionnaire/prapare",
        "_questionnaire": {"extension": [display, origin]},
        "status": "completed",
        "subject": chart.subject,
        "encounter": reference(visit.encounter or ""),
        "authored": moment(visit.on, visit.start_minute + 2),
        "author": chart.subject,
        "item": [*asked[:2], group, asked[3]],
    }
    return chart.add("QuestionnaireResponse", visit.on, (us_core_profile("questionnaireresponse"),), fields)


def _answer(
    chart: Chart, visit: Visit, answers: str, category: str, loinc: str, words: str, code: str, answer: str
) -> str:  # fmt: skip
    fields: Resource = {"valueCodeableConcept": concept(LOINC, code, answer), "derivedFrom": [reference(answers)]}
    return _survey(chart, visit, category, concept(LOINC, loinc, words, words), fields)


def _survey(chart: Chart, visit: Visit, category: str, code: Resource, fields: Resource) -> str:
    made = _observe(chart, visit, "observation-screening-assessment", "survey", code, fields, by=True)
    chart.resources[-1]["category"].append(concept(f"{US_CORE}/CodeSystem/us-core-category", category))
    return made


def _concern(chart: Chart, visit: Visit) -> None:
    on, over = visit.on, min(visit.on + timedelta(days=60), chart.story.last_day)
    fields: Resource = {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate", "valueDateTime": day(on)}
        ],
        "clinicalStatus": concept(f"{TERMINOLOGY}/condition-clinical", "resolved"),
        "verificationStatus": concept(f"{TERMINOLOGY}/condition-ver-status", "confirmed"),
        "category": [
            concept(f"{US_CORE}/CodeSystem/condition-category", "health-concern", "Health Concern"),
            concept(f"{US_CORE}/CodeSystem/us-core-category", "sdoh", "SDOH"),
        ],
        "code": concept(SNOMED, "733423003", "Food insecurity", "Not always enough to eat"),
        "subject": chart.subject,
        "encounter": reference(visit.encounter or ""),
        "onsetDateTime": day(on),
        "abatementDateTime": day(over),
        "recordedDate": day(on),
    }
    made = chart.add("Condition", on, (us_core_profile("condition-problems-health-concerns"),), fields)
    _resource(chart, visit.encounter or "")["reasonReference"] = [reference(made)]
    chart.add("Goal", on, (us_core_profile("goal"),), {
        "lifecycleStatus": "completed", "description": concept(SNOMED, "1078229009", "Food security", "Enough to eat"),
        "subject": chart.subject, "startDate": day(on), "target": [{"dueDate": day(over)}],
        "addresses": [reference(made)],
    })  # fmt: skip


def _sampled(chart: Chart, visit: Visit) -> None:
    """A blood sample and what was found in it; one value that could not be had."""
    fields: Resource = {
        "identifier": [{"system": DOCUMENT_ID, "value": chart.make_id("specimen")}],
        "status": "available",
        "type": concept(SNOMED, "119297000", "Blood specimen"),
        "subject": chart.subject,
        "collection": {"collectedDateTime": moment(visit.on, visit.start_minute + 12)},
    }
    specimen = {"specimen": reference(chart.add("Specimen", visit.on, (us_core_profile("specimen"),), fields))}
    value = {"valueQuantity": quantity(13.1, "g/dL"), **specimen}
    _observe(chart, visit, "observation-lab", "laboratory", concept(LOINC, "718-7", "Hemoglobin"), value)
    absent = {"dataAbsentReason": concept(DATA_ABSENT, "unknown", "Unknown", "The sample could not be used")}
    platelets = concept(LOINC, "777-3", "Platelets")
    _observe(chart, visit, "observation-lab", "laboratory", platelets, {**absent, **specimen})


def _refused(chart: Chart, visit: Visit) -> None:
    fields: Resource = {
        "status": "not-done",
        "statusReason": concept(f"{TERMINOLOGY}/v3-ActReason", "PATOBJ", "patient objection"),
        "vaccineCode": concept("http://hl7.org/fhir/sid/cvx", "140", "Influenza, seasonal, injectable"),
        "patient": chart.subject,
        "encounter": reference(visit.encounter or ""),
        "occurrenceDateTime": moment(visit.on, visit.start_minute + 15),
        "primarySource": True,
    }
    chart.add("Immunization", visit.on, (us_core_profile("immunization"),), fields)


def _ultrasound(chart: Chart, visit: Visit) -> None:
    """Asked for, done, seen and reported."""
    who, on = visit.site.clinician, visit.on + timedelta(days=7)
    code = concept(SNOMED, "268445003", "Ultrasound scan - obstetric", "Ultrasound of the unborn child")
    problem = next(_of(chart, "Condition"))
    common: Resource = {"status": "completed", "code": code, "subject": chart.subject,
                        "encounter": reference(visit.encounter or "")}  # fmt: skip
    asked = chart.add("ServiceRequest", visit.on, (us_core_profile("servicerequest"),), {
        **common, "intent": "order", "category": [concept(SNOMED, "363679005", "Imaging")],
        "occurrenceDateTime": day(on), "authoredOn": moment(visit.on, visit.start_minute + 10),
        "requester": reference(who.reference, who.name), "reasonReference": [reference(f"Condition/{problem['id']}")],
        "reasonCode": [problem["code"]],
    })  # fmt: skip
    chart.add("Procedure", on, (us_core_profile("procedure"),), {
        **common, "basedOn": [reference(asked)],
        "performedPeriod": {"start": moment(on, 600), "end": moment(on, 630)},
        "performer": [{"actor": reference(who.reference, who.name)}], "reasonCode": [problem["code"]],
    })  # fmt: skip
    _seen(chart, visit, on, asked)


def _seen(chart: Chart, visit: Visit, on: date, asked: str) -> None:
    """What the ultrasound showed, measured and pictured."""
    words = "Head of the unborn child, across"
    found = [
        _observe(chart, visit, "observation-clinical-result", "imaging", concept(LOINC, "11820-8", words, words), value)
        for value in (
            {"valueQuantity": quantity(4.2, "cm")},
            {"dataAbsentReason": concept(DATA_ABSENT, "unknown", "Unknown", "Could not be seen")},
        )
    ]
    picture = chart.add("Media", on, (), {
        "status": "completed", "subject": chart.subject, "createdDateTime": moment(on, 610),
        "content": reports.text_form("A picture of the ultrasound", "Ultrasound picture"),
    })  # fmt: skip
    words = "Ultrasound report"
    form = reports.text_form(f"{words}\nDate: {on}\nFinding: all is well.\n", words)
    chart.add("DiagnosticReport", on, (us_core_profile("diagnosticreport-note"),), {
        "status": "final", "category": [concept(LOINC, "LP29684-5", "Radiology")],
        "code": concept(LOINC, "11525-3", "US Pelvis Fetus for pregnancy", words), "subject": chart.subject,
        "encounter": reference(visit.encounter or ""), "effectiveDateTime": moment(on, 600),
        "issued": moment(on, 700), "performer": [reference(visit.site.clinician.reference)],
        "basedOn": [reference(asked)], "result": [reference(one) for one in found],
        "media": [{"link": reference(picture)}], "presentedForm": [form],
    })  # fmt: skip
    reports.write_document(chart, visit, "11525-3", words, form)


def _dispensed(chart: Chart, visit: Visit) -> None:
    """The first prescription told in full, and the pharmacy's own record of it."""
    asked = next(one for one in _of(chart, "MedicationRequest") if "medicationCodeableConcept" in one)
    problem = next(_of(chart, "Condition"))
    asked |= {"encounter": reference(visit.encounter or ""), "reasonCode": [problem["code"]]}
    on = date.fromisoformat(asked["authoredOn"]) + timedelta(days=1)
    creams = (one for one in _of(chart, "MedicationRequest") if "medicationReference" in one)
    for prescription in (asked, next(creams)):
        medicine = {name: one for name, one in prescription.items() if name.startswith("medication")}
        pharmacy = chart.network.groups["pharmacy"]
        chart.add("MedicationDispense", on, (us_core_profile("medicationdispense"),), {
            "status": "completed", **medicine, "subject": chart.subject, "context": reference(visit.encounter or ""),
            "performer": [{"actor": reference(pharmacy.reference, pharmacy.name)}],
            "authorizingPrescription": [reference(f"MedicationRequest/{prescription['id']}")],
            "type": concept(f"{TERMINOLOGY}/v3-ActCode", "FF", "First Fill"),
            "quantity": prescription["dispenseRequest"]["quantity"],
            "daysSupply": prescription["dispenseRequest"]["expectedSupplyDuration"],
            "whenHandedOver": moment(on, 660), "dosageInstruction": prescription["dosageInstruction"],
        })  # fmt: skip


def _observe(
    chart: Chart, visit: Visit, profile: str, category: str, code: Resource, fields: Resource, *, by: bool = False
) -> str:  # fmt: skip
    who = visit.site.clinician
    made: Resource = {
        "status": "final",
        "category": [concept(OBSERVATION_CATEGORY, category)],
        "code": code,
        "subject": chart.subject,
        "encounter": reference(visit.encounter or ""),
        **({} if "effectivePeriod" in fields else {"effectiveDateTime": moment(visit.on, visit.start_minute + 8)}),
        **({"performer": [reference(who.reference, who.name)]} if by else {}),
        **fields,
    }
    return chart.add("Observation", visit.on, (us_core_profile(profile),), made)


def _of(chart: Chart, kind: str) -> Iterator[Resource]:
    return (one for one in chart.resources if one["resourceType"] == kind)


def _resource(chart: Chart, made: str) -> Resource:
    """What was written under this reference."""
    return next(one for one in chart.resources if f"{one['resourceType']}/{one['id']}" == made)
