"""Words of developers' pages: states, steps, grounds, kinds and platforms, as people read them."""

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from oauth.apps.clients import Attestation, AuthMethod
from oauth.apps.models import DeclineReason, Platform, ReviewState, ReviewStep
from oauth.webhooks.models import Event, MessageState

TERMS_VERSION = "2026-1"
"""Raised with every change of templates/developer/terms.html."""
STATES: dict[ReviewState, LazyString] = {
    ReviewState.DRAFT: _("Draft"),
    ReviewState.SUBMITTED: _("Submitted: waits for the plan"),
    ReviewState.MORE_INFORMATION: _("The plan has a question"),
    ReviewState.DECLINED: _("Declined"),
    ReviewState.APPROVED: _("Approved"),
    ReviewState.SUSPENDED: _("Suspended"),
    ReviewState.RETIRED: _("Retired"),
    ReviewState.REPLACED: _("Replaced by a later version"),
    ReviewState.DROPPED: _("Given up"),
}
STEPS: dict[ReviewStep, LazyString] = {
    ReviewStep.REGISTER: _("Registered"),
    ReviewStep.CHANGE: _("Changed"),
    ReviewStep.SUBMIT: _("Submitted for review"),
    ReviewStep.WITHDRAW: _("Withdrawn from review"),
    ReviewStep.ASK: _("The plan asked"),
    ReviewStep.ANSWER: _("Answered"),
    ReviewStep.DECLINE: _("Declined by the plan"),
    ReviewStep.APPEAL: _("Appealed"),
    ReviewStep.APPROVE: _("Approved by the plan"),
    ReviewStep.SUSPEND: _("Suspended by the plan"),
    ReviewStep.REINSTATE: _("Reinstated by the plan"),
    ReviewStep.RETIRE: _("Retired"),
    ReviewStep.REPLACE: _("Replaced by a later version"),
    ReviewStep.DROP: _("Given up"),
}
DECLINE_REASONS: dict[DeclineReason, LazyString] = {
    DeclineReason.SECURITY_RISK: _(
        "The app would put members' information on the plan's systems at an unacceptable risk."
    ),
    DeclineReason.POSES_AS_ANOTHER: _("The name, logo or texts pose as somebody else."),
    DeclineReason.ADDRESS_NOT_YOURS: _("An address does not belong to the developer."),
    DeclineReason.DESCRIPTION_UNTRUE: _("The app does something else than its description says."),
    DeclineReason.PAGES_MISSING: _("The privacy policy or the terms cannot be read at their address."),
    DeclineReason.NO_ANSWER: _("The plan's question was not answered for 60 days."),
}
PLATFORMS: dict[Platform, LazyString] = {
    Platform.WEB: _("Web"),
    Platform.IOS: _("iPhone or iPad"),
    Platform.ANDROID: _("Android"),
    Platform.DESKTOP: _("Computer (Windows, Mac, Linux)"),
    Platform.OTHER: _("Something else"),
}
ATTESTATIONS: dict[Attestation, LazyString] = {
    Attestation.ATTESTED: _("Yes: the app agrees to the plan's privacy policy."),
    Attestation.DECLINED: _("No: the app does not agree to it."),
    Attestation.UNANSWERED: _("Not answered yet."),
}
METHODS: dict[AuthMethod, tuple[LazyString, LazyString]] = {
    AuthMethod.NONE: (
        _("It keeps no secret (public)"), _("Apps on phones and computers, and apps that run wholly in a browser."),
    ),
    AuthMethod.BASIC: (
        _("A secret, sent in the Authorization header"), _("Apps with a server. Most libraries do it this way."),
    ),
    AuthMethod.POST: (_("A secret, sent in the body"), _("Apps with a server whose library does only this.")),
    AuthMethod.PRIVATE_KEY: (
        _("A key of its own (private_key_jwt)"),
        _("Apps with a server. Nothing secret ever leaves it: you paste public keys."),
    ),
}  # fmt: skip
EVENTS: dict[Event, LazyString] = {
    Event.GRANT_REVOKED: _("A member, their representative or the plan ended a connection."),
    Event.GRANT_EXPIRED: _("The time that was agreed is over."),
    Event.APP_SUSPENDED: _("The plan suspended the app, or its organization."),
    Event.APP_RESUMED: _("The app is let in again."),
    Event.APP_RETIRED: _("The app is closed for good, and every connection with it."),
    Event.TEST: _("You pressed Send a test event."),
}
MESSAGE_STATES: dict[MessageState, LazyString] = {
    MessageState.WAITING: _("Waiting"),
    MessageState.DELIVERED: _("Delivered"),
    MessageState.FAILED: _("Given up"),
    MessageState.DROPPED: _("Not sent: the address was taken away"),
}
