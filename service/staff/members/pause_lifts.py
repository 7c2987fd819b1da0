"""A member can no longer use their account: support asks a second person to lift the member's pause of an app."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from consent import pause_lifts
from consent.pause_lifts import NothingHeld
from oauth.apps import clients
from service.accounts import kept_form
from service.plan.models import StaffRole
from service.plan.staff import support_looks
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import SecondLookRefused
from service.plan.staff.support_looks import LookOver
from service.staff.gate import current_staff, require_role
from service.staff.members import member_view
from service.staff.refusals import NothingChanged
from service.staff.schemas import PauseLift
from service.web import NotFoundPage, db_session, load_form

blueprint = Blueprint("staff_pause_lifts", __name__, url_prefix="/staff/pause-lifts")


@blueprint.route("/<uuid:look_id>/<uuid:grant_id>", methods=["GET", "POST"])
@kept_form.keeping()
@require_role(StaffRole.MEMBER_SERVICES)
def ask(look_id: UUID, grant_id: UUID) -> ResponseReturnValue:
    """Only who looks at that member now gets here."""
    session = db_session()
    try:
        look = member_view.get_open(look_id)
        grant = pause_lifts.get_held(session, look.member, str(grant_id))
    except (LookOver, NothingHeld):
        raise NotFoundPage from None
    support_looks.record(session, look, "view", count=1)
    app = clients.get(session, grant.client_id).name
    form, errors = load_form(PauseLift()) if request.method == "POST" else ({}, {})
    if request.method == "GET" or errors:
        page = render_template(
            "staff/pause_lift.html", look=look, grant=grant, app=app, errors=errors, typed=request.form
        )
        return page, 400 if errors else 200
    try:
        pause_lifts.ask(session, grant, app, by=current_staff(), **form)
    except (NotOneself, SecondLookRefused) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return redirect(url_for("staff_second_looks.index", done="asked"), 303)
