"""Households after the fixed cast: four members each, so that any member can be made without making the others."""

from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from random import Random

from service.sandbox.plan.coverage import Span
from service.sandbox.plan.people import (
    FAMILIES,
    RACES,
    STREETS,
    TOWNS,
    Person,
    random_birth_date,
    random_name,
)
from service.sandbox.plan.story import Kin, Story, random_story

SIZE = 4


@dataclass(frozen=True)
class Household:
    """Who lives together; indexes count from `first`."""

    first: int
    people: tuple[Person, ...]
    family: bool
    """Whether the last two are children of the first."""


def story_of(index: int, first: int, seed: int | str, as_of: date, rng: Random) -> Story:
    """The story of a member after the cast, whose households begin at index `first`."""
    start = first + (index - first) // SIZE * SIZE
    home = household(start, seed, as_of)
    person = home.people[index - start]
    spans = (_span(rng, person, as_of),)
    kin = _parent(home.people[0]) if person.subscriber != person.index else None
    return random_story(rng, person, spans, kin, as_of)


@lru_cache(maxsize=16)
def household(first: int, seed: int | str, as_of: date) -> Household:
    """The household whose first member has the index `first`."""
    rng = Random(f"{seed}:household:{first}")  # noqa: S311 - invented people, no secret
    kind = rng.choice(("family", "family", "couple", "singles"))
    if kind == "family":
        return Household(first, _family(rng, first, as_of), True)
    people = tuple(_adult(rng, first + place, as_of) for place in range(SIZE))
    if kind == "couple":
        people = (people[0], _joined(people[1], people[0]), *people[2:])
    return Household(first, people, False)


def _family(rng: Random, first: int, as_of: date) -> tuple[Person, ...]:
    parent = replace(_adult(rng, first, as_of, 32, 48), line_of_business="Medicaid")
    partner = _joined(replace(_adult(rng, first + 1, as_of, 32, 48), line_of_business="Medicaid"), parent)
    children = (_child(rng, first + place, parent, as_of) for place in (2, 3))
    return (parent, partner, *children)


def _adult(rng: Random, index: int, as_of: date, youngest: int = 19, oldest: int = 90) -> Person:
    gender = rng.choice(("female", "male"))
    born = random_birth_date(rng, as_of, youngest, oldest)
    old = as_of.year - born.year > 66
    town, zip_code = rng.choice(TOWNS)
    return Person(
        index=index,
        subscriber=index,
        given_name=random_name(rng, gender),
        family_name=rng.choice(FAMILIES),
        gender=gender,
        birth_date=born,
        address_line=f"{rng.randint(1, 180)} {rng.choice(STREETS)}",
        city=town,
        zip_code=zip_code,
        line_of_business="Medicare" if old else rng.choice(("Medicaid",) * 12 + ("Dental only",)),
        race=rng.choice(RACES),
        hispanic=rng.random() < 0.15,
        language="es" if rng.random() < 0.1 else "en",
    )


def _child(rng: Random, index: int, parent: Person, as_of: date) -> Person:
    gender = rng.choice(("female", "male"))
    return replace(
        parent,
        index=index,
        subscriber=parent.index,
        given_name=random_name(rng, gender),
        gender=gender,
        birth_date=random_birth_date(rng, as_of, 1, 13),
        line_of_business="CHIP",
    )


def _joined(person: Person, other: Person) -> Person:
    """The person, living with the other under their name."""
    return replace(
        person,
        family_name=other.family_name,
        address_line=other.address_line,
        city=other.city,
        zip_code=other.zip_code,
    )


def _span(rng: Random, person: Person, as_of: date) -> Span:
    born = person.birth_date
    entitled = date(born.year + 65, born.month, 1) if person.line_of_business == "Medicare" else born
    start = max(date(as_of.year - rng.choice((3, 4, 6)), 1, 1), entitled)
    ended = date(as_of.year - 1, rng.randint(1, 12), 28) if rng.random() < 0.04 else None
    return Span(person.line_of_business, start, ended)


def _parent(parent: Person) -> Kin:
    relation = ("MTH", "Mother") if parent.gender == "female" else ("FTH", "Father")
    return Kin(
        parent.given_name,
        parent.family_name,
        relation,
        parent.phone,
        parent.address_line,
        parent.city,
        parent.zip_code,
        parent.birth_date,
    )
