"""Which element of a resource holds no date though it should, for the hint of a reject."""

import re
from collections.abc import Iterator
from typing import Any

from fhir.loading.faults import Rejected
from fhir.search.dates import BadDate, span

_DATE_LIKE = re.compile(r"\d{4}-\d\d-\d\d(?:T|$)")


def refused(resource_type: str, element: dict[str, Any]) -> Rejected:
    """The refusal of an element, by its name, in which a date that is searched by is none."""
    path = next(_bad_dates(element, resource_type), resource_type)
    return Rejected("date", "There is no such day or time, or it is not written as FHIR does.", path)


def _bad_dates(node: dict[str, Any], path: str) -> Iterator[str]:
    """The paths of texts that look like a date and are none."""
    for name, value in node.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield from _bad_dates(one, f"{path}.{name}")
            elif _is_bad_date(one):
                yield f"{path}.{name}"


def _is_bad_date(value: Any) -> bool:
    if not isinstance(value, str) or not _DATE_LIKE.match(value):
        return False
    try:
        span(value)
    except BadDate:
        return True
    return False
