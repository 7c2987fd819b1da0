"""My Profile: the login's own contact data, and every provider id it holds with what each reaches."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from service.provider import menu
from service.provider.access import holdings
from service.provider.gate import current_staff, require_staff
from service.web import db_session

blueprint = Blueprint("provider_profile", __name__, url_prefix="/provider/profile")


@blueprint.get("")
@require_staff
def index() -> ResponseReturnValue:
    """Who I am here and what I hold."""
    staff = current_staff()
    return render_template(
        "provider/profile.html",
        staff=staff,
        holdings=holdings.of(db_session(), staff),
        functions=[one.name for one in menu.applications_of(staff)],
    )
