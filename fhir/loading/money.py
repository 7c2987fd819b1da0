"""The amounts of a claim: one currency, no fractions of a cent, totals that are the sums of their lines."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from fhir.loading.faults import Finding

_CENT = Decimal("0.01")


def findings(resource: Mapping[str, Any]) -> list[Finding]:
    """What does not add up in an ExplanationOfBenefit; nothing for every other type. Tells no amount."""
    if resource["resourceType"] != "ExplanationOfBenefit":
        return []
    amounts = list(_amounts(resource, "ExplanationOfBenefit"))
    found = [
        Finding("money", "An amount has more digits than cents.", path) for path, one in amounts if not _is_whole(one)
    ]
    if len({one["currency"] for _, one in amounts if "currency" in one}) > 1:
        found.append(Finding("money", "All amounts of a claim are in one currency.", "ExplanationOfBenefit"))
    return found + list(_sums(resource))


def _amounts(node: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, list):
        for one in node:
            yield from _amounts(one, path)
    elif isinstance(node, dict):
        # Money is the one type of a claim that has a value and nothing else but a currency.
        if _number(node.get("value")) is not None and node.keys() <= {"value", "currency"} and "currency" in node:
            yield path, node
        for name, one in node.items():
            yield from _amounts(one, f"{path}.{name}") if isinstance(one, dict | list) else ()


def _is_whole(money: Mapping[str, Any]) -> bool:
    number = _number(money["value"])
    return number is not None and number == number.quantize(_CENT)


def _sums(claim: Mapping[str, Any]) -> Iterator[Finding]:
    lines: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for item in claim.get("item", ()):
        for one in item.get("adjudication", ()):
            for key in _categories(one):
                lines[key] += _number(one.get("amount", {}).get("value")) or 0
    for one in claim.get("total", ()):
        told = _number(one.get("amount", {}).get("value"))
        for key in _categories(one):
            if told is not None and key in lines and abs(lines[key] - told) >= _CENT:
                hint = f"The total of {key[1]} is not the sum of the items' amounts."
                yield Finding("money", hint, "ExplanationOfBenefit.total")


def _categories(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for coding in one.get("category", {}).get("coding", ())[:1]:
        yield coding.get("system", ""), coding.get("code", "")


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return Decimal(str(value))
