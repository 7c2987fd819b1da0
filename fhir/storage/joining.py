"""A rendered resource among stored ones: where it stands on a page of a search that is otherwise one statement."""

from collections.abc import Sequence

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from fhir.search import matching, ordering
from fhir.search.clauses import Clause, Dialect
from fhir.search.matching import Candidate
from fhir.search.ordering import Place, Sort
from fhir.storage import bodies
from fhir.storage.results import Cursor, Resource
from fhir.storage.statements import Row


def is_beyond(session: Session, one: Candidate, sort: Sort, start: Cursor | None) -> bool:
    """Whether it comes on the page that starts there, or on a later one."""
    if start is None:
        return True
    place = matching.place(one, sort)
    return _comes_after(session, sort, (place, one.id), (start.place, start.id))


def ahead(dialect: Dialect, one: Candidate, sort: Sort) -> Clause:
    """The stored rows that come before it."""
    behind = ordering.after(dialect, sort, matching.place(one, sort), one.id)
    return Clause(f"NOT ({behind.text})", behind.values)


def as_row(session: Session, one: Candidate, sort: Sort) -> Row:
    """The candidate as a row that has no stored body."""
    place = matching.place(one, sort)
    return Row(one.type, one.id, one.patient_id, one.version, one.last_updated, False, 0, b"", place)


def resources_of(session: Session, rows: Sequence[Row], one: Candidate) -> tuple[Resource, ...]:
    """The rows as they are given out, of which one may be the candidate."""
    stored = iter(bodies.resources_of(session, [row for row in rows if row.id != one.id]))
    return tuple([as_resource(one) if row.id == one.id else next(stored) for row in rows])


def as_resource(one: Candidate) -> Resource:
    """The candidate as it is given out."""
    return Resource(one.type, one.id, one.version, one.last_updated, one.body)


def _comes_after(session: Session, sort: Sort, one: tuple[Place, str], other: tuple[Place, str]) -> bool:
    """Whether one comes after the other, each a place and an id: as `ordering.after` has it of rows."""
    for key, mine, last in zip(sort.keys, _values(one[0]), _values(other[0]), strict=True):
        if key.column == "id":
            first, second = (other, one) if key.descending else (one, other)
            return _is_greater(session, first[1], second[1])
        if mine != last:
            return (mine > last) != key.descending  # type: ignore[operator]
    return _is_greater(session, one[1], other[1])


def _is_greater(session: Session, one: str, other: str) -> bool:
    """Whether one id comes after the other in the order of the database, which may be that of a language."""
    return bool(session.scalar(select(literal(one) > literal(other))))


def _values(place: Place) -> list[int | str]:
    return place if isinstance(place, list) else [place]
