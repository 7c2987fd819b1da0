"""Searching resources that are rendered on read: what `fhir.search.clauses` writes as SQL, in Python."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fhir.search.conditions import Condition, Term, Test
from fhir.search.dates import Prefix, Span
from fhir.search.declared import DATES, Column
from fhir.search.index import IndexRow
from fhir.search.query import Search, Sort

_MILLISECOND = 1_000
# With the span of a resource first, the asked one second.
_TESTS: Mapping[Prefix, Callable[[Span, Span], bool]] = {
    Prefix.EQ: lambda own, asked: own.start >= asked.start and own.end <= asked.end,
    Prefix.NE: lambda own, asked: own.start < asked.start or own.end > asked.end,
    Prefix.GT: lambda own, asked: own.end > asked.end,
    Prefix.LT: lambda own, asked: own.start < asked.start,
    Prefix.GE: lambda own, asked: own.end > asked.start,
    Prefix.LE: lambda own, asked: own.start < asked.end,
    Prefix.SA: lambda own, asked: own.start >= asked.end,
    Prefix.EB: lambda own, asked: own.end <= asked.start,
    Prefix.AP: lambda own, asked: own.start < asked.end and own.end > asked.start,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rendered resource with what it is searched by; `last_updated` in microseconds since 1970."""

    type: str
    id: str
    patient_id: str
    version: int
    last_updated: int
    body: bytes
    index: IndexRow


def matching(candidates: Iterable[Candidate], asked: Search) -> list[Candidate]:
    """Those that meet every condition, in the order that is asked for."""
    found = [one for one in candidates if all(_meets(one, condition) for condition in asked.conditions)]
    # Ids break ties, in their own order whichever way the column runs.
    found.sort(key=lambda one: one.id)
    found.sort(key=lambda one: place(one, asked.sort), reverse=asked.sort.descending)
    return found


def place(candidate: Candidate, sort: Sort) -> int | str:
    """The value of the column that is sorted by."""
    if sort.column == "id":
        return candidate.id
    return candidate.last_updated if sort.column == "last_updated" else candidate.index.sort_date


def _meets(candidate: Candidate, asked: Condition) -> bool:
    return any(_fits(candidate, asked.column, term) for term in asked.terms) != asked.negated


def _fits(candidate: Candidate, column: Column, term: Term) -> bool:
    if column in {Column.ID, Column.PATIENT}:
        own = candidate.id if column is Column.ID else candidate.patient_id
        return term.test is Test.PRESENT or term.word == own
    if column is Column.LAST_UPDATED:
        return _dated(Span(candidate.last_updated, candidate.last_updated + _MILLISECOND), term)
    if column in DATES:
        span = candidate.index.dates.get(column)
        return span is not None and _dated(span, term)
    return _worded(candidate.index.words.get(column, ()), term)


def _dated(span: Span, term: Term) -> bool:
    return term.test is Test.PRESENT or _TESTS[term.prefix](span, term.span)


def _worded(values: tuple[str, ...], term: Term) -> bool:
    if term.test is Test.EQUALS:
        return term.word in values
    return any(value.startswith(term.word) for value in values)
