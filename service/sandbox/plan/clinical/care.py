"""Who cares for the member and to what end: CareTeam, CarePlan, Goal, implanted Device, RelatedPerson, Provenance."""

from datetime import date, timedelta
from html import escape

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.clinical.catalogue import PROBLEMS
from service.sandbox.plan.codes import (
    ICD10_CM,
    LOINC,
    SNOMED,
    TERMINOLOGY,
    US_CORE,
    Resource,
    carin_profile,
    concept,
    day,
    moment,
    period,
    reference,
    us_core_profile,
)
from service.sandbox.plan.people import STATE
from service.sandbox.plan.providers import PAYER_NAME

_TELLING = ("behavioral", "women")
_DEVICES = {
    "pacemaker": ("14106009", "Heart pacemaker", "00999999010018", "heart block"),
    "cochlear": ("43252007", "Cochlear implant", "00999999010032", "hearing loss"),
    "knee": ("304120007", "Artificial knee joint", "00999999010025", ""),
}
_AIMS = {
    "diabetes": ("Hemoglobin A1c below 7 per cent", "4548-4", 7.0, "%"),
    "hypertension": ("Upper blood pressure below 130", "8480-6", 130.0, "mm[Hg]"),
    "cholesterol": ("LDL cholesterol below 100", "18262-6", 100.0, "mg/dL"),
}


def write_kin(chart: Chart) -> None:
    """The RelatedPerson of the member's kin, if the story has one."""
    kin = chart.story.kin
    if kin is None:
        return
    fields: Resource = {
        "active": True,
        "patient": chart.subject,
        "relationship": [concept(f"{TERMINOLOGY}/v3-RoleCode", kin.relation[0], text=kin.relation[1])],
        "name": [{"use": "official", "family": kin.family_name, "given": [kin.given_name]}],
        "telecom": [{"system": "phone", "value": kin.phone, "use": "home"}],
        "address": [
            {"line": [kin.address_line], "city": kin.city, "state": STATE, "postalCode": kin.zip_code, "country": "US"}
        ],
    }
    profiles = (carin_profile("C4BB-RelatedPerson"), us_core_profile("relatedperson"))
    chart.kin = chart.add("RelatedPerson", chart.story.spans[0].start, profiles, fields)


def write_team(chart: Chart, since: date) -> None:
    """The people who care for the member."""
    home = chart.site()
    people = [_part("62247001", "Family doctor", home.clinician.reference, home.clinician.name)]
    for group in dict.fromkeys(PROBLEMS[problem].group for problem in chart.story.problems):
        # A team carries no code that tells it apart: specialists whose very name tells are left out of it.
        if group is not None and group not in _TELLING:
            specialist = chart.site(group).clinician
            people.append(_part("69280009", "Specialist physician", specialist.reference, specialist.name))
    people.append(_part("116154003", "Patient", chart.patient, None))
    if chart.kin is not None:
        people.append(_part("133932002", "Caregiver", chart.kin, None))
    fields: Resource = {
        "status": "active" if chart.person.deceased_on is None else "inactive",
        "name": "Care team",
        "subject": chart.subject,
        "period": period(since),
        "participant": people,
        "managingOrganization": [reference(home.group.reference, home.group.name)],
    }
    chart.add("CareTeam", since, (us_core_profile("careteam"),), fields)


def write_plan(chart: Chart, problem: str, condition: str, since: date) -> None:
    """A goal and the plan to reach it."""
    goal = _goal(chart, problem, condition, since)
    words = PROBLEMS[problem].reason.words
    shown = (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><p>Care plan: {escape(words)}. Take the medicine, move every day, '
    )
    fields: Resource = {
        "text": {"status": "generated", "div": f"{shown}come to the check-ups.</p></div>"},
        "status": "active" if chart.person.deceased_on is None else "completed",
        "intent": "plan",
        "category": [concept(f"{US_CORE}/CodeSystem/careplan-category", "assess-plan")],
        "title": f"Care plan: {words}",
        "subject": chart.subject,
        "period": period(since),
        "addresses": [reference(condition)],
        "goal": [reference(goal)],
        "activity": [
            {
                "detail": {
                    "code": concept(SNOMED, "229065009", "Exercise therapy", "Exercise"),
                    # Coded, so that whoever withholds a class of conditions can withhold the plan of care too.
                    "reasonCode": [concept(ICD10_CM, PROBLEMS[problem].reason.icd10, text=words)],
                    "status": "in-progress",
                }
            },
        ],
    }
    chart.add("CarePlan", since, (us_core_profile("careplan"),), fields)


