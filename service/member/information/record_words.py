"""Members' words for the codes in their record: states, kinds of visits and claims, heads of lists."""

from collections.abc import Mapping
from datetime import date

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from service.clock import now
from service.plan.claims.claim_view import ClaimStatus
from service.web import settings

GROUPS: Mapping[str, LazyString] = {
    "now": _("Now"), "past": _("In the past"), "filled": _("Filled at a pharmacy"), "done": _("Done"),
    "ordered": _("Ordered"), "reports": _("Reports"), "documents": _("Documents"), "plans": _("Care plans"),
    "goals": _("Goals"), "teams": _("Care team"), "all": _("On file"),
}  # fmt: skip
"""Heads of a list, in the order of the page."""
STATES: Mapping[str, LazyString] = {
    "active": _("Active"), "recurrence": _("Back again"), "relapse": _("Back again"), "inactive": _("Not active"),
    "remission": _("Better for now"), "resolved": _("Resolved"), "on-hold": _("On hold"), "completed": _("Completed"),
    "stopped": _("Stopped"), "cancelled": _("Cancelled"), "draft": _("Draft"), "unknown": _("Not known"),
    "refuted": _("Ruled out"), "unconfirmed": _("Not confirmed"), "not-done": _("Not done"), "planned": _("Planned"),
    "arrived": _("Under way"), "triaged": _("Under way"), "in-progress": _("Under way"), "onleave": _("On leave"),
    "preparation": _("In preparation"), "declined": _("Declined"), "final": _("Final"),
    "preliminary": _("Preliminary, may change"), "registered": _("Not ready yet"), "partial": _("In part"),
    "amended": _("Changed later"), "corrected": _("Corrected"), "superseded": _("Replaced by a newer one"),
    "proposed": _("Proposed"), "accepted": _("Accepted"), "rejected": _("Declined"), "revoked": _("Taken back"),
    "suspended": _("On hold"), "finished": _("Finished"), "ended": _("Ended"),
}  # fmt: skip
VISIT_CLASSES: Mapping[str, LazyString] = {
    "AMB": _("Visit to a doctor or clinic"), "EMER": _("Emergency room"), "IMP": _("Stay in hospital"),
    "ACUTE": _("Stay in hospital"), "NONAC": _("Stay in hospital"), "OBSENC": _("Stay for observation"),
    "SS": _("Stay of less than a day"), "VR": _("By phone or video"), "HH": _("Visit at home"),
    "PRENC": _("Before a stay in hospital"),
}  # fmt: skip
RELATIONSHIPS: Mapping[str, LazyString] = {
    "self": _("Subscriber"), "spouse": _("Spouse"), "child": _("Child"), "parent": _("Parent"),
    "common": _("Common law spouse"), "other": _("Other relative"), "injured": _("Injured person"),
}  # fmt: skip
COVERAGE_CLASSES: Mapping[str, LazyString] = {
    "plan": _("Plan"), "group": _("Group"), "subgroup": _("Subgroup"), "class": _("Class"),
    "rxid": _("Pharmacy ID"), "rxbin": _("Pharmacy BIN"), "rxgroup": _("Pharmacy group"), "rxpcn": _("Pharmacy PCN"),
}  # fmt: skip
SEVERITIES: Mapping[str, LazyString] = {"mild": _("mild"), "moderate": _("moderate"), "severe": _("severe")}
CRITICALITIES: Mapping[str, LazyString] = {
    "low": _("Low"), "high": _("High, may be life-threatening"), "unable-to-assess": _("Not known"),
}  # fmt: skip
CLAIM_KINDS: Mapping[str, LazyString] = {
    "professional": _("Doctors and clinics"), "institutional": _("Hospitals and facilities"),
    "pharmacy": _("Pharmacy"), "oral": _("Dentist"), "vision": _("Eye care"),
}  # fmt: skip
OTHER_KIND = _("Other claims")
CLAIM_STATUSES: Mapping[ClaimStatus, LazyString] = {
    ClaimStatus.PAID: _("The plan paid"),
    ClaimStatus.PARTLY_PAID: _("The plan paid a part"),
    ClaimStatus.DENIED: _("Not covered: the plan paid nothing"),
    ClaimStatus.NOTHING_TO_PAY: _("Processed, nothing to pay"),
    ClaimStatus.IN_PROCESS: _("Being processed"),
    ClaimStatus.NOT_PROCESSED: _("Could not be processed"),
    ClaimStatus.WITHDRAWN: _("Withdrawn or replaced: does not count"),
    ClaimStatus.NOT_FINAL: _("Not final yet"),
}
"""All but the one that tells whose share is left, which `cost_words` has."""
REDUCTIONS: Mapping[str, LazyString] = {
    "discount": _("Taken off under the plan's price"), "noncovered": _("Not covered"),
    "priorpayerpaid": _("Paid by another plan first"), "penalty": _("Penalty"),
}  # fmt: skip
"""Why a charge was not paid in full, by the category of the amount; what the member pays is told in `cost_words`."""
REFUSALS: Mapping[str, LazyString] = {
    "16": _("Something is missing in the claim, or wrong"), "18": _("This claim was sent before"),
    "22": _("Another plan may have to pay first"), "26": _("The care was before the coverage began"),
    "27": _("The care was after the coverage ended"), "29": _("The claim was sent too late"),
    "31": _("The provider's claim did not match a member"), "35": _("The lifetime limit is reached"),
    "39": _("Approval was asked for and refused"), "49": _("Routine care that is not covered"),
    "50": _("Not medically necessary as the plan defines it"), "96": _("Not covered by the plan"),
    "97": _("Paid within another service"), "109": _("Another insurer is responsible"),
    "119": _("The benefit limit is reached"), "197": _("Approval was needed and not asked for"),
    "204": _("Not covered by the plan"),
}  # fmt: skip
"""Why a claim or line was not covered, by claim adjustment reason (CARC), in the plan's own words."""
_USUAL_REASONS = frozenset({"1", "2", "3", "45"})
MEASURED: Mapping[str, LazyString] = {
    "vital-signs": _("Measurements, such as blood pressure and weight"), "laboratory": _("Lab results"),
    "survey": _("Answers in surveys"), "social-history": _("Way of life"), "other": _("Other results"),
}  # fmt: skip
"""Kinds of observations by the code of their category, in the order of the page."""


def told(table: Mapping[str, LazyString], code: str) -> str:
    """The words for a code; a code without words of ours as it is."""
    return str(table.get(code, code))


def refusal(code: str) -> str:
    """Why something was not covered; nothing where the amounts beside it say it already."""
    if code in _USUAL_REASONS:
        return ""
    return str(REFUSALS.get(code) or _("A reason with the code %(code)s: call us to hear more", code=code))


def is_past(day: date | None) -> bool:
    """Whether a day is over in the plan's time zone."""
    return day is not None and day < now().astimezone(settings().plan.timezone).date()


_JUDGED: Mapping[str, LazyString] = {
    "N": _("Usual"), "H": _("High"), "HH": _("Very high"), "HU": _("Very high"), "L": _("Low"),
    "LL": _("Very low"), "LU": _("Very low"), "A": _("Not usual"), "AA": _("Not usual at all"),
    "POS": _("Positive"), "NEG": _("Negative"), "DET": _("Found"), "ND": _("Not found"),
}  # fmt: skip


def judged(code: str, text: str) -> str:
    """How a value was judged by the lab."""
    return str(_JUDGED.get(code) or text)
