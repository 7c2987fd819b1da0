"""Words for what a claim says in codes: kinds, amounts, reasons. The code sets' texts have owners; these are ours."""

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

REASONS: Mapping[str, LazyString] = {
    "1": _("The deductible had not been met"),
    "2": _("Coinsurance"),
    "3": _("Copay"),
    "4": _("The modifier does not fit the procedure, or is missing"),
    "16": _("Something the plan needs is missing or wrong; please send the claim again"),
    "18": _("The plan has this very claim already"),
    "21": _("Another insurance, such as no-fault, is responsible"),
    "22": _("Another plan may have to pay first"),
    "23": _("What another plan paid or allowed was taken into account"),
    "24": _("Covered by a fixed payment for the member (capitation)"),
    "26": _("The service was before coverage began"),
    "27": _("The service was after coverage ended"),
    "29": _("The claim came after the time limit"),
    "31": _("The patient could not be found among our members"),
    "45": _("Above the price agreed with the plan"),
    "50": _("Not found medically necessary under the plan's rules"),
    "59": _("Paid under the rule for several procedures at once"),
    "96": _("The plan does not cover this"),
    "97": _("Included in the payment for another service"),
    "109": _("Another payer or contractor is responsible; please send it there"),
    "119": _("The yearly or lifetime limit was reached"),
    "151": _("More services than the plan allows in this time"),
    "181": _("The procedure code was not valid on that day"),
    "197": _("Approval was needed beforehand and is missing"),
    "204": _("The member's benefits do not include this"),
    "252": _("The plan needs a document to decide"),
    "B7": _("The provider was not certified for this service on that day"),
    "B15": _("Needs another service that was not found on the claim"),
}
"""Reasons by the X12 claim adjustment reason code."""
REASON_SYSTEM = "https://x12.org/codes/claim-adjustment-reason-codes"
OTHER_REASON = _("See the code in your payment's explanation")
REJECTED = _("Refused at the pharmacy counter")

PAID = _("Paid")
PARTLY_PAID = _("Partly paid")
DENIED = _("Not paid")
MEMBER_SHARE = _("Processed, nothing to pay")
IN_PROCESS = _("In process")
NOT_PROCESSED = _("Could not be processed")
WITHDRAWN = _("Withdrawn or replaced")
NOT_FINAL = _("Not final yet")
