"""PIN letters for the mail room: what waits, printing, ending a PIN, another letter (product.md ST)."""

from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from service.clock import now
from service.plan.models import MailedPin, ProviderStaff, StaffRole, StaffStatus
from service.plan.registering import mailed_pins, pin_letters
from service.plan.registering.mailed_pins import LettersUsedUp, NoAddress, PinOver
from service.plan.staff.plan_staff import NotOneself
from service.staff.gate import current_staff, require_role
from service.web import db_session, settings

blueprint = Blueprint("staff_letters", __name__, url_prefix="/staff/letters")
_OVER = _("That PIN was used, has run out or is void already. Nothing was changed.")
_USED_UP = _("No letter was made: at most 3 go to one office within 30 days.")
_NO_ADDRESS = _("No letter was made: the plan has no current address of this provider on file.")


@blueprint.get("")
@require_role(StaffRole.PROVIDER_SERVICES)
def index() -> ResponseReturnValue:
    """What waits to be printed, and what became of earlier letters."""
    return _page({})


@blueprint.post("/print")
@require_role(StaffRole.PROVIDER_SERVICES)
def print_all() -> ResponseReturnValue:
    """The waiting letters to others as one PDF; each is printed once, afterwards its PIN is nowhere but on paper."""
    letters = mailed_pins.take_for_printing(db_session(), key=settings().secret_key, by=current_staff())
    if not letters:
        return redirect(url_for("staff_letters.index"), 303)
    made = pin_letters.make(letters, settings().plan, settings().base_url)
    name = f"pin-letters-{now():%Y%m%d-%H%M%S}.pdf"
    return Response(made, mimetype="application/pdf", headers={"Content-Disposition": f'attachment; filename="{name}"'})


@blueprint.post("/<uuid:pin_id>/void")
@require_role(StaffRole.PROVIDER_SERVICES)
def void(pin_id: UUID) -> ResponseReturnValue:
    """End a PIN before its time."""
    try:
        mailed_pins.void(db_session(), str(pin_id), by=current_staff())
    except NotOneself as refusal:
        return _page({"_schema": [refusal.sentence]}), 403
    except PinOver:
        return _page({"_schema": [_OVER]}), 409
    return redirect(url_for("staff_letters.index", saved="void"), 303)


@blueprint.post("/<uuid:pin_id>/resend")
@require_role(StaffRole.PROVIDER_SERVICES)
def resend(pin_id: UUID) -> ResponseReturnValue:
    """Put a new letter in place of a lost one; the older PIN ends."""
    try:
        mailed_pins.resend(db_session(), str(pin_id), key=settings().secret_key, by=current_staff())
    except NotOneself as refusal:
        return _page({"_schema": [refusal.sentence]}), 403
    except PinOver:
        return _page({"_schema": [_OVER]}), 409
    except LettersUsedUp:
        return _page({"_schema": [_USED_UP]}), 409
    except NoAddress:
        return _page({"_schema": [_NO_ADDRESS]}), 409
    return redirect(url_for("staff_letters.index", saved="resend"), 303)


def _page(errors: object) -> str:
    session = db_session()
    waiting, earlier = mailed_pins.waiting_letters(session), mailed_pins.recent_letters(session)
    logins = {pin.staff_id: session.get_one(ProviderStaff, pin.staff_id) for pin in (*waiting, *earlier)}
    me = current_staff().account_id
    own = {staff_id for staff_id, login in logins.items() if login.account_id == me}
    return render_template(
        "staff/letters.html", waiting=waiting, earlier=earlier, logins=logins, own=own, state_of=_state_of,
        may_resend=lambda pin: pin.staff_id not in own and logins[pin.staff_id].status is StaffStatus.AWAITING_PIN,
        saved=request.args.get("saved", ""), errors=errors,
    )  # fmt: skip


def _state_of(pin: MailedPin) -> str:
    """used, void, expired, or printed (it can still be entered)."""
    if pin.spent_at is not None:
        return "used"
    if pin.voided_at is not None:
        return "void"
    return "expired" if pin.expires_at <= now() else "printed"
