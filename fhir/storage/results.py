"""What the store gives and takes: resources, pages of them and where the next starts, versions, sweeps, tallies."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from consent.scopes import Restriction
from fhir.search.conditions import Condition
from fhir.search.ordering import Place


class Resource(NamedTuple):
    """One version of a resource; `body` is its JSON as served. A deleted one has no body to show.

    `patient_id` is the Patient whose record a stored one is part of; empty for what is about nobody.
    """

    type: str
    id: str
    version: int
    last_updated: int
    body: bytes
    deleted: bool = False
    patient_id: str = ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last match of a page: where it stands in the order asked for, and its id."""

    place: Place
    id: str


@dataclass(frozen=True, slots=True)
class Versions:
    """Some versions of one resource, how many there are in all, and behind which one the next page starts."""

    page: tuple[Resource, ...]
    total: int
    following: int | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What a write left: the current version, and whether there was none (or a deleted one) before."""

    resource: Resource
    created: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search. `total` is None where nobody counted; `following` where the next page starts."""

    matches: tuple[Resource, ...]
    included: tuple[Resource, ...] = ()
    total: int | None = None
    following: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every resource of one type that an export is about, in order of ids.

    `patients` limits to the records of some; `since` (after it) and `until` (up to it) are microseconds since 1970;
    `alternatives` are sets of conditions of which one must hold, none of them where there are none.
    """

    resource_type: str
    patients: frozenset[str] | None = None
    since: int | None = None
    until: int | None = None
    alternatives: tuple[tuple[Condition, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Swept:
    """Some resources of one type in order of ids; `bodies` are unpacked as they are taken, once, and `more` may follow.

    Deleted ones have no bodies. `patients` are those whose records they are part of, each in the place of its id.
    """

    ids: tuple[str, ...]
    patients: tuple[str, ...]
    bodies: Iterator[bytes]
    more: bool


class Tally(NamedTuple):
    """How many records there are; `newest` is the date of the newest (microseconds since 1970), None without one."""

    number: int
    newest: int | None


Tallies = dict[tuple[str, Restriction], Tally]
"""By type and the part of it that a scope is limited to; `()` stands for all that the scopes leave of the type."""
