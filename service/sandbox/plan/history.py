"""Writes a member's whole record from their story: who they are, what happened, what was paid."""

from dataclasses import replace
from datetime import timedelta

from service.sandbox.plan.chart import Chart
from service.sandbox.plan.claims import inpatient, oral, outpatient, pharmacy, professional
from service.sandbox.plan.claims.benefit import Desk
from service.sandbox.plan.claims.draft import Draft
from service.sandbox.plan.claims.pharmacy import Fill
from service.sandbox.plan.clinical import care, conditions, encounters, medicines, reports, vitals, whole_record
from service.sandbox.plan.clinical.encounters import Visit
from service.sandbox.plan.codes import carin_profile, us_core_profile
from service.sandbox.plan.coverage import coverage_fields
from service.sandbox.plan.people import patient_fields
from service.sandbox.plan.story import Event

_PASSING = (Event.SICK, Event.EMERGENCY, Event.HOSPITAL, Event.DAY_SURGERY)
_HOSPITAL_BILLS = (Event.EMERGENCY, Event.DAY_SURGERY, Event.IMAGING)


def write(chart: Chart) -> None:
    """Every resource of the member, into the chart."""
    _identity(chart)
    visits = [encounters.visit(chart, episode) for episode in chart.story.episodes]
    fills = _lasting(chart)
    for visit in visits:
        _clinical(chart, visit)
        fills.extend(medicines.write_acute(chart, visit))
    care.write_device(chart)
    if chart.story.whole:
        whole_record.write(chart, visits)
    _claims(chart, visits, fills)
    care.write_provenance(chart, chart.as_of)


def _identity(chart: Chart) -> None:
    story = chart.story
    profiles = (carin_profile("C4BB-Patient"), us_core_profile("patient"))
    chart.add("Patient", story.person.moved_on or story.spans[0].start, profiles, patient_fields(story.person))
    profiles = (carin_profile("C4BB-Coverage"), us_core_profile("coverage"))
    for span in story.spans:
        fields = coverage_fields(story.person, span, chart.patient, chart.network.payer)
        chart.keep_coverage(span, chart.add("Coverage", span.end or span.start, profiles, fields))
    care.write_kin(chart)


def _lasting(chart: Chart) -> list[Fill]:
    """Problems, allergies, prescriptions and the plan of care; the fills that follow."""
    fills: list[Fill] = []
    if not any(episode.event is not Event.DENTAL for episode in chart.story.episodes):
        return fills
    since = chart.story.episodes[0].on
    conditions.write_allergies(chart, since)
    if chart.person.age_on(chart.as_of) > 60:
        conditions.write_old_procedure(chart, since)
    for place, problem in enumerate(chart.story.problems):
        made = conditions.write_problem(chart, problem)
        fills.extend(medicines.write_lasting(chart, problem, made))
        if place == 0:
            care.write_plan(chart, problem, made, since + timedelta(days=1))
    care.write_team(chart, since)
    return fills


def _clinical(chart: Chart, visit: Visit) -> None:
    event = visit.episode.event
    if visit.encounter is None or event is Event.EYES:
        return
    if event in _PASSING:
        conditions.write_diagnosis(chart, visit)
    if event in (Event.CHECKUP, Event.SICK, Event.FOLLOW_UP, Event.EMERGENCY):
        vitals.write(chart, visit)
    for panel in reports.panels_for(chart, visit):
        reports.write_panel(chart, visit, panel)
    if event is Event.CHECKUP:
        conditions.write_vaccinations(chart, visit)
    conditions.write_procedure(chart, visit)
    reports.write_report(chart, visit)
    if event in (Event.CHECKUP, Event.HOSPITAL, Event.COUNSELLING):
        reports.write_note(chart, visit)


def _claims(chart: Chart, visits: list[Visit], fills: list[Fill]) -> None:
    """Claims in order of service, since deductibles and yearly limits fill up in that order."""
    drafts = [_draft(chart, visit) for visit in visits]
    drafts.extend(pharmacy.draft(chart, fill) for fill in _twisted(chart, fills))
    desk = Desk(chart)
    for draft in sorted(drafts, key=lambda sent: (sent.start, sent.kind)):
        desk.settle(draft)


def _draft(chart: Chart, visit: Visit) -> Draft:
    if visit.episode.event is Event.HOSPITAL:
        return inpatient.draft(chart, visit)
    if visit.episode.event in _HOSPITAL_BILLS:
        return outpatient.draft(chart, visit)
    if visit.episode.event is Event.DENTAL:
        return oral.draft(chart, visit)
    return professional.draft(chart, visit)


def _twisted(chart: Chart, fills: list[Fill]) -> list[Fill]:
    """The fills in order of day, with the twists the story has for some of them."""
    ordered = sorted(fills, key=lambda fill: (fill.on, fill.key))
    twists = chart.story.fill_twists
    return [
        replace(fill, twists=frozenset((twists[place],))) if place in twists else fill
        for place, fill in enumerate(ordered)
    ]
