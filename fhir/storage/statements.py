"""The hot statements: hand-kept SQL through SQLAlchemy's pool on the driver's own cursor, PostgreSQL and SQLite.

Nothing else may speak to the `resource` table this way. Each statement takes its visibility from an Access.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.models import undelimited
from fhir.search import clauses, ordering
from fhir.search.clauses import Clause, Dialect
from fhir.search.ordering import Place, Sort
from service.db import copy_cursor, database_of
from service.watching import tracing

_COLUMNS = "type, id, patient_id, version, last_updated, deleted, dictionary_id, body"
_READ = "SELECT {columns} FROM {table} WHERE type = {mark} AND id = {mark} AND {visible}"
_SEARCH = "SELECT {columns}, {sort}{refs} FROM resource WHERE {where} AND NOT deleted ORDER BY {order} LIMIT {mark}"
_IDS = "SELECT id FROM resource WHERE {where} AND NOT deleted LIMIT {mark}"
_COUNT = "SELECT count(*) FROM resource WHERE {where} AND NOT deleted"
_COUNTS = "SELECT type, count(*) FROM resource WHERE {where} AND NOT deleted GROUP BY type"
_PATIENTS = "SELECT DISTINCT patient_id FROM resource WHERE {where}"
_TALLY = "SELECT {leg}, type, count(*), max(sort_date) FROM resource WHERE {where} AND NOT deleted GROUP BY type"
_NAMED = "SELECT {columns}, 0, refs FROM resource WHERE ({named}) AND NOT deleted ORDER BY type, id"
_SWEEP = "SELECT id, dictionary_id, body, patient_id FROM resource WHERE {where} AND {deleted} ORDER BY id LIMIT {mark}"
# PostgreSQL sends all rows at once (SQLite hands out row by row). Where one has a long body, what stands before each
# is added up where it lies, which costs a third of reading them.
_SWEEP_SHORT = (
    "SELECT id, dictionary_id, CASE WHEN length(body) <= {mark} THEN body END, patient_id FROM {table} "
    "ORDER BY id LIMIT {mark}"
)
_SWEEP_CUT = (
    "SELECT id, dictionary_id, body, patient_id FROM (SELECT id, dictionary_id, body, patient_id, sum(length(body)) "
    "OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - length(body) AS before FROM {table} "
    "ORDER BY id LIMIT {mark}) AS page WHERE before < {mark} ORDER BY id"
)
_SWEPT = "(SELECT id, dictionary_id, body, patient_id FROM resource WHERE {where} AND {deleted}{apart}) AS swept"
_VERSIONS = "SELECT version, last_updated FROM {table} WHERE type = {mark} AND id = {mark} AND {visible}"
_DIALECTS = {dialect.value: dialect for dialect in Dialect}
_CURRENT, _REPLACED = "resource", "resource_version"


class Row(NamedTuple):
    """One stored version. `place` is where it stands in the order asked for, `refs` its references where asked for."""

    type: str
    id: str
    patient_id: str
    version: int
    last_updated: int
    deleted: bool
    dictionary_id: int
    body: bytes
    place: Place = ""
    refs: tuple[str, ...] = ()


def dialect_of(session: Session) -> Dialect:
    """Which of the two databases the session speaks to."""
    return _DIALECTS[database_of(session)]


def read(session: Session, resource_type: str, resource_id: str, visible: Clause) -> Row | None:
    """The current version of one resource, deleted or not; None when there is none or it is not visible."""
    rows = _versions(session, _CURRENT, resource_type, resource_id, visible)
    return rows[0] if rows else None


def read_version(session: Session, resource_type: str, resource_id: str, version: int, visible: Clause) -> Row | None:
    """One version of one resource, current or replaced."""
    dialect = dialect_of(session)
    one = clauses.all_of((visible, Clause(f"version = {dialect.mark}", (version,))))
    for table in (_CURRENT, _REPLACED):
        if rows := _versions(session, table, resource_type, resource_id, one):
            return rows[0]
    return None


def versions(session: Session, resource_type: str, resource_id: str, visible: Clause) -> list[tuple[int, int]]:
    """The number and the instant of every visible version of one resource, newest first."""
    found: list[tuple[int, int]] = []
    for table in (_CURRENT, _REPLACED):
        text = _VERSIONS.format(table=table, mark=dialect_of(session).mark, visible=visible.text or "1 = 1")
        found += [(row[0], row[1]) for row in _fetch(session, text, (resource_type, resource_id, *visible.values))]
    return sorted(found, reverse=True)


def history(
    session: Session, resource_type: str, resource_id: str, visible: Clause, wanted: Sequence[int]
) -> list[Row]:  # fmt: skip
    """These versions of one resource, newest first."""
    dialect = dialect_of(session)
    marks = ", ".join(dialect.mark for _ in wanted)
    some = clauses.all_of((visible, Clause(f"version IN ({marks})", tuple(wanted))))
    rows = _versions(session, _CURRENT, resource_type, resource_id, some)
    rows += _versions(session, _REPLACED, resource_type, resource_id, some)
    return sorted(rows, key=lambda row: row.version, reverse=True)


def search(
    session: Session, where: Clause, sort: Sort, limit: int, *, with_refs: bool, looked_up: bool = False
) -> list[Row]:
    """The first `limit` rows that match, in order."""
    dialect = dialect_of(session)
    text = _SEARCH.format(
        columns=_COLUMNS, sort=ordering.columns(dialect, sort), refs=", refs" if with_refs else "", where=where.text,
        order=ordering.order(dialect, sort, looked_up=looked_up), mark=dialect.mark,
    )  # fmt: skip
    rows = _fetch(session, text, (*where.values, limit))
    if len(sort.keys) > 1:
        rows = [_with_places(row, len(sort.keys)) for row in rows]
    return [_with_refs(dialect, row) if with_refs else Row(*row) for row in rows]


def sweep(
    session: Session, where: Clause, limit: int, most_bytes: int, *, deleted: bool, of_some: bool
) -> list[tuple[str, int, bytes, str]]:  # fmt: skip
    """Id, dictionary, stored body and patient of the first rows of one type that match, by id.

    The deleted ones, or the others; at most `limit`, and no more behind `most_bytes` of bodies. `of_some`: those of a
    few patients are found by patient and put in order then; a planner that hopes to meet enough of them soon would read
    all there are by id.
    """
    dialect = dialect_of(session)
    given = {"where": where.text, "deleted": "deleted" if deleted else "NOT deleted"}
    if dialect is Dialect.POSTGRESQL:
        table = _SWEPT.format(**given, apart=" OFFSET 0" if of_some else "")
        values, given = where.values, {"table": table, "mark": dialect.mark}
        rows = _fetch(session, _SWEEP_SHORT.format(**given), (most_bytes // limit, *values, limit))
        if None not in [row[2] for row in rows]:
            return rows
        return _fetch(session, _SWEEP_CUT.format(**given), (*values, limit, most_bytes))
    found: list[tuple[str, int, bytes, str]] = []
    size = 0
    for row in _run(session, _SWEEP.format(**given, mark=dialect.mark), (*where.values, limit)):
        found.append(row)
        size += len(row[2])
        if size >= most_bytes:
            break
    return found


def ids(session: Session, where: Clause, limit: int) -> list[str]:
    """The ids of the first `limit` rows that match."""
    text = _IDS.format(where=where.text, mark=dialect_of(session).mark)
    return [found for (found,) in _fetch(session, text, (*where.values, limit))]


def count(session: Session, where: Clause) -> int:
    """How many rows match."""
    found: int = _fetch(session, _COUNT.format(where=where.text), where.values)[0][0]
    return found


def counts(session: Session, where: Clause) -> dict[str, int]:
    """How many rows match, by type."""
    return dict(_fetch(session, _COUNTS.format(where=where.text), where.values))


def patients(session: Session, where: Clause) -> list[str]:
    """The patients of whom a row matches, deleted ones counted too."""
    return [row[0] for row in _fetch(session, _PATIENTS.format(where=where.text), where.values)]


def tallies(session: Session, legs: Sequence[Clause]) -> list[tuple[int, str, int, int]]:
    """For each clause and type that has rows: the clause's place, the type, how many rows, the newest `sort_date`."""
    text = " UNION ALL ".join(_TALLY.format(leg=number, where=leg.text) for number, leg in enumerate(legs))
    return _fetch(session, text, sum((leg.values for leg in legs), ())) if legs else []


