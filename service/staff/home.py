"""The signed-in home of plan staff."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from service.plan.models import StaffRole
from service.staff.gate import current_staff, require_role

blueprint = Blueprint("staff_home", __name__, url_prefix="/staff")


@blueprint.get("/")
@require_role(*StaffRole)
def index() -> ResponseReturnValue:
    """What waits for this person."""
    return render_template("staff/home.html", staff=current_staff())
