"""Searching resources that are rendered on read: what `fhir.search.clauses` writes as SQL, in Python."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir.models import undelimited
from fhir.outcomes import NotSupported
from fhir.search.conditions import Chained, Condition, Term, Test
from fhir.search.dates import Prefix, Span
from fhir.search.declared import DATES, Column
from fhir.search.index import NO_DATE, IndexRow, index
from fhir.search.ordering import Key, Place, Sort
from fhir.search.query import Search

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
    indexed: IndexRow


_PLAIN: Mapping[str, Callable[[Candidate], int | str]] = {
    "id": lambda one: one.id,
    "last_updated": lambda one: one.last_updated,
    "sort_date": lambda one: one.indexed.sort_date,
}


def matching(candidates: Iterable[Candidate], asked: Search) -> list[Candidate]:
    """Those that meet every condition, in the order that is asked for."""
    found = [one for one in candidates if meets(one, asked.conditions)]
    # Ids break ties, in their own order whichever way a column runs.
    found.sort(key=lambda one: one.id)
    for key in reversed(asked.sort.keys):
        found.sort(key=lambda one, key=key: _value(one, key), reverse=key.descending)  # type: ignore[misc]
    return found


def place(candidate: Candidate, sort: Sort) -> Place:
    """The values of the columns that are sorted by, as page links keep them."""
    values = [_value(candidate, key) for key in sort.keys]
    return values[0] if len(values) == 1 else values


def meets(candidate: Candidate, conditions: Iterable[Condition | Chained]) -> bool:
    """Whether the candidate meets every condition; raises NotSupported for a chained one."""
    return all(_meets(candidate, condition) for condition in conditions)


def _value(candidate: Candidate, key: Key) -> int | str:
    if key.column in _PLAIN:
        return _PLAIN[key.column](candidate)
    column = Column(key.column)
    if column in DATES:
        span = candidate.indexed.dates.get(column)
        return span.start if span else NO_DATE
    return next(iter(candidate.indexed.words.get(column, ())), "")


def fits(resource: Mapping[str, Any], asked: Condition) -> bool:
    """Whether what there is of a resource meets a condition on a column of words."""
    words = index(resource).words.get(asked.column, ())
    return any(_worded(words, term) for term in asked.terms) != asked.negated


def not_chained(asked: Chained) -> NotSupported:
    """The refusal of a chained condition."""
    return NotSupported(f"{asked.name} is not searched by what it refers to.", expression=asked.name)


def _meets(candidate: Candidate, asked: Condition | Chained) -> bool:
    if isinstance(asked, Chained):
        raise not_chained(asked)
    return any(_fits(candidate, asked.column, term) for term in asked.terms) != asked.negated


def _fits(candidate: Candidate, column: Column, term: Term) -> bool:
    if column in {Column.ID, Column.PATIENT}:
        own = candidate.id if column is Column.ID else candidate.patient_id
        return term.test is Test.PRESENT or term.word == own
    if column is Column.LAST_UPDATED:
        return _dated(Span(candidate.last_updated, candidate.last_updated + _MILLISECOND), term)
    if column in DATES:
        span = candidate.indexed.dates.get(column)
        return term.test is Test.ABSENT if span is None else _dated(span, term)
    if column is Column.TEXTS:
        return _worded(undelimited(candidate.indexed.texts), term)
    return _worded(candidate.indexed.words.get(column, ()), term)


def _dated(span: Span, term: Term) -> bool:
    return term.test is Test.PRESENT or (term.test is Test.SPAN and _TESTS[term.prefix](span, term.span))


def _worded(values: tuple[str, ...], term: Term) -> bool:
    if term.test is Test.EQUALS:
        return term.word in values
    if term.test is Test.CONTAINS:
        return any(value.startswith(term.word) and term.part in value[len(term.word) :] for value in values)
    return any(value.startswith(term.word) for value in values)
