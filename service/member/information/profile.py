"""My Profile: what the plan has on file, to read; it is changed by phone only. Each look has its audit row."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from service.accounts.sessions import require_login
from service.member.acting import get_actor, require_choice
from service.member.information import reading
from service.web import db_session

blueprint = Blueprint("profile", __name__)


@blueprint.get("/profile")
@require_login
@require_choice
def index() -> ResponseReturnValue:
    """Address, phone and e-mail on file."""
    return render_template("member/profile.html", member=reading.profile(db_session(), get_actor()))
