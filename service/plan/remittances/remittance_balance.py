"""The balance rules of the 835 (005010X221A1, section 1.10.2.1): line, claim and payment each come out to the cent."""

from collections.abc import Iterable, Iterator

from service.plan.remittances.remittance_content import Claim, Line, ReadRemittance
from service.plan.remittances.remittance_elements import Adjustment
from service.plan.remittances.x12 import Fault


def imbalances(found: ReadRemittance) -> Iterator[Fault]:
    """Everything that does not come out, in the order of the file, the payment last."""
    for claim in found.claims:
        for line in claim.lines:
            yield from _line(line)
        yield from _claim(claim)
    yield from _payment(found)


def _line(line: Line) -> Iterator[Fault]:
    left = line.charge - _sum(line.adjustments)
    if left != line.paid:
        yield Fault(line.at, "SVC", f"the charge less its adjustments is {money(left)}, but {money(line.paid)} is paid")


def _claim(claim: Claim) -> Iterator[Fault]:
    adjusted = _sum(claim.adjustments) + sum(_sum(line.adjustments) for line in claim.lines)
    left = claim.charge - adjusted
    if left != claim.paid:
        yield Fault(
            claim.at, "CLP", f"the charge less all adjustments is {money(left)}, but {money(claim.paid)} is paid"
        )


def _payment(found: ReadRemittance) -> Iterator[Fault]:
    claims = sum(claim.paid for claim in found.claims)
    total = claims - sum(one.cents for one in found.provider_adjustments)
    if total != found.amount:
        why = f"the claims less the provider adjustments come to {money(total)}, but {money(found.amount)} is paid"
        yield Fault(found.at, "BPR", why)


def _sum(adjustments: Iterable[Adjustment]) -> int:
    return sum(one.cents for one in adjustments)


def money(cents: int) -> str:
    """Cents as dollars, `-1,234.50`."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02}"


def dollars(cents: int) -> str:
    """Cents as people read dollars, `-$1,234.50`."""
    return f"{'-' if cents < 0 else ''}${money(abs(cents))}"
