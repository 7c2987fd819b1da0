"""The signed-in home of the provider portal."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from service.provider.gate import current_staff, require_staff

blueprint = Blueprint("provider_home", __name__, url_prefix="/provider")


@blueprint.get("/home")
@require_staff
def index() -> ResponseReturnValue:
    """What this login can do here."""
    return render_template("provider/home.html", staff=current_staff())