def _goal(chart: Chart, problem: str, condition: str, since: date) -> str:
    aim, loinc, value, unit = _AIMS.get(problem, ("Feel well and keep the appointments", None, 0.0, ""))
    target: Resource = {"dueDate": day(since + timedelta(days=365))}
    if loinc is not None:
        high = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
        target |= {"measure": concept(LOINC, loinc), "detailRange": {"high": high}}
    fields: Resource = {
        "lifecycleStatus": "active" if chart.person.deceased_on is None else "completed",
        "achievementStatus": concept(f"{TERMINOLOGY}/goal-achievement", "in-progress", "In Progress"),
        "description": {"text": aim},
        "subject": chart.subject,
        "startDate": day(since),
        "target": [target],
        "addresses": [reference(condition)],
    }
    return chart.add("Goal", since, (us_core_profile("goal"),), fields)


def write_device(chart: Chart) -> None:
    """The implant the member carries."""
    if chart.story.device is None or not chart.story.episodes:
        return
    snomed, words, device_id, reason = _DEVICES[chart.story.device]
    story = chart.story
    put_in = next((past.on for past in story.episodes if past.reason == reason), story.episodes[0].on)
    made, ends = put_in - timedelta(days=120), put_in + timedelta(days=3650)
    lot, serial = f"L{chart.person.index:05d}", f"S{chart.person.index:08d}"
    fields: Resource = {
        "udiCarrier": [
            {
                "deviceIdentifier": device_id,
                "carrierHRF": f"(01){device_id}(11){made:%y%m%d}(17){ends:%y%m%d}(10){lot}(21){serial}",
            }
        ],
        "status": "active",
        "distinctIdentifier": serial,
        "manufactureDate": moment(made, 0),
        "expirationDate": moment(ends, 0),
        "lotNumber": lot,
        "serialNumber": serial,
        "type": concept(SNOMED, snomed, words, words),
        "patient": chart.subject,
    }
    chart.add("Device", put_in, (us_core_profile("implantable-device"),), fields)


def write_provenance(chart: Chart, on: date) -> None:
    """Where the records come from: the doctor's group wrote the clinical ones, the plan the claims; it sent both."""
    claims = set(chart.claims)
    own = ("Patient", "Coverage", "RelatedPerson")
    named = [(kept["resourceType"], f"{kept['resourceType']}/{kept['id']}") for kept in chart.resources]
    clinical = [made for kind, made in named if made not in claims and kind not in own]
    administrative = [made for kind, made in named if made in claims or kind in own]
    home = chart.site()
    payer = (chart.network.payer, PAYER_NAME)
    _provenance(chart, on, administrative, payer)
    if clinical:
        _provenance(chart, on, clinical, (home.group.reference, home.group.name), home.clinician.reference)


def _provenance(chart: Chart, on: date, targets: list[str], author: tuple[str, str], person: str | None = None) -> None:
    agent = {"type": _agent_type("author"), "who": reference(*author)}
    if person is not None:
        agent = {"type": _agent_type("author"), "who": reference(person), "onBehalfOf": reference(*author)}
    fields: Resource = {
        "target": [reference(target) for target in targets],
        "recorded": chart.stamp(on),
        "agent": [
            agent,
            {
                "type": concept(
                    f"{US_CORE}/CodeSystem/us-core-provenance-participant-type", "transmitter", "Transmitter"
                ),
                "who": reference(chart.network.payer, PAYER_NAME),
            },
        ],
    }
    chart.add("Provenance", on, (us_core_profile("provenance"),), fields)


def _agent_type(code: str) -> Resource:
    return concept(f"{TERMINOLOGY}/provenance-participant-type", code, code.capitalize())


def _part(code: str, words: str, who: str, name: str | None) -> Resource:
    return {"role": [concept(SNOMED, code, words)], "member": reference(who, name)}
