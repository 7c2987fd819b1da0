"""How the plan prices a claim: whole cents, line by line, so that every total is the sum of its lines.

submitted = eligible + discount + noncovered; eligible = benefit + memberliability;
memberliability = deductible + copay + coinsurance.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from service.sandbox.plan.claims.draft import Draft, Kind, Line
from service.sandbox.plan.codes import ADJUDICATION, Resource, carin_system, concept, money
from service.sandbox.plan.coverage import Benefits
from service.sandbox.plan.story import Twist

# Per cent of the charge that the contract allows.
_ALLOWED = {Kind.INPATIENT: 58, Kind.OUTPATIENT: 52, Kind.PROFESSIONAL: 64, Kind.PHARMACY: 82, Kind.ORAL: 70}


@dataclass(frozen=True)
class Price:
    """What became of an amount, in cents."""

    submitted: int = 0
    discount: int = 0
    noncovered: int = 0
    deductible: int = 0
    copay: int = 0
    coinsurance: int = 0
    benefit: int = 0

    def __add__(self, other: "Price") -> "Price":
        return Price(
            self.submitted + other.submitted,
            self.discount + other.discount,
            self.noncovered + other.noncovered,
            self.deductible + other.deductible,
            self.copay + other.copay,
            self.coinsurance + other.coinsurance,
            self.benefit + other.benefit,
        )

    @property
    def member(self) -> int:
        """What the member owes."""
        return self.deductible + self.copay + self.coinsurance

    @property
    def eligible(self) -> int:
        """What the contract allows."""
        return self.benefit + self.member


class Purse:
    """What is left of a member's deductible and yearly limit, by coverage and year."""

    def __init__(self, benefits: Benefits) -> None:
        self._benefits = benefits
        self.deductible = benefits.deductible
        self.limit = benefits.limit

    def price(self, draft: Draft) -> list[Price]:
        """Each line priced in turn; the copay is asked once a claim."""
        copay = draft.copay
        prices = []
        for line in draft.lines:
            made = self._line(draft, line, copay)
            copay -= made.copay
            prices.append(made)
        return prices

    def _line(self, draft: Draft, line: Line, copay_left: int) -> Price:
        if line.denial is not None:
            return Price(submitted=line.charge, noncovered=line.charge)
        # Outside of the network there is no contract: what is above the plan's price stays uncovered.
        allowed = line.charge * _ALLOWED[draft.kind] // 100
        outside = draft.has(Twist.OUT_OF_NETWORK)
        deductible = min(self.deductible, allowed, self.limit) if draft.deductible_counts else 0
        copay = min(copay_left, allowed - deductible, self.limit - deductible)
        rest = allowed - deductible - copay
        shared = (
            min(rest * self._benefits.coinsurance // 100, self.limit - deductible - copay) if not draft.copay else 0
        )
        self.deductible -= deductible
        self.limit -= deductible + copay + shared
        return Price(
            submitted=line.charge,
            discount=0 if outside else line.charge - allowed,
            noncovered=line.charge - allowed if outside else 0,
            deductible=deductible,
            copay=copay,
            coinsurance=shared,
            benefit=rest - shared,
        )


def total(prices: Iterable[Price]) -> Price:
    """The sum, part by part."""
    return reduce(Price.__add__, prices, Price())


def amounts(price: Price, *, to_family: bool) -> list[Resource]:
    """The price as CARIN adjudication entries; parts that come to nothing are left out, but for those always told."""
    carin = carin_system("C4BBAdjudication")
    parts = (
        (ADJUDICATION, "submitted", price.submitted, True),
        (ADJUDICATION, "eligible", price.eligible, True),
        (carin, "discount", price.discount, False),
        (carin, "noncovered", price.noncovered, False),
        (ADJUDICATION, "deductible", price.deductible, False),
        (ADJUDICATION, "copay", price.copay, False),
        (carin, "coinsurance", price.coinsurance, False),
        (carin, "memberliability", price.member, True),
        (ADJUDICATION, "benefit", price.benefit, True),
        (carin, "paidtopatient" if to_family else "paidtoprovider", price.benefit, True),
    )
    return [
        {"category": concept(system, code), "amount": money(cents)}
        for system, code, cents, always in parts
        if always or cents
    ]