def named(session: Session, access: Access, wanted: Iterable[tuple[str, Sequence[str], Clause]]) -> list[Row]:
    """The current versions of resources by (type, ids), each type under its own further clause."""
    dialect = dialect_of(session)
    parts = [
        clauses.all_of(
            (
                Clause(f"type = {dialect.mark}", (resource_type,)),
                clauses.any_equal(dialect, "id", ids),
                clauses.visible(dialect, access, resource_type),
                further,
            )
        )
        for resource_type, ids, further in wanted
    ]
    if not parts:
        return []
    text = _NAMED.format(columns=_COLUMNS, named=" OR ".join(f"({part.text})" for part in parts))
    rows = _fetch(session, text, tuple(value for part in parts for value in part.values))
    return [_with_refs(dialect, row) for row in rows]


def _versions(session: Session, table: str, resource_type: str, resource_id: str, visible: Clause) -> list[Row]:
    text = _text_of_read(dialect_of(session), table, visible.text)
    return [Row(*row) for row in _fetch(session, text, (resource_type, resource_id, *visible.values))]


@lru_cache(maxsize=256)
def _text_of_read(dialect: Dialect, table: str, visible: str) -> str:
    return _READ.format(columns=_COLUMNS, table=table, mark=dialect.mark, visible=visible)


def _fetch(session: Session, text: str, values: tuple[Any, ...]) -> list[Any]:
    with tracing.step("records"):
        found: list[Any] = _run(session, text, values).fetchall()
    return found


def _run(session: Session, text: str, values: tuple[Any, ...]) -> Any:
    return copy_cursor(session).execute(text, values)


def _with_refs(dialect: Dialect, row: Sequence[Any]) -> Row:
    values = (*row[:-1], _words(dialect, row[-1]))
    return Row(*values)


def _with_places(row: Sequence[Any], number: int) -> list[Any]:
    first = len(Row._fields) - 2
    return [*row[:first], list(row[first : first + number]), *row[first + number :]]


def _words(dialect: Dialect, value: Any) -> tuple[str, ...]:
    return tuple(value or ()) if dialect is Dialect.POSTGRESQL else undelimited(value)
