"""A member's story: what lasts, what happened when, under which coverage. Records and claims each tell it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from random import Random

from service.sandbox.plan.clinical.catalogue import PROBLEMS
from service.sandbox.plan.coverage import Span
from service.sandbox.plan.people import Person

YEARS = 3
SETTLED = timedelta(days=40)
"""A claim younger than this is still on its way: nothing is told of the last weeks."""


class Event(StrEnum):
    """What can happen on a day."""

    CHECKUP = "checkup"
    SICK = "sick"
    FOLLOW_UP = "follow-up"
    COUNSELLING = "counselling"
    EMERGENCY = "emergency"
    HOSPITAL = "hospital"
    DAY_SURGERY = "day surgery"
    IMAGING = "imaging"
    AMBULANCE = "ambulance"
    RIDE = "ride"
    EYES = "eyes"
    EQUIPMENT = "equipment"
    DENTAL = "dental"


class Twist(StrEnum):
    """What sets a claim apart from the ordinary one."""

    DENIED = "denied"
    REPLACED = "replaced"
    OUT_OF_NETWORK = "out of network"
    WHOLE_PRICE = "whole price"
    """Priced for the claim as a whole, not line by line (a case rate or DRG)."""
    PAID_TO_FAMILY = "paid to family"


@dataclass(frozen=True)
class Episode:
    """One thing that happened on one day."""

    event: Event
    on: date
    reason: str
    """Key of REASONS."""
    detail: str = ""
    """Which treatment, where the event has several (dental)."""
    twists: frozenset[Twist] = frozenset()


@dataclass(frozen=True)
class Kin:
    """Somebody who stands by the member: becomes a RelatedPerson."""

    given_name: str
    family_name: str
    relation: tuple[str, str]
    """Code of v3-RoleCode and plain words."""
    phone: str
    address_line: str
    city: str
    zip_code: str
    birth_date: date | None = None


@dataclass(frozen=True)
class Story:
    """Everything the generator needs to write a member's records."""

    person: Person
    spans: tuple[Span, ...]
    episodes: tuple[Episode, ...]
    problems: tuple[str, ...] = ()
    allergies: tuple[str, ...] = ()
    device: str | None = None
    kin: Kin | None = None
    fills: int = 4
    """Most fills told of one medicine."""
    fill_twists: dict[int, Twist] = field(default_factory=dict)
    """By the number of the fill among all of the member's, from 0."""
    last_day: date = date.max
    """No record after this day."""
    whole: bool = False
    """Whether the record shall hold something of everything that US Core describes."""

    def span_on(self, on: date) -> Span:
        """The coverage in force that day; episodes are only told within one."""
        return next(span for span in self.spans if span.holds(on))


def last_day(person: Person, spans: tuple[Span, ...], as_of: date) -> date:
    """Last day of which something may be told: claims settled by `as_of`, alive, covered."""
    ends = [as_of - SETTLED]
    if person.deceased_on is not None:
        ends.append(person.deceased_on)
    if spans[-1].end is not None:
        ends.append(spans[-1].end)
    return min(ends)


def random_story(rng: Random, person: Person, spans: tuple[Span, ...], kin: Kin | None, as_of: date) -> Story:
    """A story of the ordinary kind for a person of this age."""
    end = last_day(person, spans, as_of)
    start = max(spans[0].start, as_of - timedelta(days=365 * YEARS))
    dental_only = person.line_of_business == "Dental only"
    problems = () if dental_only else _random_problems(rng, person, end)
    happened = _dental(rng, person, start, end) if dental_only else _everything(rng, person, problems, start, end)
    return Story(
        person=person,
        spans=spans,
        episodes=tuple(sorted(happened, key=lambda episode: (episode.on, episode.event))),
        problems=problems,
        allergies=tuple(rng.sample(("peanuts", "shellfish", "latex", "bee", "pollen"), rng.choice((0, 0, 1, 1, 2)))),
        device="knee" if person.age_on(end) > 70 and rng.random() < 0.15 else None,
        kin=kin,
        fills=rng.randint(3, 5),
        fill_twists={rng.randint(1, 6): Twist.DENIED} if rng.random() < 0.3 else {},
        last_day=end,
    )


_BY_AGE = (
    (13, ("asthma", "eczema", "hay fever"), 1),
    (19, ("asthma", "attention deficit", "hay fever", "depression"), 1),
    (45, ("asthma", "anxiety", "depression", "hay fever", "anemia", "opioid use", "hypertension"), 2),
    (65, ("hypertension", "diabetes", "cholesterol", "knee arthritis", "gout", "depression", "asthma"), 3),
    (130, ("hypertension", "diabetes", "cholesterol", "knee arthritis", "atrial fibrillation", "heart failure",
           "osteoporosis", "gout", "lung disease", "memory loss"), 4),
)  # fmt: skip


