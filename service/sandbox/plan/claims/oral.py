"""Oral claims: CDT codes stand bare, the plain words are ours and stand in the notes."""

from datetime import timedelta

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.claims.draft import (
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
from service.sandbox.plan.codes import (
    CDT,
    HCPCS,
    MOUTH_AREA,
    TOOTH,
    Resource,
    carin_system,
    concept,
    reference,
)
from service.sandbox.plan.story import Twist

_OFFICE = "11"


def draft(chart: Chart, visit: Visit) -> Draft:
    """The claim of a visit to the dentist."""
    supporting, rng = Supporting(), chart.rng
    billed_by(supporting, visit.end + timedelta(days=4), f"D{rng.randrange(10**7):07d}", f"R{chart.person.index:07d}")
    supporting.add("servicefacility", valueReference=reference(visit.site.group.location, visit.site.group.name))
    lines = _TREATMENTS[visit.episode.detail](chart, visit, supporting)
    made = Draft(
        kind=Kind.ORAL,
        type_code="oral",
        start=visit.on,
        end=visit.end,
        span=visit.span,
        group=visit.site.group,
        lines=tuple(lines),
        supporting=tuple(supporting.entries),
        care_team=(member_of_team(1, visit.site.clinician, "rendering", qualified=True),),
        diagnoses=((REASONS[visit.episode.reason], "principal"),),
        deductible_counts=visit.span.line_of_business == "Dental only",
        twists=visit.episode.twists,
    )
    return made.denied(NEEDS_APPROVAL) if made.has(Twist.DENIED) else made


def _cleaning(chart: Chart, visit: Visit, _supporting: Supporting) -> list[Line]:
    child = chart.person.age_on(visit.on) < 14
    lines = [
        _line(visit, "D0120", 6200, "Look at your teeth by the dentist"),
        _line(visit, "D1120" if child else "D1110", 8400 if child else 11800, "Teeth cleaned"),
    ]
    if child:
        lines.append(_line(visit, "D1206", 4600, "Fluoride put on the teeth"))
    return lines


def _filling(chart: Chart, visit: Visit, _supporting: Supporting) -> list[Line]:
    site = {"bodySite": concept(TOOTH, str(chart.rng.choice((3, 14, 19, 30)))), "subSite": _surfaces("O")}
    return [
        _line(visit, "D0140", 7100, "Look at the tooth that hurt"),
        _line(visit, "D2391", 21400, "Tooth-coloured filling", site),
    ]


def _extraction(chart: Chart, visit: Visit, _supporting: Supporting) -> list[Line]:
    return [
        _line(
            visit, "D7140", 19800, "Tooth taken out", {"bodySite": concept(TOOTH, str(chart.rng.choice((1, 16, 17))))}
        )
    ]


def _gums(_chart: Chart, visit: Visit, supporting: Supporting) -> list[Line]:
    # An additional body site must be linked from a line that has a body site itself (CARIN invariants of oral).
    linked = supporting.add("additionalbodysite", code=concept(MOUTH_AREA, "20"))
    upper = {"bodySite": concept(MOUTH_AREA, "10"), "informationSequence": [linked]}
    return [
        _line(visit, "D4341", 26500, "Deep cleaning under the gums, two quarters of the mouth", upper, medical=True)
    ]


def _bridge(_chart: Chart, visit: Visit, supporting: Supporting) -> list[Line]:
    supporting.add("missingtoothnumber", code=concept(TOOTH, "4"))
    supporting.add("prosthesis", valueBoolean=True)
    return [
        _line(visit, "D6240", 98000, "Bridge: the tooth that is replaced", {"bodySite": concept(TOOTH, "4")}),
        _line(visit, "D6750", 102000, "Bridge: crown on the tooth beside it", {"bodySite": concept(TOOTH, "5")}),
    ]


def _braces(_chart: Chart, visit: Visit, supporting: Supporting) -> list[Line]:
    supporting.add("orthodontics", valueQuantity={"value": 24, "unit": "months", "system": "http://unitsofmeasure.org",
                                                  "code": "mo"})  # fmt: skip
    return [_line(visit, "D8080", 410000, "Braces: the start of two years of treatment")]


_TREATMENTS = {
    "cleaning": _cleaning,
    "filling": _filling,
    "extraction": _extraction,
    "gums": _gums,
    "bridge": _bridge,
    "braces": _braces,
}


def _line(
    visit: Visit, code: str, cents: int, words: str, fields: Resource | None = None, *, medical: bool = False
) -> Line:
    modifier = concept(HCPCS, "KX", text="Medical need is documented") if medical else None
    return Line(
        cents, concept(CDT, code), visit.on, 1, modifier=modifier, place=_OFFICE, words=f"{words}.", fields=fields or {}
    )


def _surfaces(*codes: str) -> list[Resource]:
    return [concept(carin_system("C4BBSurfaceCodes"), code) for code in codes]
