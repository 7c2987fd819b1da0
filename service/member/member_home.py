"""Home after sign-in: cards to everything a member or representative can do here."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from service.accounts.sessions import require_login
from service.member.acting import get_person, require_choice

blueprint = Blueprint("member_home", __name__)


@blueprint.get("/member")
@require_login
@require_choice
def index() -> ResponseReturnValue:
    """The cards."""
    return render_template("member/home.html", person=get_person())
