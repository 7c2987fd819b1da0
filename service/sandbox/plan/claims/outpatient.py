"""Outpatient institutional claims: emergency room, day surgery, imaging in a hospital."""

from datetime import timedelta

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.claims.draft import (
    INCOMPLETE,
    Draft,
    Kind,
    Line,
    Supporting,
    billed_by,
    member_of_team,
)
from service.sandbox.plan.clinical.catalogue import REASONS
from service.sandbox.plan.clinical.encounters import Visit
from service.sandbox.plan.codes import HCPCS, NUBC, Resource, concept, not_applicable
from service.sandbox.plan.story import Event, Twist


def draft(chart: Chart, visit: Visit) -> Draft:
    """The claim of a visit to a hospital without a night there."""
    emergency = visit.episode.event is Event.EMERGENCY
    reason = REASONS[visit.episode.reason]
    benefits = visit.span.benefits
    made = Draft(
        kind=Kind.OUTPATIENT,
        type_code="institutional",
        start=visit.on,
        end=visit.end,
        span=visit.span,
        group=visit.site.group,
        lines=tuple(_lines(chart, visit)),
        supporting=tuple(_supporting(chart, visit).entries),
        care_team=(
            member_of_team(1, visit.site.clinician, "attending"),
            member_of_team(2, chart.site().clinician, "primary"),
        ),
        diagnoses=((reason, "principal"), (reason, "patientreasonforvisit")),
        copay=benefits.emergency_copay if emergency else 0,
        encounter=visit.encounter,
        twists=visit.episode.twists,
    )
    return made.denied(INCOMPLETE) if made.has(Twist.DENIED) else made


def _supporting(chart: Chart, visit: Visit) -> Supporting:
    supporting, rng = Supporting(), chart.rng
    billed_by(supporting, visit.end + timedelta(days=4), f"H{rng.randrange(10**7):07d}", f"R{chart.person.index:07d}")
    urgent = visit.episode.event is Event.EMERGENCY
    supporting.code("typeofbill", f"{NUBC}/TypeOfBill", "0131")
    supporting.code("pointoforigin", f"{NUBC}/PointOfOrigin", "1")
    supporting.code("admtype", f"{NUBC}/PriorityTypeOfAdmitOrVisit", "1" if urgent else "3")
    supporting.code("discharge-status", f"{NUBC}/PatDischargeStatus", "01")
    return supporting


def _lines(chart: Chart, visit: Visit) -> list[Line]:
    if visit.episode.event is Event.EMERGENCY:
        return _emergency(chart, visit)
    if visit.episode.event is Event.DAY_SURGERY:
        return _day_surgery(chart, visit)
    return _imaging(visit)


def _emergency(chart: Chart, visit: Visit) -> list[Line]:
    rng = chart.rng
    lines = [
        _coded(visit, "0450", "G0382", "Emergency room visit", 100 * rng.randint(620, 1400)),
        _bare(visit, "0300", "Laboratory tests", 100 * rng.randint(90, 380)),
    ]
    if visit.episode.reason in ("broken arm", "concussion", "chest pain"):
        left = concept(HCPCS, "LT", text="Left side")
        lines.append(_bare(visit, "0320", "X-ray pictures", 100 * rng.randint(180, 420), left))
    if visit.episode.reason in ("allergic reaction", "cut hand"):
        lines.append(_bare(visit, "0250", "Medicines given in the emergency room", 100 * rng.randint(40, 160)))
    return lines


def _day_surgery(chart: Chart, visit: Visit) -> list[Line]:
    rng = chart.rng
    room = _bare(visit, "0490", "Day surgery room", 100 * rng.randint(1400, 2600))
    if visit.episode.reason == "cataract":
        return [room, _coded(visit, "0276", "V2632", "Artificial lens for the eye", 48000)]
    return [
        _coded(visit, "0750", "G0121", "Colon cancer screening by colonoscopy", 100 * rng.randint(900, 1500)),
        _bare(visit, "0310", "Tissue examined under the microscope", 100 * rng.randint(160, 300)),
        room,
    ]


def _imaging(visit: Visit) -> list[Line]:
    if visit.episode.reason == "mammogram":
        return [
            _coded(visit, "0403", "G0279", "Breast X-ray in layers", 28400),
            _bare(visit, "0403", "Breast X-ray", 19600),
        ]
    return [_coded(visit, "0320", "G0130", "Bone density test", 17800)]


def _coded(visit: Visit, revenue: str, code: str, words: str, cents: int) -> Line:
    return Line(cents, concept(HCPCS, code, text=words), visit.on, 1, revenue=revenue)


def _bare(visit: Visit, revenue: str, words: str, cents: int, modifier: Resource | None = None) -> Line:
    return Line(cents, not_applicable(words), visit.on, 1, revenue=revenue, modifier=modifier)
