"""Words that only developers' pages say; those of reviews and platforms are in `oauth.apps.app_words`."""

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from oauth.apps.clients import Attestation, AuthMethod

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