def _random_problems(rng: Random, person: Person, on: date) -> tuple[str, ...]:
    age = person.age_on(on)
    choices, most = next((choices, most) for below, choices, most in _BY_AGE if age < below)
    return tuple(rng.sample(choices, rng.randint(0 if age < 45 else 1, most)))


def _everything(rng: Random, person: Person, problems: tuple[str, ...], start: date, end: date) -> Iterator[Episode]:
    yield from _checkups(rng, person, start, end)
    yield from _illnesses(rng, person, start, end)
    yield from _dental(rng, person, start, end)
    yield from _follow_ups(rng, problems, start, end)
    yield from _rarities(rng, person, start, end)


def _checkups(rng: Random, person: Person, start: date, end: date) -> Iterator[Episode]:
    on = start + timedelta(days=rng.randint(10, 200))
    while on <= end:
        yield Episode(Event.CHECKUP, on, "child checkup" if person.age_on(on) < 18 else "checkup")
        on += timedelta(days=rng.randint(330, 400))
    if rng.random() < 0.5:
        yield from _some(rng, start, end, Event.EYES, "eye exam")


def _illnesses(rng: Random, person: Person, start: date, end: date) -> Iterator[Episode]:
    child = ("ear infection", "strep throat", "sore throat", "ankle sprain")
    grown = ("sinusitis", "sore throat", "bronchitis", "back pain", "ankle sprain", "bladder infection")
    for _ in range(rng.randint(1, 4)):
        twist = _random_twist(rng)
        reason = rng.choice(child if person.age_on(end) < 14 else grown)
        yield from _some(rng, start, end, Event.SICK, reason, twist=twist)


def _dental(rng: Random, person: Person, start: date, end: date) -> Iterator[Episode]:
    if person.age_on(start) < 3:
        return
    for _ in range(rng.randint(1, 3)):
        yield from _some(rng, start, end, Event.DENTAL, "dental checkup", "cleaning")
    if rng.random() < 0.5:
        grown = rng.choice(("filling", "extraction", "gums", "bridge"))
        treatment = "braces" if 11 <= person.age_on(end) < 18 else grown
        yield from _some(rng, start, end, Event.DENTAL, "teeth", treatment, _random_twist(rng))


def _follow_ups(rng: Random, problems: tuple[str, ...], start: date, end: date) -> Iterator[Episode]:
    for problem in problems:
        event = Event.COUNSELLING if PROBLEMS[problem].group == "behavioral" else Event.FOLLOW_UP
        for _ in range(rng.randint(1, 3)):
            yield from _some(rng, start, end, event, problem, twist=_random_twist(rng))


def _rarities(rng: Random, person: Person, start: date, end: date) -> Iterator[Episode]:
    age = person.age_on(end)
    if rng.random() < 0.35:
        reason = rng.choice(("broken arm", "concussion", "cut hand", "allergic reaction", "chest pain"))
        yield from _some(rng, start, end, Event.EMERGENCY, reason, twist=_random_twist(rng))
    if rng.random() < (0.05 if age < 60 else 0.35):
        old = ("hip fracture", "stroke", "pneumonia") if age > 64 else ("appendicitis", "pneumonia")
        twist = Twist.WHOLE_PRICE if rng.random() < 0.5 else None
        yield from _some(rng, start, end, Event.HOSPITAL, rng.choice(old), twist=twist)
    if age > 45 and rng.random() < 0.5:
        event, reason = rng.choice(((Event.DAY_SURGERY, "colon screening"), (Event.IMAGING, "bone density")))
        yield from _some(rng, start, end, event, reason)
    if person.gender == "female" and 40 <= age < 75:
        yield from _some(rng, start, end, Event.IMAGING, "mammogram")


def _some(
    rng: Random, start: date, end: date, event: Event, reason: str, detail: str = "", twist: Twist | None = None
) -> Iterator[Episode]:
    days = (end - start).days
    if twist is Twist.OUT_OF_NETWORK and event not in (Event.SICK, Event.FOLLOW_UP):
        # Only a doctor's visit is paid elsewhere: hospital, dentist and counsellors here are all in the network.
        twist = None
    if days > 0:
        on = start + timedelta(days=rng.randint(0, days))
        yield Episode(event, on, reason, detail, frozenset((twist,)) if twist else frozenset())


def _random_twist(rng: Random) -> Twist | None:
    draw = rng.random()
    if draw < 0.06:
        return Twist.DENIED
    if draw < 0.09:
        return Twist.REPLACED
    return Twist.OUT_OF_NETWORK if draw < 0.12 else None
