"""The signed-in home of plan staff."""

from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from service.plan.mailbox.plain_text import shown, shown_line
from service.plan.models import StaffRole
from service.staff import navigation
from service.staff.gate import current_staff, require_role

blueprint = Blueprint("staff_home", __name__, url_prefix="/staff")
# Names and words of strangers, as the console shows them.
blueprint.add_app_template_filter(shown_line, "one_line")
blueprint.add_app_template_filter(shown, "as_text")


@blueprint.get("/")
@require_role(*StaffRole)
def index() -> ResponseReturnValue:
    """What waits for this person."""
    staff = current_staff()
    return render_template("staff/home.html", staff=staff, queues=navigation.queues(staff))


@blueprint.get("/help")
@require_role(*StaffRole)
def help() -> ResponseReturnValue:
    """What people of the plan ask."""
    return render_template("staff/help.html")


@blueprint.app_context_processor
def _tabs() -> dict[str, Any]:
    # A function: only the frame of staff pages calls it.
    return {"staff_tabs": lambda: navigation.tabs(current_staff())}
