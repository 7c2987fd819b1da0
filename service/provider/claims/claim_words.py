"""Providers' words for what a claim says in codes: status, kind, amounts and reasons."""

from collections.abc import Mapping
from enum import StrEnum

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from service.plan.claims import claim_view
from service.plan.claims.claim_view import Adjustment, Claim, ClaimStatus
from service.plan.remittances import adjustment_words

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

_OTHER_REASON = _("See the code in your payment's explanation")
_REJECTED = _("Refused at the pharmacy counter")


class ClaimState(StrEnum):
    """What Claims Inquiry can be narrowed to."""

    PAID = "paid"
    NOT_PAID = "not_paid"
    IN_PROCESS = "in_process"
    WITHDRAWN = "withdrawn"


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


def status(claim: Claim) -> LazyString:
    """What became of it."""
    return STATUSES[claim.status][0]


def state(claim: Claim) -> ClaimState:
    """Under which state it is found."""
    return STATUSES[claim.status][1]


def kind(claim: Claim) -> LazyString | str:
    """What kind of claim it is; a code without words of ours as it is."""
    return KINDS.get(claim.kind, claim.kind)


def reason(adjustment: Adjustment) -> LazyString | str:
    """Why charge and payment differ."""
    if adjustment.category in ADJUSTMENTS:
        return ADJUSTMENTS[adjustment.category]
    if adjustment.category == claim_view.REJECTED:
        return _REJECTED
    return adjustment_words.reason(adjustment.code) or _OTHER_REASON
