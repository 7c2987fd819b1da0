"""What requests that somebody act for a member are called in the staff console, and what the check-list asks."""

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from consent.models import Basis
from consent.request_models import RefusalReason, RequestStep

_AUTHORITY: dict[Basis, LazyString] = {
    Basis.PARENT: _(
        "A birth certificate, adoption or custody order names this person as parent, and no court has limited it."
    ),
    Basis.GUARDIAN: _("The court's order names this person as guardian, covers health care and is in force."),
    Basis.POWER_OF_ATTORNEY: _("The power of attorney is signed as the law asks, covers health care and is in effect."),
    Basis.CONSERVATOR: _("The court's order names this person as conservator, covers health care and is in force."),
    Basis.EXECUTOR: _("Letters testamentary or of administration name this person, and the member's death is on file."),
    Basis.PERMISSION: _("The member sent the request from their own account, or signed the paper form themselves."),
}
STEPS: dict[RequestStep, LazyString] = {
    RequestStep.SUBMITTED: _("Request sent"),
    RequestStep.MATCHED: _("Matched with a member"),
    RequestStep.CHECKED: _("Check-list saved"),
    RequestStep.ASKED: _("Asked back"),
    RequestStep.ANSWERED: _("Answered"),
    RequestStep.PROPOSED: _("Second person asked"),
    RequestStep.LINKED: _("Linked"),
    RequestStep.REFUSED: _("Refused"),
    RequestStep.WITHDRAWN: _("Taken back"),
}
REFUSALS: dict[RefusalReason, LazyString] = {
    RefusalReason.EVIDENCE: _("The papers do not prove the right"),
    RefusalReason.NOT_MATCHED: _("The people named could not be matched"),
    RefusalReason.NOT_COVERED: _("The papers do not cover what is asked for"),
    RefusalReason.NO_ANSWER: _("Our question was not answered"),
    RefusalReason.PROTECTION: _("To protect the member (45 CFR 164.502(g)(5)); whoever asked reads neutral words only"),
}


def checks(basis: Basis) -> dict[str, LazyString]:
    """The lines of the check-list, by key."""
    return {
        "identity": _("This person's identity is verified (45 CFR 164.514(h)): photo ID, or what we have on file."),
        "member": _("The member matched is the member named: number, name and birth date."),
        "authority": _AUTHORITY[basis],
        "extent": _("What is asked for, and for how long, is within what the papers give."),
        "safety": _("Nothing on file or in the papers suggests abuse, neglect or danger to the member."),
    }
