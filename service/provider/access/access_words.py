"""What the pages of Tax ID & NPI access say: of functions, of states, and of what is refused."""

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from consent.authorization_requests import (
    AlreadyAsked,
    NoSuchClient,
    RequestClosed,
    TooManyRequests,
)
from consent.billing_clients import ClientState
from consent.billing_models import AuthorizationSide
from consent.named_contacts import ContactIsAsker, ContactIsColleague
from service.plan.models import PortalFunction
from service.plan.registering.payment_proof import ProofRefused, TooManyTries

EXPLAINED: dict[PortalFunction, LazyString] = {
    PortalFunction.REMITTANCES: _("What the plan paid the provider and why, by check or EFT, with each claim in it."),
    PortalFunction.CLAIMS: _("Where the provider's claims stand, with patients' names and amounts."),
    PortalFunction.ELIGIBILITY: _("Whether a patient of the provider is covered, and by which plan."),
}
EXPLAINED_TO_CONTACT: dict[PortalFunction, LazyString] = {
    PortalFunction.REMITTANCES: _("What we paid you and why, by check or EFT, with each claim in it."),
    PortalFunction.CLAIMS: _("Where your claims stand, with patients' names and amounts."),
    PortalFunction.ELIGIBILITY: _("Whether a patient of yours is covered, and by which plan."),
}
STATES: dict[ClientState, LazyString] = {
    ClientState.ASKED: _("Waiting for your client"),
    ClientState.AWAITING_PLAN: _("Waiting for the plan"),
    ClientState.APPROVED: _("Approved"),
    ClientState.REFUSED: _("Refused"),
    ClientState.LAPSED: _("Lapsed"),
    ClientState.WITHDRAWN: _("Withdrawn"),
    ClientState.ENDED: _("Ended"),
    ClientState.SUSPENDED: _("Ended: no longer with the plan"),
}
SIDES: dict[AuthorizationSide, LazyString] = {
    AuthorizationSide.FIRM: _("by the billing organization"),
    AuthorizationSide.PROVIDER: _("by the provider"),
    AuthorizationSide.PLAN: _("by the plan"),
    AuthorizationSide.NEWER_ANSWER: _("by a newer answer of the provider"),
}

REFUSALS: dict[type[Exception], LazyString] = {
    ProofRefused: _(
        "These numbers do not match a recent payment. Please check all of them against one and the same check, EFT or "
        "non-payment notice, not older than %(days)s days."
    ),
    TooManyTries: _(
        "There were too many tries with wrong numbers. Please try again tomorrow, or write to us through Contact us."
    ),
    NoSuchClient: _(
        "We found no provider to choose under this Tax ID. Please check it, or write to us through Contact us."
    ),
    AlreadyAsked: _(
        "You have asked this client already and the answer is still open. Open the request to send the e-mail again "
        "or to withdraw it."
    ),
    TooManyRequests: _("That is the most that can be asked or sent in one day. Please go on tomorrow."),
    RequestClosed: _("This request is not open any more."),
    ContactIsAsker: _(
        "This is an address of your own organization. The request must be answered by a business contact at your "
        "client's office: not by you, your manager or a co-worker."
    ),
    ContactIsColleague: _(
        "This address is at your own organization's domain. The request must be answered by a business contact at your "
        "client's office: not by you, your manager or a co-worker. If your client shares your domain, write to us "
        "through Contact us."
    ),
}


def refusal(problem: Exception, *, days: int) -> str:
    """The sentence for what a domain function refused."""
    return str(REFUSALS[type(problem)]) % {"days": days}
