"""Which element of a resource holds no date though it should, for the hint of a reject."""

from collections.abc import Iterator
from typing import Any

from fhir.loading.faults import Rejected
from fhir.loading.shapes import DATES_HINT, definitions
from fhir.search.dates import BadDate, span

_DATES = frozenset({"date", "dateTime", "instant"})


def refused(resource_type: str, name: str, value: Any) -> Rejected:
    """The refusal of an element, by its name, in which a date that is searched by is none."""
    path = next(_bad_dates({name: value}, resource_type, resource_type), f"{resource_type}.{name}")
    return Rejected("date", DATES_HINT, path)


def _bad_dates(node: dict[str, Any], kind: str, path: str) -> Iterator[str]:
    """The paths of the dates of an object of this type that are none."""
    for name, value in node.items():
        below, _ = definitions().get(kind, {}).get(name, ("", False))
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield from _bad_dates(one, below, f"{path}.{name}")
            elif below in _DATES and _is_bad(one):
                yield f"{path}.{name}"


def _is_bad(value: Any) -> bool:
    try:
        span(value)
    except BadDate:
        return True
    return False
