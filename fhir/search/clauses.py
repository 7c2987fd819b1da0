"""Conditions as SQL: fixed fragments with bound parameters, the same meaning in PostgreSQL and in SQLite.

No text of a request ever becomes SQL; column names come from enums of ours.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any

from consent.policy import Access, AccessBasis
from fhir.compartment import SHARED, SHARED_TYPES
from fhir.models import LOOKED_UP, SEPARATOR
from fhir.search.conditions import Condition, Term, Test
from fhir.search.dates import DAWN, DUSK, Prefix, Span, span
from fhir.search.declared import ARRAYS, DATES, Column
from service.plan.logins.reach import GroupReach


class Dialect(StrEnum):
    """The two databases, by SQLAlchemy's names."""

    POSTGRESQL = "postgresql"
    SQLITE = "sqlite"

    @property
    def mark(self) -> str:
        """How the driver marks a bound parameter."""
        return "%s" if self is Dialect.POSTGRESQL else "?"


@dataclass(frozen=True, slots=True)
class Clause:
    """SQL text and the values of its marks, in order."""

    text: str
    values: tuple[Any, ...] = ()


NOTHING = Clause("1 = 0")
_MOST_SPELT = 50
"""Alternatives that SQLite gets spelt out; it takes no expression deeper than a thousand."""
_SPANNED = frozenset({Column.DATE1, Column.DATE2})
_SPANS = {
    Dialect.POSTGRESQL: (
        "SELECT (one->>0)::bigint AS s, (one->>1)::bigint AS e FROM json_array_elements({column}::json) AS one"
    ),
    Dialect.SQLITE: (
        "SELECT json_extract(one.value, '$[0]') AS s, json_extract(one.value, '$[1]') AS e"
        " FROM json_each({column}) AS one"
    ),
}
# With s and e the span of a resource (end not in it), the bound values in the order written.
_TESTS: Mapping[Prefix, tuple[str, Callable[[Span], tuple[int, ...]]]] = {
    Prefix.EQ: ("({s} >= {mark} AND {e} <= {mark})", lambda span: (span.start, span.end)),
    Prefix.NE: ("({s} < {mark} OR {e} > {mark})", lambda span: (span.start, span.end)),
    Prefix.GT: ("{e} > {mark}", lambda span: (span.end,)),
    Prefix.LT: ("{s} < {mark}", lambda span: (span.start,)),
    Prefix.GE: ("{e} > {mark}", lambda span: (span.start,)),
    Prefix.LE: ("{s} < {mark}", lambda span: (span.end,)),
    Prefix.SA: ("{s} >= {mark}", lambda span: (span.end,)),
    Prefix.EB: ("{e} <= {mark}", lambda span: (span.start,)),
    Prefix.AP: ("({s} < {mark} AND {e} > {mark})", lambda span: (span.end, span.start)),
}
_SINGLY = (
    "({start} IS NOT NULL AND (({name}_spans IS NULL AND {hull}) OR"
    " ({name}_spans IS NOT NULL AND EXISTS (SELECT 1 FROM ({spans}) AS spans WHERE {single}))))"
)
_POSITION = {Dialect.POSTGRESQL: "strpos", Dialect.SQLITE: "instr"}
# Some value that starts with the first bound text and holds the last one from the position bound between on.
_HOLDS = {
    Dialect.POSTGRESQL: (
        "EXISTS (SELECT 1 FROM unnest(string_to_array(texts, chr(31))) AS one"
        " WHERE starts_with(one, %s) AND strpos(substr(one, %s), %s) > 0)"
    ),
    # The text as a JSON array of its values.
    Dialect.SQLITE: (
        "EXISTS (SELECT 1 FROM json_each('[\"' || replace(replace(replace(texts, '\\', '\\\\'), '\"', '\\\"'),"
        " char(31), '\",\"') || '\"]') AS one"
        " WHERE instr(one.value, ?) = 1 AND instr(substr(one.value, ?), ?) > 0)"
    ),
}
_BY_HULL = frozenset({Prefix.GT, Prefix.LT, Prefix.GE, Prefix.LE})
"""Prefixes for which some span fits exactly when the hull of all spans does."""


def all_of(clauses: Iterable[Clause]) -> Clause:
    """Every one of the clauses."""
    parts = [clause for clause in clauses if clause.text]
    if len(parts) == 1:
        return parts[0]
    return Clause(" AND ".join([part.text for part in parts]), sum([part.values for part in parts], ()))


