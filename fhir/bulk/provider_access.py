"""What goes to providers of a claim: the care, not remittances and cost sharing (45 CFR 422.121(b)(1))."""

import re
from typing import Any

from fhir.loading.json_texts import encode, parse

_MONEY = frozenset({
    "addItem", "adjudication", "benefitBalance", "costToBeneficiary", "net", "payment", "total", "unitPrice",
})  # fmt: skip
# Sentences in which a claim tells what was paid, owed or refused, and what points to them.
_TOLD = frozenset({"disposition", "noteNumber", "processNote", "text"})
_CURRENCIES = "urn:iso:std:iso:4217"
_AMOUNT = re.compile(r"[$€£¢]|\b(?:USD|dollars?|cents?|dólares?)\b|\d[.,]\d\d(?!\d)", re.IGNORECASE)
_UNIT = re.compile(r"(?:US)?[$€£¢]|USD|dollars?|cents?|dólares?", re.IGNORECASE)
_FREE = ("valueString", "valueMarkdown")
_NUMBERS = frozenset({"valueDecimal", "valueInteger", "valuePositiveInt", "valueUnsignedInt"})
_HINTS = (b'"currency"', _CURRENCIES.encode())


def without_costs(body: bytes) -> bytes:
    """The body of a resource without amounts of money, wherever they stand.

    Claims and Coverages lose their sentences and bare numbers in extensions too, since these may tell amounts; a
    claim's profile, which asks for what was taken out, is not claimed.
    """
    is_claim = body.startswith(b'{"resourceType":"ExplanationOfBenefit"')
    if not is_claim and not body.startswith(b'{"resourceType":"Coverage"'):
        return encode(_cut(parse(body), billed=False)) if any(hint in body for hint in _HINTS) else body
    found = _cut(parse(body), billed=True)
    if is_claim:
        found["meta"].pop("profile", None)
    return encode(found)


def _cut(node: Any, *, billed: bool) -> Any:
    if not isinstance(node, dict):
        return node
    kept: dict[str, Any] = {}
    for name, value in node.items():
        if billed and (name.removeprefix("_") in _MONEY or _is_sentence(name, value)):
            continue
        if isinstance(value, list):
            left = [_cut(one, billed=billed) for one in value if not _tells_amount(name, one, billed=billed)]
            if left:
                # Beside a list of primitives, places count: an empty one is null.
                kept[name] = [one if one != {} else None for one in left] if name.startswith("_") else left
        elif not _is_money(value) and ((left := _cut(value, billed=billed)) != {} or value == {}):
            kept[name] = left
    return kept


def _is_sentence(name: str, value: Any) -> bool:
    # `text` of a CodeableConcept says what was done; that of a resource is a table of what it cost.
    return name.removeprefix("_") in _TOLD and (name != "text" or isinstance(value, dict))


def _tells_amount(name: str, node: Any, *, billed: bool) -> bool:
    """Whether an element of a list tells an amount itself; one that is only a part of it takes the whole along."""
    if _is_money(node):
        return True
    if not isinstance(node, dict) or name not in {"extension", "modifierExtension", "supportingInfo"}:
        return False
    if any(_is_money(value) for value in node.values()):
        return True
    if billed and (not _NUMBERS.isdisjoint(node) or any(_AMOUNT.search(str(node.get(one, ""))) for one in _FREE)):
        return True
    return any(_tells_amount("extension", one, billed=billed) for one in node.get("extension", ()))


def _is_money(value: Any) -> bool:
    """Whether it is a Money, or a quantity of a currency, as earlier editions of FHIR told money."""
    if not isinstance(value, dict):
        return False
    if "currency" in value or value.get("system") == _CURRENCIES:
        return True
    # A quantity may leave its system out.
    return "value" in value and any(_UNIT.fullmatch(str(value.get(one, ""))) for one in ("unit", "code"))
