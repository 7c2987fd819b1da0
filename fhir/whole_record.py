"""One member's record for people who read it, or take it away whole; always under an Access, as the store is.

Several types are read by one statement, as a page about them needs it. Types that the access reaches only in part are
left out: people's own right to a record is to types as a whole.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.compartment import PATIENT_ELEMENT, RENDERED_TYPES, SHARED_TYPES
from fhir.search import clauses, includes
from fhir.search.clauses import Clause
from fhir.search.dates import Span
from fhir.search.ordering import NEWEST_FIRST, Key, Sort
from fhir.search.query import Include, Search
from fhir.storage import granting, statements
from fhir.storage.bodies import resources_of
from fhir.storage.results import Cursor, Page, Resource
from fhir.storage.statements import Row

PIECE = 200
"""Resources that one piece of a whole record holds at most."""
_BY_ID = Sort((Key("id"),))


def reaches(access: Access, resource_type: str) -> bool:
    """Whether the whole of a type may be read."""
    return all(() in access.scopes.restrictions(resource_type, letter) for letter in "rs")


def newest(
    session: Session, access: Access, resource_types: Collection[str], limit: int, *, during: Span | None = None,
    naming: Collection[str] = (),
) -> Page:  # fmt: skip
    """The newest resources of several types of the patient compartment together; `during` takes their main date.

    Of the shared types `naming` comes along what they refer to.
    """
    dialect = statements.dialect_of(session)
    reached = [one for one in sorted(resource_types) if reaches(access, one)]
    if not reached:
        return Page(())
    where = [clauses.any_equal(dialect, "type", reached), clauses.visible(dialect, access, reached[0])]
    if during is not None:
        bounds = f"sort_date >= {dialect.mark} AND sort_date < {dialect.mark}"
        where.append(Clause(bounds, (during.start, during.end)))
    rows = statements.search(session, clauses.all_of(where), NEWEST_FIRST, limit + 1, with_refs=bool(naming))
    kept, more = rows[:limit], len(rows) > limit
    named = Search("", includes=tuple(Include(one, "*", target) for one in reached for target in sorted(naming)))
    return Page(
        matches=resources_of(session, kept),
        included=resources_of(session, includes.follow(session, access, named, kept, granting.granted)),
        following=Cursor(kept[-1].place, kept[-1].id) if more else None,
    )


def find(
    session: Session, access: Access, resource_type: str, resource_id: str, *, naming: Collection[str] = ()
) -> Page:
    """One resource with the shared ones that it names; an empty page where there is none that the access reaches."""
    if resource_type not in PATIENT_ELEMENT or not reaches(access, resource_type):
        return Page(())
    dialect = statements.dialect_of(session)
    one = Clause(f"type = {dialect.mark} AND id = {dialect.mark}", (resource_type, resource_id))
    where = clauses.all_of((one, clauses.visible(dialect, access, resource_type)))
    rows = statements.search(session, where, _BY_ID, 1, with_refs=True)
    named = Search("", includes=tuple(Include(resource_type, "*", target) for target in sorted(naming)))
    return Page(
        matches=resources_of(session, rows),
        included=resources_of(session, includes.follow(session, access, named, rows, granting.granted)),
    )


@dataclass
class Place:
    """How far a whole record was read: the type at hand and the id read last; the shared resources met on the way."""

    types: list[str]
    after: str = ""
    named: set[tuple[str, str]] = field(default_factory=set)
    given: set[tuple[str, str]] = field(default_factory=set)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to read."""
        return not self.types and not self.named - self.given


def start(access: Access) -> Place:
    """The place before the first resource of a record, the Patient."""
    every = sorted(set(PATIENT_ELEMENT) - RENDERED_TYPES, key=lambda one: (one != "Patient", one))
    return Place([one for one in every if reaches(access, one)])


def next_piece(session: Session, access: Access, place: Place) -> tuple[Resource, ...]:
    """The next resources of the record, at most PIECE, and `place` behind them; perhaps none before the end.

    First the member's own, type by type in the order of ids; then the people, places and medicines that they name.
    """
    rows = _next_own(session, access, place) if place.types else _next_named(session, access, place)
    for row in rows:
        targets = (reference.partition("=")[2].partition("/") for reference in row.refs)
        place.named.update((kind, found) for kind, _, found in targets if kind in SHARED_TYPES)
    return resources_of(session, rows)


def _next_own(session: Session, access: Access, place: Place) -> list[Row]:
    dialect = statements.dialect_of(session)
    resource_type = place.types[0]
    if not reaches(access, resource_type):
        # The right became narrower since the first piece.
        place.types.pop(0)
        place.after = ""
        return []
    beyond = Clause(f"type = {dialect.mark} AND id > {dialect.mark}", (resource_type, place.after))
    where = clauses.all_of((beyond, clauses.visible(dialect, access, resource_type)))
    rows = statements.search(session, where, _BY_ID, PIECE, with_refs=True)
    if len(rows) == PIECE:
        place.after = rows[-1].id
    else:
        place.types.pop(0)
        place.after = ""
    return rows


def _next_named(session: Session, access: Access, place: Place) -> list[Row]:
    some = sorted(place.named - place.given)[:PIECE]
    place.given.update(some)
    by_type: dict[str, list[str]] = {}
    for kind, found in some:
        by_type.setdefault(kind, []).append(found)
    dialect = statements.dialect_of(session)
    allowed = [
        (kind, ids, clause)
        for kind, ids in by_type.items()
        if (clause := granting.granted(dialect, access, kind, "r")) is not None
    ]
    return statements.named(session, access, allowed)
