"""Words that only developers' pages say; those of reviews and platforms are in `oauth.apps.app_words`."""

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from oauth.apps.clients import Attestation, AuthMethod
from oauth.webhooks.models import Event, MessageState

TERMS_VERSION = "2026-1"
"""Raised with every change of templates/developer/terms.html."""
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
    Event.GRANT_PAUSED: _("The person paused the app. Keep the tokens: they work again after grant.resumed."),
    Event.GRANT_RESUMED: _("The person let the app in again, with the tokens it has."),
    Event.GRANT_NARROWED: _("The person allows less, or for less long. Refresh, and see which scopes are left."),
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
