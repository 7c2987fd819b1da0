"""Professional and non-clinician claims: office visits, counselling, ambulance, rides, glasses, equipment."""

from datetime import timedelta

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.claims.draft import (
    NEEDS_APPROVAL,
    NOT_COVERED,
    SENT_LATE,
    Denial,
    Draft,
    Kind,
    Line,
    Supporting,
    billed_by,
    member_of_team,
)
from service.sandbox.plan.clinical.catalogue import REASONS, Reason
from service.sandbox.plan.clinical.encounters import Visit
from service.sandbox.plan.codes import AMBULANCE_REASON, HCPCS, Resource, concept, reference
from service.sandbox.plan.story import Event, Twist

_OFFICE, _HOME, _AMBULANCE = "11", "12", "41"

# HCPCS level II code, plain words, cents.
_SERVICES: dict[str, tuple[tuple[str, str, int], ...]] = {
    "checkup": (("T1015", "Clinic visit", 18500), ("G0446", "Talk about heart health, 15 minutes", 3200),
                ("G0008", "Flu shot given", 4100)),
    "child checkup": (("T1015", "Clinic visit", 17200), ("G0008", "Flu shot given", 4100)),
    "diabetes": (("T1015", "Clinic visit", 16400), ("G0108", "Diabetes training, half an hour", 9800)),
    "asthma": (("T1015", "Clinic visit", 16400), ("S8110", "Breathing flow test", 4700)),
    "knee arthritis": (("G0283", "Electric stimulation therapy", 5400),
                       ("G0151", "Physical therapy, 15 minutes", 8800)),
    "pregnancy": (("H1000", "Pregnancy care, risk check", 14200), ("H1001", "Pregnancy care, follow-up", 11900)),
    "contraception": (("T1015", "Clinic visit", 15200), ("G0101", "Pelvic and breast exam", 8900)),
    "opioid use": (("H0004", "Counselling, 15 minutes", 4900), ("G0480", "Drug test", 11400)),
    "depression": (("H0004", "Counselling, 15 minutes", 4900), ("H0031", "Mental health assessment", 15800)),
    "anxiety": (("H0004", "Counselling, 15 minutes", 4900),),
    "attention deficit": (("H0004", "Counselling, 15 minutes", 4900), ("H0031", "Mental health assessment", 15800)),
    "strep throat": (("T1015", "Clinic visit", 14800), ("G0306", "Blood count", 2600)),
}  # fmt: skip
_VISIT = (("T1015", "Clinic visit", 15400),)
_EYES = (("S0620", "Eye exam with vision test", 9600), ("V2020", "Glasses frame", 12800), ("V2100", "Lens, one", 5900))
_EQUIPMENT: dict[str, tuple[tuple[str, str, int], ...]] = {
    "diabetes": (("E0607", "Home blood sugar meter", 6800), ("A4253", "Blood sugar test strips, box of 50", 4300)),
    "hip fracture": (("E0143", "Walker with wheels", 14900), ("E0244", "Raised toilet seat", 6100)),
}
_DENIALS: dict[Event, Denial] = {Event.COUNSELLING: NEEDS_APPROVAL, Event.RIDE: NOT_COVERED}


def draft(chart: Chart, visit: Visit) -> Draft:
    """The claim of a visit or service that no facility bills."""
    supporting = Supporting()
    rng = chart.rng
    billed_by(supporting, visit.end + timedelta(days=4), f"A{rng.randrange(10**7):07d}", f"R{chart.person.index:07d}")
    moved = visit.episode.event in (Event.AMBULANCE, Event.RIDE)
    lines = _rides(chart, visit, supporting) if moved else _services(visit, supporting)
    copay = visit.span.benefits.visit_copay if visit.encounter is not None else 0
    # A doctor's own services carry who rendered them; supplies and rides only who ordered them.
    role = "rendering" if visit.encounter is not None else "referring"
    made = Draft(
        kind=Kind.PROFESSIONAL,
        type_code="vision" if visit.episode.event is Event.EYES else "professional",
        start=visit.on,
        end=visit.end,
        span=visit.span,
        group=visit.site.group,
        lines=tuple(lines),
        supporting=tuple(supporting.entries),
        care_team=(member_of_team(1, visit.site.clinician, role, qualified=True),),
        diagnoses=_diagnoses(chart, visit),
        copay=copay,
        deductible_counts=visit.episode.event is not Event.CHECKUP,
        encounter=visit.encounter,
        twists=visit.episode.twists,
    )
    return made.denied(_DENIALS.get(visit.episode.event, SENT_LATE)) if made.has(Twist.DENIED) else made


