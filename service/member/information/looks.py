"""Who has looked at my information: each time plan staff opened the member's page, by whom and why."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from service.accounts.sessions import require_login
from service.member.acting import get_actor, require_choice
from service.plan.models import SupportPurpose
from service.plan.staff import support_looks
from service.web import NotFoundPage, db_session

blueprint = Blueprint("looks", __name__)
PURPOSES: dict[SupportPurpose, LazyString] = {
    SupportPurpose.MEMBER_CALLED: _("You called or wrote to us"),
    SupportPurpose.SIGN_IN: _("Trouble signing in to your account"),
    SupportPurpose.APPS: _("A question about an app"),
    SupportPurpose.COMPLAINT: _("A complaint"),
    SupportPurpose.SAFETY: _("A sign that somebody may misuse your account"),
}


@blueprint.get("/who-has-looked")
@require_login
@require_choice
def index() -> ResponseReturnValue:
    """The list, for the member alone: what they told the plan is not for their representatives."""
    actor = get_actor()
    if not actor.choice.is_self:
        raise NotFoundPage
    looks = support_looks.of_member(db_session(), actor.choice.member)
    return render_template("member/looks.html", looks=looks, purposes=PURPOSES)
