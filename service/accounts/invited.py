"""What people read of an invitation that they cannot take up, whoever invites: portal or developers."""

from flask_babel import lazy_gettext as _

from service.web import PageError


class LinkOver(PageError):
    """The link does not work: unknown, used, withdrawn or too old."""

    status = 410
    title = _("This invitation does not work any more")
    sentence = _(
        "It may have been used already, withdrawn, or be older than 7 days. If you have taken it up, sign in. "
        "Otherwise ask the person who invited you to send it again."
    )


class NotYours(PageError):
    """Somebody is signed in under another address than the one that was invited."""

    status = 403
    title = _("This invitation is for another account")
    sentence = _("Sign out, then open the link from the e-mail again and sign in with the account of that address.")
