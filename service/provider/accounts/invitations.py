"""The page a delegate's mailed invitation leads to."""

from flask import Blueprint
from flask_babel import lazy_gettext as _

from service.accounts.invitation_pages import InvitationPages
from service.plan.logins import invitations
from service.plan.logins.portal_accounts import LoginElsewhere
from service.web import PageError

blueprint = Blueprint("provider_invitations", __name__, url_prefix="/provider/invitation")


class OneLoginOnly(PageError):
    """The account has a login of the portal that works."""

    status = 409
    title = _("You have a login of the portal already")
    sentence = _(
        "One person has one login. If you left the other organization, ask its delegate to deactivate your login "
        "there, then open the link again."
    )


InvitationPages(
    folder="provider", home="provider_home.index", get=invitations.get_invitation,
    accept_as_new=invitations.accept_as_new, accept_as_owner=invitations.accept_as_owner,
    refusals={LoginElsewhere: OneLoginOnly},
).place(blueprint)  # fmt: skip
