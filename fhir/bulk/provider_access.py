"""What goes to providers of a claim: the care, not remittances and cost sharing (45 CFR 422.121(b)(1))."""

from typing import Any

from fhir.loading.preparation import encode, parse

_MONEY = frozenset({
    "addItem", "adjudication", "benefitBalance", "costToBeneficiary", "net", "payment", "total", "unitPrice",
})  # fmt: skip


def without_costs(body: bytes) -> bytes:
    """The body of a claim or a Coverage without amounts; a claim's profile, which asks for them, is not claimed."""
    is_claim = body.startswith(b'{"resourceType":"ExplanationOfBenefit"')
    if not is_claim and not body.startswith(b'{"resourceType":"Coverage"'):
        return body
    found = _cut(parse(body))
    if is_claim:
        found["meta"].pop("profile", None)
    return encode(found)


def _cut(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _cut(value) for name, value in node.items() if name not in _MONEY}
    return [_cut(one) for one in node] if isinstance(node, list) else node
