"""How fresh the plan's data is: each source's last delivery, received and visible, and what is not visible yet."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from fhir.loading import freshness
from service.plan.models import StaffRole
from service.staff.gate import require_role
from service.web import db_session, settings

blueprint = Blueprint("staff_data_freshness", __name__, url_prefix="/staff/data-freshness")


@blueprint.get("")
@require_role(StaffRole.ADMINISTRATOR, StaffRole.MEMBER_SERVICES)
def index() -> ResponseReturnValue:
    """Every source, what waits first."""
    found = freshness.deliveries(db_session(), settings().plan.timezone)
    return render_template("staff/data_freshness.html", deliveries=found)
