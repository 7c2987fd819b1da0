"""The chart in which a member's records are written: gives ids, stamps, references and the member's own providers."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from service.sandbox.plan.codes import Resource, reference
from service.sandbox.plan.coverage import Span
from service.sandbox.plan.identifiers import fhir_id
from service.sandbox.plan.people import Person
from service.sandbox.plan.providers import Clinician, Group, Network, network
from service.sandbox.plan.story import Story


@dataclass(frozen=True)
class Site:
    """Where and by whom something was done."""

    group: Group
    clinician: Clinician


class Chart:
    """One member's records while they are written; `resources` is in order, the Patient first."""

    def __init__(self, story: Story, rng: Random, seed: int | str, as_of: date) -> None:
        self.story = story
        self.person: Person = story.person
        self.rng = rng
        self.seed = seed
        self.as_of = as_of
        self.network: Network = network(seed)
        self.resources: list[Resource] = []
        self.claims: list[str] = []
        self.patient = f"Patient/{patient_id(seed, story.person.index)}"
        self.kin: str | None = None
        self._coverages: dict[Span, str] = {}
        self._counts: dict[str, int] = {}
        self._home = self._choose_home()

    def add(self, kind: str, on: date, profiles: tuple[str, ...], fields: Resource) -> str:
        """Write a resource that became known on that day; its reference."""
        count = self._counts.get(kind, 0)
        self._counts[kind] = count + 1
        made = patient_id(self.seed, self.person.index) if kind == "Patient" else self.make_id(f"{kind}/{count}")
        self.resources.append(
            {
                "resourceType": kind,
                "id": made,
                "meta": {"lastUpdated": self.stamp(on), "profile": list(profiles)},
                **fields,
            }
        )
        return f"{kind}/{made}"

    def make_id(self, name: str) -> str:
        """An id within this member's records."""
        return fhir_id(self.seed, f"member/{self.person.index}/{name}")

    def stamp(self, on: date) -> str:
        """When a record of that day came to the plan: two days later, never after `as_of`."""
        return f"{min(on + timedelta(days=2), self.as_of).isoformat()}T06:00:00.000Z"

    @property
    def subject(self) -> Resource:
        """A reference to the Patient."""
        return reference(self.patient)

    def coverage(self, span: Span) -> str:
        """Reference of the Coverage of that span."""
        return self._coverages[span]

    def keep_coverage(self, span: Span, made: str) -> None:
        """Remember the Coverage written for a span."""
        self._coverages[span] = made

    def site(self, key: str | None = None, place: int | None = None) -> Site:
        """A group and one of its clinicians; the member's own doctor when no group is named."""
        if key is None:
            return self._home
        group = self.network.groups[key]
        people = group.clinicians
        return Site(group, people[place] if place is not None else self.rng.choice(people))

    def _choose_home(self) -> Site:
        if self.person.age_on(self.as_of) < 18:
            return self.site("pediatrics")
        return self.site(self.rng.choice(("family medicine", "river clinic")))


def patient_id(seed: int | str, index: int) -> str:
    """The id of the Patient of the member with this index."""
    return fhir_id(seed, f"member/{index}")
