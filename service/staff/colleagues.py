"""The plan's own people, for administrators: their roles, and the way out for a lost factor."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from service.plan.models import StaffRole
from service.plan.staff import plan_staff
from service.staff.gate import current_staff, require_role
from service.web import db_session

blueprint = Blueprint("staff_colleagues", __name__, url_prefix="/staff/colleagues")
ROLES = {
    StaffRole.MEMBER_SERVICES: _("Member services"),
    StaffRole.APP_REVIEWER: _("App reviewer"),
    StaffRole.PROVIDER_SERVICES: _("Provider services"),
    StaffRole.PRIVACY_OFFICER: _("Privacy officer"),
    StaffRole.ADMINISTRATOR: _("Administrator"),
}


@blueprint.get("/")
@require_role(StaffRole.ADMINISTRATOR)
def index() -> ResponseReturnValue:
    """Everybody with a place in the console. They are appointed at the command line (`flask staff`)."""
    people = plan_staff.serving(db_session())
    return render_template(
        "staff/colleagues.html", people=people, roles=ROLES, roles_of=plan_staff.roles_of, me=current_staff().id
    )
