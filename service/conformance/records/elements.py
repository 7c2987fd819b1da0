"""Values of a resource by path: `context.period`, `value[x]` of any type by its stem, `extension[url].value`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES = frozenset({
    "Boolean", "CodeableConcept", "Date", "DateTime", "Instant", "Period", "Quantity", "Range", "Ratio", "Reference",
    "String", "Timing",
})  # fmt: skip
_STEP = re.compile(r"(\w+)(?:\[([^\]]+)\])?")


def values(resource: Mapping[str, Any], path: str) -> list[Any]:
    """Everything that stands at `path`; lists are opened."""
    found: list[Any] = [resource]
    for name, url in _STEP.findall(path):
        found = [deeper for one in found if isinstance(one, dict) for deeper in _step(one, name, url)]
    return found


def references(value: Any) -> Iterator[str]:
    """Every literal reference anywhere below, but for those to what is contained."""
    if isinstance(value, dict):
        told = value.get("reference")
        if isinstance(told, str) and not told.startswith("#"):
            yield told
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def _step(value: Mapping[str, Any], name: str, url: str) -> Iterator[Any]:
    for key in (name, *(f"{name}{kind}" for kind in _TYPES)):
        told = value.get(key)
        for one in told if isinstance(told, list) else [told]:
            if one is not None and (not url or one.get("url") == url):
                yield one
