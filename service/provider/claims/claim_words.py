"""Words for what a claim says in codes: kinds and amounts. Reasons: `plan.remittances.adjustment_words`."""

from collections.abc import Mapping

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

PAID = _("Paid")
PARTLY_PAID = _("Partly paid")
DENIED = _("Not paid")
MEMBER_SHARE = _("Processed, member's share only")
NOTHING_TO_PAY = _("Processed, nothing to pay")
IN_PROCESS = _("In process")
NOT_PROCESSED = _("Could not be processed")
WITHDRAWN = _("Withdrawn or replaced")
NOT_FINAL = _("Not final yet")
