"""My Profile: what the plan has on file, to read; it is changed by phone only."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from service.accounts.sessions import require_login
from service.member.acting import get_actor, require_choice

blueprint = Blueprint("profile", __name__)


@blueprint.get("/profile")
@require_login
@require_choice
def index() -> ResponseReturnValue:
    """Address, phone and e-mail on file."""
    return render_template("member/profile.html", member=get_actor().choice.member)
