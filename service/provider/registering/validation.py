"""*Validate your account*: the mailed PIN, a new letter, and the wish to become delegate (product.md PV 2, 4)."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from service.accounts import kept_form
from service.plan.models import StaffStatus
from service.plan.registering import joining, mailed_pins, registration_end
from service.plan.registering.mailed_pins import LettersUsedUp, NoAddress, PinOver, PinRefused
from service.plan.registering.registration_end import NotToldApart
from service.provider.gate import current_staff, require_staff
from service.provider.registering.registration_schemas import EnteredPin, Reason, load
from service.provider.registering.registration_words import PIN_REFUSED, REASONS
from service.web import NotFoundPage, PageError, db_session, settings

blueprint = Blueprint("provider_validation", __name__, url_prefix="/provider")
_NO_LETTER = _("We can send no letter now: at most 3 go to one office within 30 days. Please try later, or call us.")


class CallUs(PageError):
    """A right PIN that would open other offices too: rolls back, so that the PIN stays good."""

    status = 409
    title = _("Please call us to finish")
    sentence = _(
        "Your PIN is right. But our file has no number that tells your office from others with the same Tax ID, so we "
        "cannot open your access by PIN. Please call us: we will open it for you. Keep the letter at hand."
    )


@blueprint.route("/validate", methods=["GET", "POST"])
@require_staff
def index() -> ResponseReturnValue:
    """The PIN out of the letter; a right one fills the Applications menu."""
    staff = current_staff()
    if staff.status is not StaffStatus.AWAITING_PIN:
        return redirect(url_for("provider_home.index"), 303)
    if request.method == "GET":
        return _page({})
    form, errors = load(EnteredPin())
    if errors:
        return _page(errors), 400
    try:
        registration_end.enter_pin(db_session(), staff, form["pin"], key=settings().secret_key)
    except PinRefused:
        return _page({"pin": [PIN_REFUSED]}), 400
    except NotToldApart:
        raise CallUs from None
    following = "provider_home.index" if staff.is_delegate else "provider_validation.become_delegate"
    # Shown at once: from here on a delegate is asked for the second factor and the terms before any other page.
    return render_template("provider/validated.html", following=url_for(following), delegate=staff.is_delegate)


@blueprint.post("/validate/new-letter")
@require_staff
def new_letter() -> ResponseReturnValue:
    """Another letter in place of one that was lost; the older PIN ends."""
    newest = mailed_pins.newest(db_session(), current_staff())
    if newest is None:
        raise NotFoundPage
    try:
        mailed_pins.resend(db_session(), newest.id, key=settings().secret_key)
    except PinOver:
        raise NotFoundPage from None
    except (LettersUsedUp, NoAddress):
        return _page({"_schema": [_NO_LETTER]}), 400
    return redirect(url_for("provider_validation.index", sent="letter"), 303)


@blueprint.route("/become-delegate", methods=["GET", "POST"])
@kept_form.keeping()
@require_staff
def become_delegate() -> ResponseReturnValue:
    """Why the delegate there cannot assist: own access stands already, delegate status waits for a word."""
    staff = current_staff()
    if not joining.may_ask(db_session(), staff):
        return redirect(url_for("provider_home.index"), 303)
    if request.method == "GET":
        return _reason_page({})
    form, errors = load(Reason())
    if errors:
        return _reason_page(errors), 400
    joining.ask_to_be_delegate(db_session(), staff, form["reason"], form["detail"])
    return redirect(url_for("provider_home.index"), 303)


def _page(errors: object) -> str:
    newest = mailed_pins.newest(db_session(), current_staff())
    return render_template(
        "provider/validate.html", errors=errors, pin=newest, staff=current_staff(), sent=request.args.get("sent", "")
    )


def _reason_page(errors: object) -> str:
    return render_template(
        "provider/become_delegate.html", reasons=REASONS, errors=errors, given=request.form, staff=current_staff()
    )
