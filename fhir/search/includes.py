"""What a page of matches brings along: `_include` and `_revinclude`, each with `:iterate` too.

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
_ROUNDS = 50
"""References that one may follow behind another: an organization's whole line of those above it is far shorter."""
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
    iterated = [rule for rule in asked.includes if rule.iterate]
    seen = {(row.type, row.id) for row in matches}
    found = _onward(session, access, matches, asked.includes, iterated, seen, granted)
    for rule in asked.revincludes:
        about = [*matches, *found] if rule.iterate else matches
        brought = _referring(session, access, about, rule, seen, granted, with_refs=bool(iterated))
        seen.update((row.type, row.id) for row in brought)
        found += brought
        # What came along by a reference to it is as good a start for :iterate as what came by its own.
        found += _onward(session, access, brought, iterated, iterated, seen, granted)
    if len(found) > MOST_INCLUDED:
        raise TooManyIncluded
    return found


def _onward(
    session: Session, access: Access, rows: Sequence[Row], rules: Sequence[Include], iterated: Sequence[Include],
    seen: set[_Key], granted: Granted,
) -> list[Row]:  # fmt: skip
    """What the rows refer to by the rules, and what that refers to by those that are iterated; all of it, or none."""
    found: list[Row] = []
    for _ in range(_ROUNDS):
        fresh = _fetch(session, access, _wanted(rows, rules, seen), granted)
        seen.update((row.type, row.id) for row in fresh)
        found += fresh
        if not fresh or not iterated:
            return found
        if len(found) > MOST_INCLUDED:
            break
        rows, rules = fresh, iterated
    raise TooManyIncluded


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


def _referring(
    session: Session, access: Access, rows: Sequence[Row], rule: Include, seen: set[_Key], granted: Granted, *,
    with_refs: bool,
) -> list[Row]:  # fmt: skip
    """What refers to the rows by the parameter of the rule."""
    dialect = statements.dialect_of(session)
    scope = granted(dialect, access, rule.source, "r")
    if scope is None:
        return []
    within = clauses.all_of((
        clauses.of_type(dialect, rule.source), clauses.visible(dialect, access, rule.source), scope,
    ))  # fmt: skip
    found: dict[_Key, Row] = {}
    for some in _slices(rows):
        terms = tuple(Term(Test.EQUALS, f"{rule.name}={row.type}/{row.id}") for row in some)
        where = clauses.all_of((within, clauses.condition(dialect, Condition(Column.REFS, terms))))
        found |= {
            (row.type, row.id): row
            for row in statements.search(session, where, Sort(), MOST_INCLUDED + 1, with_refs=with_refs)
        }
    if len(found) > MOST_INCLUDED:
        raise TooManyIncluded
    return [row for key, row in found.items() if key not in seen]


def _slices(several: Sequence[_Any]) -> Iterator[Sequence[_Any]]:
    return (several[start : start + _AT_ONCE] for start in range(0, len(several), _AT_ONCE))