def any_of(clauses: Sequence[Clause]) -> Clause:
    """At least one of the clauses; none of none."""
    if not clauses:
        return NOTHING
    text = " OR ".join(clause.text for clause in clauses)
    return Clause(f"({text})", tuple(value for clause in clauses for value in clause.values))


def visible(dialect: Dialect, access: Access, resource_type: str) -> Clause:
    """What the access lets through of one type: its patients, or the shared ones, without excluded labels."""
    if access.basis is AccessBasis.PROVIDER_AUTHORITY:
        return _of_provider(dialect, access, resource_type)
    return _visible(dialect, resource_type, access.patient_ids, access.excluded_labels)


@lru_cache(maxsize=4096)
def _visible(dialect: Dialect, resource_type: str, patients: frozenset[str] | None, labels: frozenset[str]) -> Clause:
    return all_of((_owned(dialect, patients, resource_type), without_labels(dialect, labels)))


@lru_cache(maxsize=256)
def without_labels(dialect: Dialect, labels: frozenset[str]) -> Clause:
    """Resources that carry none of the labels."""
    if not labels:
        return Clause("")
    if dialect is Dialect.POSTGRESQL:
        return Clause("NOT labels && %s::text[]", (sorted(labels),))
    absent = " AND ".join("instr(labels, ?) = 0" for _ in labels)
    return Clause(f"(labels = '' OR ({absent}))", tuple(_whole(label) for label in sorted(labels)))


def of_type(dialect: Dialect, resource_type: str) -> Clause:
    """Resources of one type, named in the text itself where a partial index depends on it."""
    if resource_type in LOOKED_UP:
        return Clause(f"type = '{resource_type}'")
    return Clause(f"type = {dialect.mark}", (resource_type,))


def condition(dialect: Dialect, asked: Condition) -> Clause:
    """One condition of a search."""
    clause = _condition(dialect, asked)
    return Clause(f"NOT {clause.text}", clause.values) if asked.negated else clause


def _owned(dialect: Dialect, patients: frozenset[str] | None, resource_type: str) -> Clause:
    if resource_type in SHARED_TYPES:
        # Written out: the planner knows how many there are, which differs from what any one member has.
        return Clause(f"patient_id = '{SHARED}'")
    if patients is None:
        return Clause(f"patient_id <> '{SHARED}'")
    if len(patients) == 1:
        return Clause(f"patient_id = {dialect.mark}", tuple(patients))
    return any_equal(dialect, "patient_id", sorted(patients))


def any_equal(dialect: Dialect, column: str, values: Sequence[str]) -> Clause:
    """A column of one text that equals any of the values."""
    if dialect is Dialect.POSTGRESQL:
        return Clause(f"{column} = ANY(%s::text[])", (list(values),))
    return Clause(f"{column} IN ({', '.join('?' for _ in values)})", tuple(values))


def _of_provider(dialect: Dialect, access: Access, resource_type: str) -> Clause:
    """Claims that a group of the access billed; the coverage of the one member asked for; nothing else at all.

    Whoever billed a claim wrote the codes in it, so no label is kept from them (docs/decisions/0029).
    """
    if resource_type == "ExplanationOfBenefit":
        return _billed(dialect, _by_dates(access.groups))
    if resource_type == "Coverage" and access.patient_ids:
        return any_equal(dialect, "patient_id", sorted(access.patient_ids))
    return NOTHING


def _by_dates(groups: Iterable[GroupReach]) -> list[tuple[tuple[date | None, date | None], list[str]]]:
    found: dict[tuple[date | None, date | None], list[str]] = defaultdict(list)
    for group in groups:
        if group.organization_id:
            found[group.since, group.until].append(group.organization_id)
    return list(found.items())


def _billed(dialect: Dialect, by_dates: Sequence[tuple[tuple[date | None, date | None], list[str]]]) -> Clause:
    spans = [_billed_by(dialect, since, until, ids) for (since, until), ids in by_dates]
    if len(spans) <= 1:
        return any_of(spans)
    # CASE and not OR: a firm may have many clients with dates of their own, and SQLite refuses a thousand ORs in a row.
    # The first part is implied by the second; it is there for the index.
    whole = any_equal(dialect, "provider_id", sorted({one for _dates, ids in by_dates for one in ids}))
    text = f"CASE {' '.join(f'WHEN {span.text} THEN 1' for span in spans)} ELSE 0 END = 1"
    return all_of((whole, Clause(text, tuple(value for span in spans for value in span.values))))


