"""Inpatient institutional claims: stays in hospital."""

from datetime import timedelta
from typing import NamedTuple

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.claims.draft import (
    INCOMPLETE,
    NEEDS_APPROVAL,
    Draft,
    Kind,
    Line,
    Supporting,
    billed_by,
    member_of_team,
)
from service.sandbox.plan.clinical.catalogue import REASONS
from service.sandbox.plan.clinical.encounters import Visit
from service.sandbox.plan.codes import DRG, HCPCS, NUBC, concept, not_applicable, period
from service.sandbox.plan.story import Twist


class Stay(NamedTuple):
    """What a stay of this kind is billed as."""

    drg: str
    procedure: str | None
    """ICD-10-PCS."""
    surgery: int
    """Cents."""
    implant: tuple[str, str, int] | None = None
    emergency: bool = True


_STAYS = {
    "appendicitis": Stay("399", "0DTJ4ZZ", 1_120_000),
    "pneumonia": Stay("194", None, 0),
    "hip fracture": Stay("522", "0SR90JZ", 1_640_000, ("C1776", "Artificial joint", 720_000)),
    "stroke": Stay("065", None, 0),
    "childbirth": Stay("807", "10E0XZZ", 310_000, emergency=False),
    "hearing loss": Stay("129", "09HD06Z", 620_000, ("L8614", "Cochlear implant", 2_400_000), emergency=False),
    "heart block": Stay("244", "0JH606Z", 940_000, ("C1785", "Pacemaker", 880_000)),
}


def draft(chart: Chart, visit: Visit) -> Draft:
    """The claim of a hospital stay."""
    stay = _STAYS[visit.episode.reason]
    team = [member_of_team(1, visit.site.clinician, "attending")]
    if stay.procedure is not None:
        team.append(member_of_team(2, chart.site("hospital", 0).clinician, "operating"))
    team.append(member_of_team(len(team) + 1, chart.site().clinician, "primary"))
    reason = REASONS[visit.episode.reason]
    others = [REASONS[problem] for problem in chart.story.problems if problem != visit.episode.reason][:2]
    made = Draft(
        kind=Kind.INPATIENT,
        type_code="institutional",
        start=visit.on,
        end=visit.end,
        span=visit.span,
        group=visit.site.group,
        lines=tuple(_lines(chart, visit, stay)),
        supporting=tuple(_supporting(chart, visit, stay).entries),
        care_team=tuple(team),
        diagnoses=((reason, "principal"), (reason, "admitting"), *((other, "other") for other in others)),
        present_on_admission=True,
        procedures=((stay.procedure, visit.on),) if stay.procedure else (),
        copay=visit.span.benefits.hospital_copay,
        deductible_counts=False,
        encounter=visit.encounter,
        twists=visit.episode.twists,
    )
    return made.denied(INCOMPLETE if stay.emergency else NEEDS_APPROVAL) if made.has(Twist.DENIED) else made


def _supporting(chart: Chart, visit: Visit, stay: Stay) -> Supporting:
    supporting, rng = Supporting(), chart.rng
    billed_by(supporting, visit.end + timedelta(days=4), f"H{rng.randrange(10**7):07d}", f"R{chart.person.index:07d}")
    supporting.add("admissionperiod", timingPeriod=period(visit.on, visit.end))
    supporting.code("typeofbill", f"{NUBC}/TypeOfBill", "0111")
    supporting.code("pointoforigin", f"{NUBC}/PointOfOrigin", "1")
    supporting.code("admtype", f"{NUBC}/PriorityTypeOfAdmitOrVisit", "1" if stay.emergency else "3")
    died = chart.person.deceased_on is not None and chart.person.deceased_on <= visit.end
    supporting.code("discharge-status", f"{NUBC}/PatDischargeStatus", "20" if died else "01")
    supporting.code("drg", DRG, stay.drg)
    return supporting


def _lines(chart: Chart, visit: Visit, stay: Stay) -> list[Line]:
    nights = max((visit.end - visit.on).days, 1)
    rng = chart.rng
    lines = [
        _line(visit, "0120", 168_000 * nights, "Room, meals and nursing care", nights),
        _line(visit, "0250", 100 * rng.randint(420, 1900), "Medicines given in the hospital"),
        _line(visit, "0300", 100 * rng.randint(380, 1500), "Laboratory tests", 6),
    ]
    if stay.surgery:
        lines.append(_line(visit, "0360", stay.surgery, "Operating or delivery room"))
    if stay.implant is not None:
        code, words, cents = stay.implant
        side = concept(HCPCS, "RT", text="Right side")
        lines.append(Line(cents, concept(HCPCS, code, text=words), visit.on, 1, revenue="0278", modifier=side))
    return lines


def _line(visit: Visit, revenue: str, cents: int, words: str, units: float = 1) -> Line:
    return Line(cents, not_applicable(words), visit.on, units, revenue=revenue)
