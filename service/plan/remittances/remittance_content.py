"""What a remittance says, once read: payment, payee, claims and lines as plain values. Amounts are in cents.

`at` is the position of the segment a value came from, so that whatever is wrong with it can be found in the file.
"""

from dataclasses import dataclass, field
from datetime import date

from service.plan.models import PaymentMethod
from service.plan.remittances.remittance_elements import Adjustment
from service.plan.remittances.x12 import Fault

REVERSAL = "22"


@dataclass(slots=True)
class Line:
    """One service line (SVC loop); amounts in cents, `at` is its segment's position."""

    at: int
    procedure: str
    revenue_code: str
    units: str
    charge: int
    paid: int
    service_from: date | None = None
    service_to: date | None = None
    allowed: int | None = None
    adjustments: list[Adjustment] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Claim:
    """One claim (CLP loop)."""

    at: int
    claim_number: str
    patient_control_number: str
    status: str
    charge: int
    paid: int
    patient: int
    member_number: str = ""
    given_name: str = ""
    family_name: str = ""
    service_from: date | None = None
    service_to: date | None = None
    rendering_npi: str | None = None
    adjustments: list[Adjustment] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    @property
    def reversal(self) -> bool:
        """Whether it takes back what was paid before (CLP02)."""
        return self.status == REVERSAL


@dataclass(frozen=True, slots=True)
class ProviderAdjustment:
    """One amount of a PLB: taken from the payment where positive."""

    reason: str
    identifier: str
    cents: int


@dataclass(slots=True)
class Payee:
    """Who is paid. `unread` is set where a number came that is none: such a payee is never matched."""

    name: str = ""
    tax_id: str | None = None
    npi: str | None = None
    vendor_number: str | None = None
    unread: bool = False


@dataclass(slots=True)
class ReadRemittance:
    """What a transaction set says; `at` is the position of its BPR."""

    at: int = 0
    number: str = ""
    number_key: str = ""
    method: PaymentMethod = PaymentMethod.CHECK
    amount: int = 0
    paid_on: date = date.min
    payer_name: str = ""
    payer_id: str = ""
    payee: Payee = field(default_factory=Payee)
    claims: list[Claim] = field(default_factory=list)
    provider_adjustments: list[ProviderAdjustment] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
