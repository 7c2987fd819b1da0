"""The order of matches: `_sort` as columns, and where the next page starts (keyset paging).

A resource without the value comes last when the newest come first. A token sorts by the first code of its element.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from fhir.search import parameters
from fhir.search.clauses import Clause, Dialect
from fhir.search.declared import DATES
from fhir.search.index import NO_DATE

Place = int | str | list[int | str]
"""A row's value of the one column it is sorted by, or its values of several."""
_PLAIN = frozenset({"sort_date", "last_updated", "id"})


@dataclass(frozen=True, slots=True)
class Key:
    """One column that puts matches in order."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """The columns that put matches in order, the first one first; ids break ties."""

    keys: tuple[Key, ...] = (Key("sort_date", descending=True),)


NEWEST_FIRST = Sort()


def read(resource_type: str, text: str) -> Sort | None:
    """The order that `_sort=text` asks for; None where it names something that has none."""
    keys: dict[str, Key] = {}
    for one in text.split(","):
        parameter = parameters.find(resource_type, one.removeprefix("-"))
        column = parameters.sort_column(parameter) if parameter else None
        if column is None:
            return None
        keys.setdefault(column, Key(column, one.startswith("-")))
    return Sort(tuple(keys.values()))


@lru_cache(maxsize=256)
def columns(dialect: Dialect, sort: Sort) -> str:
    """What a statement selects so that the next page can start after its last row."""
    return ", ".join(_expression(dialect, key) for key in sort.keys)


@lru_cache(maxsize=256)
def order(dialect: Dialect, sort: Sort, *, looked_up: bool = False) -> str:
    """The ORDER BY of `sort`.

    For what is looked up by a number or a reference, PostgreSQL is kept from walking through everything in order in
    the hope of meeting enough on the way: it does not know how few there are.
    """
    aside = " + 0" if looked_up and dialect is Dialect.POSTGRESQL and sort == NEWEST_FIRST else ""
    parts = [f"{_expression(dialect, key)}{aside} {'DESC' if key.descending else 'ASC'}" for key in sort.keys]
    return ", ".join(parts if any(key.column == "id" for key in sort.keys) else [*parts, "id"])


def after(dialect: Dialect, sort: Sort, place: Place, resource_id: str) -> Clause:
    """Rows that come after one row in the order of `sort`."""
    return _after(dialect, sort.keys, place if isinstance(place, list) else [place], resource_id)


def _after(dialect: Dialect, keys: Sequence[Key], places: Sequence[int | str], resource_id: str) -> Clause:
    mark = dialect.mark
    if not keys:
        return Clause(f"id > {mark}", (resource_id,))
    column, beyond = _expression(dialect, keys[0]), "<" if keys[0].descending else ">"
    if keys[0].column == "id":
        return Clause(f"id {beyond} {mark}", (resource_id,))
    further = _after(dialect, keys[1:], places[1:], resource_id)
    # The first comparison is implied by the second; it lets the index start at the right place.
    text = f"{column} {beyond}= {mark} AND ({column} {beyond} {mark} OR ({further.text}))"
    return Clause(text, (places[0], places[0], *further.values))


def _expression(dialect: Dialect, key: Key) -> str:
    if key.column in _PLAIN:
        return key.column
    if key.column in DATES:
        return f"coalesce({key.column}_start, {NO_DATE})"
    if dialect is Dialect.POSTGRESQL:
        return f"coalesce({key.column}[1], '') COLLATE \"C\""
    # SQLite keeps several values as one text, each between separators: what follows the first breaks no tie.
    rest = f"substr({key.column}, 2)"
    return f"substr({rest}, 1, instr({rest}, char(31)) - 1)"
