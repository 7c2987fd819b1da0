"""The signed-in home of the provider portal: the Applications menu, messages, the delegate."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.plan.logins import delegates, portal_staff
from service.plan.models import StaffStatus
from service.plan.registering import joining
from service.provider import menu
from service.provider.gate import application_missing, current_staff, require_staff
from service.web import db_session

blueprint = Blueprint("provider_home", __name__, url_prefix="/provider")


@blueprint.get("/home")
@require_staff
def index() -> ResponseReturnValue:
    """What this login can do here."""
    staff = current_staff()
    held = menu.applications_of(staff)
    asked = delegates.open_requests(db_session(), staff.organization_id)
    # Before the PIN nothing is proven: the delegates are named to nobody from outside (security.md 127).
    awaiting_pin = staff.status is not StaffStatus.ACTIVE
    return render_template(
        "provider/home.html",
        staff=staff,
        applications=held,
        lacking=[one for one in menu.offered_to(staff) if one not in held],
        awaiting_pin=awaiting_pin,
        may_become_delegate=joining.may_ask(db_session(), staff),
        asks_to_be_delegate=any(asker.id == staff.id for _, asker in asked),
        to_decide=sum(asker.id != staff.id for _, asker in asked),
        delegates=[] if awaiting_pin else portal_staff.delegates_of(db_session(), staff.organization_id),
    )


@blueprint.get("/go")
@require_staff
def go() -> ResponseReturnValue:
    """From the Applications menu to the application chosen; without one, back to the menu."""
    staff = current_staff()
    chosen = menu.find(request.args.get("application", ""))
    if chosen is None or chosen not in menu.offered_to(staff) or staff.status is StaffStatus.AWAITING_PIN:
        return redirect(url_for("provider_home.index"), 303)
    if not staff.may(chosen.function):
        raise application_missing()
    return redirect(url_for(chosen.endpoint), 303)
