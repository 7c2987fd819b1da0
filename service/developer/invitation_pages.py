"""The page a mailed invitation to a developer organisation leads to."""

from flask import Blueprint
from flask_babel import lazy_gettext as _

from oauth.apps.developers import IsDeveloper
from service.accounts.invitation_pages import InvitationPages
from service.developer import inviting
from service.web import PageError

blueprint = Blueprint("developer_invitations", __name__, url_prefix="/developers/invitation")


class OneOrganizationOnly(PageError):
    """The account belongs to a developer organisation."""

    status = 409
    title = _("You belong to a developer organization already")
    sentence = _(
        "One account belongs to one organization. Leave the other one on its page People, then open the link again."
    )


InvitationPages(
    folder="developer", home="developer_apps.index", get=inviting.get_invitation,
    accept_as_new=inviting.accept_as_new, accept_as_owner=inviting.accept_as_owner,
    refusals={IsDeveloper: OneOrganizationOnly},
).place(blueprint)  # fmt: skip