def _diagnoses(chart: Chart, visit: Visit) -> tuple[tuple[Reason, str], ...]:
    main = REASONS[visit.episode.reason]
    others = [REASONS[problem] for problem in chart.story.problems if problem != visit.episode.reason][:2]
    if visit.episode.event in (Event.CHECKUP, Event.FOLLOW_UP):
        return ((main, "principal"), *((other, "secondary") for other in others))
    return ((main, "principal"),)


def _services(visit: Visit, supporting: Supporting) -> list[Line]:
    event, reason = visit.episode.event, visit.episode.reason
    if event is Event.EQUIPMENT:
        new = concept(HCPCS, "NU", text="New equipment")
        table = _EQUIPMENT.get(reason, _EQUIPMENT["hip fracture"])
        return [_line(visit, service, _HOME, modifier=new) for service in table]
    supporting.add("servicefacility", valueReference=reference(visit.site.group.location, visit.site.group.name))
    table = _EYES if event is Event.EYES else _SERVICES.get(reason, _VISIT)
    return [_line(visit, service, _OFFICE) for service in table]


def _line(visit: Visit, service: tuple[str, str, int], place: str, modifier: Resource | None = None) -> Line:
    code, words, cents = service
    units = 3 if code == "H0004" else 2 if code in ("V2100", "G0151") else 1
    made = concept(HCPCS, code, text=words)
    return Line(cents * units, made, visit.on, units, place=place, modifier=modifier)


def _rides(chart: Chart, visit: Visit, supporting: Supporting) -> list[Line]:
    rng, emergency = chart.rng, visit.episode.event is Event.AMBULANCE
    miles = rng.randint(4, 22)
    home = f"{chart.person.address_line}, {chart.person.city}"
    linked = [
        supporting.add("patientweight", valueQuantity=_measured(rng.randint(120, 210), "[lb_av]")),
        supporting.add("transportationdistance", valueQuantity=_measured(miles, "[mi_i]")),
        supporting.add("pickuplocation", valueString=home),
        supporting.add("dropofflocation", valueString="Rivermont General Hospital, Rivermont"),
    ]
    if emergency:
        linked.append(supporting.add("ambulancetransportreason", reason=_coding_only(AMBULANCE_REASON, "A")))
        linked.append(supporting.add("stretcherpurpose", valueString="Could not sit or walk because of pain"))
        table = (("A0429", "Emergency ambulance ride", 62000), ("A0425", "Ambulance, per mile", 1450))
    else:
        linked.append(supporting.add("roudtrippurpose", valueString="To the clinic and back home"))
        table = (("T2003", "Ride to a medical visit", 4200), ("S0215", "Ride, per mile", 160))
    way = concept(HCPCS, "RH", text="From home to hospital")
    place = _AMBULANCE if emergency else "99"
    ride, mileage = table
    return [
        Line(ride[2], concept(HCPCS, ride[0], text=ride[1]), visit.on, 1, modifier=way, place=place,
             fields={"informationSequence": linked}),
        Line(mileage[2] * miles, concept(HCPCS, mileage[0], text=mileage[1]), visit.on, miles, modifier=way,
             place=place, fields={"informationSequence": linked[1:2]}),
    ]  # fmt: skip


def _measured(value: float, unit: str) -> Resource:
    # The profile's patterns bind `unit`, not `code`, to the UCUM text.
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def _coding_only(system: str, code: str) -> Resource:
    """supportingInfo.reason is a Coding, not a concept (R4)."""
    return {"system": system, "code": code}