def _billed_by(dialect: Dialect, since: date | None, until: date | None, organizations: list[str]) -> Clause:
    mark = dialect.mark
    parts = [any_equal(dialect, "provider_id", sorted(set(organizations)))]
    if len(organizations) == 1:
        # An equality lets the index give the order too.
        parts = [Clause(f"provider_id = {mark}", (organizations[0],))]
    if since is not None or until is not None:
        # A claim that does not say when it began is not within anybody's dates.
        first = span(since.isoformat()).start if since else DAWN + 1
        end = span(until.isoformat()).end if until else DUSK
        parts.append(Clause(f"sort_date >= {mark} AND sort_date < {mark}", (first, end)))
    whole = all_of(parts)
    return Clause(f"({whole.text})", whole.values)


def _condition(dialect: Dialect, asked: Condition) -> Clause:
    column, terms = asked.column, asked.terms
    if column in {Column.ID, Column.PATIENT, Column.CLAIM_NUMBER}:
        if terms[0].test is Test.PRESENT:
            return Clause(f"({column.value} <> '')")
        return any_equal(dialect, column.value, [term.word for term in terms])
    if column in DATES or column is Column.LAST_UPDATED:
        return any_of([_dated(dialect, column, term) for term in terms])
    if column is Column.TEXTS:
        return any_of([_text(dialect, term) for term in terms])
    equal = [term.word for term in terms if term.test is Test.EQUALS]
    clauses = [_any_word(dialect, column, equal)] if equal else []
    clauses += [_some_word(dialect, column, term) for term in terms if term.test is not Test.EQUALS]
    return any_of(clauses)


def _any_word(dialect: Dialect, column: Column, words: list[str]) -> Clause:
    assert column in ARRAYS
    if dialect is Dialect.POSTGRESQL:
        return Clause(f"{column.value} && %s::text[]", (words,))
    if len(words) > _MOST_SPELT:
        text = "EXISTS (SELECT 1 FROM json_each(?) AS one WHERE instr({column}, one.value) > 0)"
        return Clause(text.format(column=column.value), (json.dumps([_whole(word) for word in words]),))
    text = " OR ".join(f"instr({column.value}, ?) > 0" for _ in words)
    return Clause(f"({text})", tuple(_whole(word) for word in words))


def _some_word(dialect: Dialect, column: Column, term: Term) -> Clause:
    """A value that starts with the term's word (any value where the word is empty)."""
    if dialect is Dialect.SQLITE:
        return Clause(f"instr({column.value}, ?) > 0", (SEPARATOR + term.word,))
    text = "EXISTS (SELECT 1 FROM unnest({column}) AS one WHERE starts_with(one, %s))"
    return Clause(text.format(column=column.value), (term.word,))


def _text(dialect: Dialect, term: Term) -> Clause:
    if term.test is Test.CONTAINS:
        return Clause(_HOLDS[dialect], (term.word, len(term.word) + 1, term.part))
    # The separators tell where a value starts and where it ends.
    found = f"{SEPARATOR}{term.word}" + (SEPARATOR if term.test is Test.EQUALS else "")
    return Clause(f"{_POSITION[dialect]}(texts, {dialect.mark}) > 0", (found,))


def _dated(dialect: Dialect, column: Column, term: Term) -> Clause:
    if column is Column.LAST_UPDATED:
        # Kept to the millisecond, so it spans one.
        return _compared(dialect, "last_updated", "(last_updated + 1000)", term)
    start, end, name = f"{column.value}_start", f"{column.value}_end", column.value
    if term.test is Test.PRESENT:
        return Clause(f"({start} IS NOT NULL)")
    if term.test is Test.ABSENT:
        return Clause(f"({start} IS NULL)")
    hull = _compared(dialect, start, end, term)
    if column not in _SPANNED or term.prefix in _BY_HULL:
        return Clause(f"({start} IS NOT NULL AND {hull.text})", hull.values)
    single = _compared(dialect, "s", "e", term)
    spans = _SPANS[dialect].format(column=f"{name}_spans")
    text = _SINGLY.format(start=start, name=name, hull=hull.text, spans=spans, single=single.text)
    return Clause(text, hull.values + single.values)


def _compared(dialect: Dialect, start: str, end: str, term: Term) -> Clause:
    if term.test is Test.PRESENT:
        return Clause(f"({start} IS NOT NULL)")
    text, values = _TESTS[term.prefix]
    return Clause(text.format(s=start, e=end, mark=dialect.mark), values(term.span))


def _whole(word: str) -> str:
    return f"{SEPARATOR}{word}{SEPARATOR}"
