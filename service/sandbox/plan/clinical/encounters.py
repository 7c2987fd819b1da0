"""Visits: where the member went, whom they saw, and the Encounter that tells it."""

from dataclasses import dataclass
from datetime import date, timedelta

from service.sandbox.plan.chart import Chart, Site
from service.sandbox.plan.clinical.catalogue import PROBLEMS, REASONS
from service.sandbox.plan.codes import (
    ACT_CODE,
    ICD10_CM,
    SNOMED,
    TERMINOLOGY,
    VISIT_NUMBER,
    Resource,
    coding,
    concept,
    moment,
    reference,
    us_core_profile,
)
from service.sandbox.plan.coverage import Span
from service.sandbox.plan.story import Episode, Event, Twist

NIGHTS = {"appendicitis": 2, "pneumonia": 4, "hip fracture": 5, "stroke": 6, "childbirth": 2, "heart block": 3,
          "hearing loss": 1}  # fmt: skip


@dataclass(frozen=True)
class Visit:
    """An episode with its place, people, last day, coverage and (where there is one) Encounter."""

    episode: Episode
    site: Site
    end: date
    span: Span
    encounter: str | None
    start_minute: int

    @property
    def on(self) -> date:
        """Its first day."""
        return self.episode.on


# Class, SNOMED type and words, group (None: the member's own doctor), place among its clinicians, minutes.
_FORMS: dict[Event, tuple[str, str, str, str | None, int | None, int]] = {
    Event.CHECKUP: ("AMB", "185349003", "Check-up", None, None, 30),
    Event.SICK: ("AMB", "185345009", "Visit for a symptom", None, None, 20),
    Event.FOLLOW_UP: ("AMB", "185389009", "Follow-up visit", None, None, 25),
    Event.COUNSELLING: ("AMB", "409063005", "Counselling visit", "behavioral", None, 50),
    Event.EMERGENCY: ("EMER", "50849002", "Emergency room visit", "hospital", 1, 190),
    Event.HOSPITAL: ("IMP", "32485007", "Hospital stay", "hospital", 2, 240),
    Event.DAY_SURGERY: ("AMB", "308335008", "Visit for a procedure", "hospital", 0, 240),
    Event.IMAGING: ("AMB", "308335008", "Visit for a test", "hospital", 2, 40),
    Event.EYES: ("AMB", "185349003", "Eye check-up", "eye", 0, 30),
}

_NO_ENCOUNTER: dict[Event, tuple[str, int | None]] = {
    Event.AMBULANCE: ("ambulance", None),
    Event.RIDE: ("ambulance", None),
    Event.EQUIPMENT: ("equipment", None),
    Event.DENTAL: ("dental", 0),
}


def visit(chart: Chart, episode: Episode) -> Visit:
    """The visit of an episode; its Encounter is written where the plan would hold one."""
    span = chart.story.span_on(episode.on)
    if episode.event in _NO_ENCOUNTER:
        return Visit(episode, _site_without_encounter(chart, episode), episode.on, span, None, 0)
    site = _site(chart, episode)
    nights = NIGHTS.get(episode.reason, 2) if episode.event is Event.HOSPITAL else 0
    end = min(episode.on + timedelta(days=nights), chart.story.last_day, span.end or date.max)
    minute = chart.rng.randrange(13 * 60, 20 * 60, 15)
    fields = _fields(chart, episode, site, end, minute)
    made = chart.add("Encounter", end, (us_core_profile("encounter"),), fields)
    return Visit(episode, site, end, span, made, minute)


def _site(chart: Chart, episode: Episode) -> Site:
    _class, _code, _words, group, place, _minutes = _FORMS[episode.event]
    if Twist.OUT_OF_NETWORK in episode.twists:
        return chart.site("outside")
    if episode.event is Event.FOLLOW_UP and episode.reason in PROBLEMS:
        group = PROBLEMS[episode.reason].group
    if episode.reason in ("childbirth", "heart block") and episode.event is Event.HOSPITAL:
        return Site(chart.network.groups["hospital"], chart.site(PROBLEMS_GROUP[episode.reason], 0).clinician)
    return chart.site(group, place)


PROBLEMS_GROUP = {"childbirth": "women", "heart block": "cardiology"}


def _site_without_encounter(chart: Chart, episode: Episode) -> Site:
    key, place = _NO_ENCOUNTER[episode.event]
    if place is None:
        # They bill without a clinician of their own; the member's doctor ordered it.
        return Site(chart.network.groups[key], chart.site().clinician)
    return chart.site(key, 1 if episode.detail == "braces" else place)


def _fields(chart: Chart, episode: Episode, site: Site, end: date, minute: int) -> Resource:
    kind, code, words, _group, _place, minutes = _FORMS[episode.event]
    reason = REASONS[episode.reason]
    start = moment(episode.on, minute)
    stop = moment(end, minute + minutes if end == episode.on else 15 * 60)
    fields: Resource = {
        "identifier": [{"system": VISIT_NUMBER, "value": f"{episode.on:%y%m%d}{chart.person.index:06d}{minute:04d}"}],
        "status": "finished",
        "class": coding(ACT_CODE, kind),
        "type": [concept(SNOMED, code, words, words)],
        "subject": chart.subject,
        "participant": [_participant(site, start, stop)],
        "period": {"start": start, "end": stop},
        "reasonCode": [concept(ICD10_CM, reason.icd10, text=reason.words)],
        "location": [{"location": reference(site.group.location, site.group.name)}],
        "serviceProvider": reference(site.group.reference, site.group.name),
    }
    if kind in ("IMP", "EMER"):
        fields["hospitalization"] = {"dischargeDisposition": _disposition(chart, end)}
    return fields


def _participant(site: Site, start: str, stop: str) -> Resource:
    return {
        "type": [concept(f"{TERMINOLOGY}/v3-ParticipationType", "PPRF", "primary performer")],
        "period": {"start": start, "end": stop},
        "individual": reference(site.clinician.reference, site.clinician.name),
    }


def _disposition(chart: Chart, end: date) -> Resource:
    system = f"{TERMINOLOGY}/discharge-disposition"
    if chart.person.deceased_on is not None and chart.person.deceased_on <= end:
        return concept(system, "exp", "Expired", "Died")
    return concept(system, "home", "Home", "Home")
