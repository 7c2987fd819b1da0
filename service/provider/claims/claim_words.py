"""Words for what a claim says in codes: kinds and amounts. Reasons: `plan.remittances.adjustment_words`."""

from collections.abc import Mapping
from enum import StrEnum

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

KINDS: Mapping[str, LazyString] = {
    "institutional": _("Facility"),
    "professional": _("Professional"),
    "oral": _("Dental"),
    "pharmacy": _("Pharmacy"),
    "vision": _("Vision"),
}
"""By claim-type code."""

ADJUSTMENTS: Mapping[str, LazyString] = {
    "discount": _("Taken off under the plan's price"),
    "noncovered": _("Not covered"),
    "deductible": _("Deductible, owed by the member"),
    "copay": _("Copay, owed by the member"),
    "coinsurance": _("Coinsurance, owed by the member"),
    "paidbypatient": _("Paid by the member already"),
    "priorpayerpaid": _("Paid by another plan first"),
    "penalty": _("Penalty"),
}
"""Amounts by which the plan's payment differs from the charge, by adjudication category (CARIN, HL7)."""

REASON_SYSTEM = "https://x12.org/codes/claim-adjustment-reason-codes"
OTHER_REASON = _("See the code in your payment's explanation")
REJECTED = _("Refused at the pharmacy counter")


class ClaimState(StrEnum):
    """What Claims Inquiry can be narrowed to."""

    PAID = "paid"
    NOT_PAID = "not_paid"
    IN_PROCESS = "in_process"
    WITHDRAWN = "withdrawn"


class ClaimStatus(StrEnum):
    """What became of a claim."""

    PAID = "paid"
    PARTLY_PAID = "partly_paid"
    DENIED = "denied"
    MEMBER_SHARE = "member_share"
    NOTHING_TO_PAY = "nothing_to_pay"
    IN_PROCESS = "in_process"
    NOT_PROCESSED = "not_processed"
    WITHDRAWN = "withdrawn"
    NOT_FINAL = "not_final"


STATES: Mapping[ClaimState, LazyString] = {
    ClaimState.PAID: _("Paid, in whole or in part"),
    ClaimState.NOT_PAID: _("Not paid"),
    ClaimState.IN_PROCESS: _("In process"),
    ClaimState.WITHDRAWN: _("Withdrawn or replaced"),
}
STATUSES: Mapping[ClaimStatus, tuple[LazyString, ClaimState]] = {
    ClaimStatus.PAID: (_("Paid"), ClaimState.PAID),
    ClaimStatus.PARTLY_PAID: (_("Partly paid"), ClaimState.PAID),
    ClaimStatus.DENIED: (_("Not paid"), ClaimState.NOT_PAID),
    ClaimStatus.MEMBER_SHARE: (_("Processed, member's share only"), ClaimState.NOT_PAID),
    ClaimStatus.NOTHING_TO_PAY: (_("Processed, nothing to pay"), ClaimState.NOT_PAID),
    ClaimStatus.IN_PROCESS: (_("In process"), ClaimState.IN_PROCESS),
    ClaimStatus.NOT_PROCESSED: (_("Could not be processed"), ClaimState.NOT_PAID),
    ClaimStatus.WITHDRAWN: (_("Withdrawn or replaced"), ClaimState.WITHDRAWN),
    ClaimStatus.NOT_FINAL: (_("Not final yet"), ClaimState.IN_PROCESS),
}
"""Each in words, and under which state it is found."""
