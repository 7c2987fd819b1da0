"""What a page of matches brings along: `_include` and `_revinclude=Provenance:target`, each with `:iterate` too.

Included resources need the read scope of their own type (SMART-39) and pass the same filter as everything else.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.compartment import TYPES
from fhir.outcomes import BadRequest, Issue
from fhir.search import clauses, parameters
from fhir.search.clauses import Clause, Dialect
from fhir.search.conditions import Condition, Term, Test
from fhir.search.declared import Column
from fhir.search.ordering import Sort
from fhir.search.query import Include, Search
from fhir.storage import statements
from fhir.storage.statements import Row

Granted = Callable[[Dialect, Access, str, str], Clause | None]
_Key = tuple[str, str]
_Any = TypeVar("_Any")
_ROUNDS = 3
MOST_INCLUDED = 5_000
"""Resources that come along with one page."""
_AT_ONCE = 1_000
"""Those of them that one statement fetches."""


class TooManyIncluded(BadRequest):
    """More would come along than one answer holds; to leave some out silently would be wrong."""

    issue = Issue.TOO_COSTLY
    sentence = (
        f"More than {MOST_INCLUDED} resources would come along: ask for fewer matches with _count, or include less."
    )

    def __init__(self) -> None:
        super().__init__(expression="_count")


def follow(session: Session, access: Access, asked: Search, matches: Sequence[Row], granted: Granted) -> list[Row]:
    """The resources included by the matches, each once and none that is a match itself."""
    if not matches or not (asked.includes or asked.revincludes):
        return []
    seen = {(row.type, row.id) for row in matches}
    found: list[Row] = []
    fresh: Sequence[Row] = matches
    rules: Sequence[Include] = asked.includes
    for _ in range(_ROUNDS):
        wanted = _wanted(fresh, rules, seen)
        fresh = _fetch(session, access, wanted, granted)
        seen.update((row.type, row.id) for row in fresh)
        found += fresh
        rules = [rule for rule in asked.includes if rule.iterate]
        if not fresh or not rules:
            break
    for rule in asked.revincludes:
        found += _provenance(session, access, [*matches, *found] if rule.iterate else matches, seen, granted)
    return found


def _wanted(rows: Iterable[Row], rules: Sequence[Include], seen: set[_Key]) -> dict[_Key, None]:
    wanted: dict[_Key, None] = {}
    for row in rows:
        for rule in rules:
            if rule.source == row.type:
                targets = (target for target in _targets(row, rule) if target not in seen)
                wanted.update(dict.fromkeys(targets))
    return wanted


def _targets(row: Row, rule: Include) -> Iterable[_Key]:
    for reference in row.refs:
        name, _, target = reference.partition("=")
        kind, _, found = target.partition("/")
        if rule.name in {"*", name} and rule.target in {"", kind} and kind in TYPES:
            yield kind, found
    # The patient is not among the references: it is the row's own column.
    parameter = parameters.find(row.type, rule.name)
    is_patient = rule.name == "*" or (parameter is not None and parameter.column is Column.PATIENT)
    if is_patient and row.patient_id and row.type != "Patient" and rule.target in {"", "Patient"}:
        yield "Patient", row.patient_id


def _fetch(session: Session, access: Access, wanted: Collection[_Key], granted: Granted) -> list[Row]:
    if len(wanted) > MOST_INCLUDED:
        raise TooManyIncluded
    dialect = statements.dialect_of(session)
    found: list[Row] = []
    for some in _slices(list(wanted)):
        by_type: dict[str, list[str]] = defaultdict(list)
        for kind, target in some:
            by_type[kind].append(target)
        allowed = [
            (kind, ids, clause)
            for kind, ids in sorted(by_type.items())
            if (clause := granted(dialect, access, kind, "r")) is not None
        ]
        found += statements.named(session, access, allowed)
    return found


def _provenance(session: Session, access: Access, rows: Sequence[Row], seen: set[_Key], granted: Granted) -> list[Row]:
    dialect = statements.dialect_of(session)
    scope = granted(dialect, access, "Provenance", "r")
    if scope is None:
        return []
    within = clauses.all_of((
        Clause(f"type = {dialect.mark}", ("Provenance",)), clauses.visible(dialect, access, "Provenance"), scope,
    ))  # fmt: skip
    found: dict[_Key, Row] = {}
    for some in _slices(rows):
        terms = tuple(Term(Test.EQUALS, f"target={row.type}/{row.id}") for row in some)
        where = clauses.all_of((within, clauses.condition(dialect, Condition(Column.REFS, terms))))
        found |= {
            (row.type, row.id): row
            for row in statements.search(session, where, Sort(), MOST_INCLUDED + 1, with_refs=False)
        }
    if len(found) > MOST_INCLUDED:
        raise TooManyIncluded
    return [row for key, row in found.items() if key not in seen]


def _slices(several: Sequence[_Any]) -> Iterator[Sequence[_Any]]:
    return (several[start : start + _AT_ONCE] for start in range(0, len(several), _AT_ONCE))
