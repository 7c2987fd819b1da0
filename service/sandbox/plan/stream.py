"""The sandbox plan as a stream: the shared resources, then member after member, any number in constant memory.

Each member is drawn from a random source of their own, so member 5 is the same whether 12 or 100,000 are made.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain
from random import Random

from service.plan.members.roster import RosterRow
from service.sandbox.plan import cast, families, provider_network, providers
from service.sandbox.plan.cast import Representative
from service.sandbox.plan.chart import Chart, patient_id
from service.sandbox.plan.codes import Resource
from service.sandbox.plan.coverage import report_unit
from service.sandbox.plan.history import write
from service.sandbox.plan.identifiers import member_number
from service.sandbox.plan.people import STATE, Person
from service.sandbox.plan.story import Story

AS_OF = date(2026, 9, 30)
"""The day until which the plan knows everything; fixed, so that the same seed gives the same bytes."""


@dataclass(frozen=True)
class MemberBundle:
    """One member: the roster's row and every resource of their record, the Patient first."""

    index: int
    roster: RosterRow
    resources: list[Resource]


def shared(seed: int | str, as_of: date = AS_OF) -> Iterator[Resource]:
    """The resources that belong to no member: payer, provider groups, practitioners, places, medications, networks."""
    return chain(providers.shared(seed, as_of), provider_network.entries(seed, as_of))


def members(count: int, seed: int | str, as_of: date = AS_OF) -> Iterator[MemberBundle]:
    """The first `count` members of the plan of `seed`, one at a time."""
    return (member(index, seed, as_of) for index in range(count))


def member(index: int, seed: int | str, as_of: date = AS_OF) -> MemberBundle:
    """The member with this index."""
    rng = Random(f"{seed}:{index}")  # noqa: S311 - invented people, no secret
    story = _story(index, seed, as_of, rng)
    chart = Chart(story, rng, seed, as_of)
    write(chart)
    return MemberBundle(index, _roster_row(story.person, seed), chart.resources)


def people(seed: int | str, as_of: date = AS_OF) -> tuple[Representative, ...]:
    """Everybody who acts for a member of the fixed cast, member or not; the same for every seed."""
    return cast.representatives(as_of)


def _story(index: int, seed: int | str, as_of: date, rng: Random) -> Story:
    if index < cast.SIZE:
        return cast.story(index, as_of)
    return families.story_of(index, cast.SIZE, seed, as_of, rng)


def _roster_row(person: Person, seed: int | str) -> RosterRow:
    return RosterRow(
        patient_id=patient_id(seed, person.index),
        member_number=person.number,
        subscriber_number=member_number(person.subscriber),
        given_name=person.given_name,
        family_name=person.family_name,
        birth_date=person.birth_date,
        zip_code=person.zip_code,
        line_of_business=person.line_of_business,
        report_unit=report_unit(person),
        address_line=person.address_line,
        city=person.city,
        state=STATE,
        phone=person.phone,
        email_on_file=person.email,
        deceased_on=person.deceased_on,
    )
