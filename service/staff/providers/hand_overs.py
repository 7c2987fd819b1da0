"""Delegate hand-overs: wishes to become delegate where the one who is does not answer any more."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.accounts import kept_form
from service.plan.logins import hand_overs
from service.plan.logins.hand_overs import HandOver, UnknownHandOver
from service.plan.models import StaffRole
from service.plan.registering.joining import REASON_WORDS
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import SecondLookRefused
from service.staff.gate import current_staff, require_role
from service.staff.refusals import NothingChanged
from service.staff.schemas import NewDelegate, Reason
from service.web import NotFoundPage, db_session, load_form

blueprint = Blueprint("staff_hand_overs", __name__, url_prefix="/staff/hand-overs")


@blueprint.get("/")
@require_role(StaffRole.PROVIDER_SERVICES)
def index() -> ResponseReturnValue:
    """What waits, the oldest first."""
    return _page("", {})


@blueprint.post("/<uuid:request_id>/approve")
@kept_form.keeping(lambda request_id: url_for("staff_hand_overs.index"))
@require_role(StaffRole.PROVIDER_SERVICES)
def approve(request_id: UUID) -> ResponseReturnValue:
    """Ask a second person to make the registrant delegate."""
    found = _get(request_id)
    form, errors = load_form(NewDelegate())
    if errors:
        return _page(found.request.id, errors), 400
    try:
        hand_overs.ask(db_session(), found.staff, by=current_staff(), request_id=found.request.id, **form)
    except (NotOneself, SecondLookRefused) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return redirect(url_for("staff_hand_overs.index", done="asked"), 303)


@blueprint.post("/<uuid:request_id>/refuse")
@kept_form.keeping(lambda request_id: url_for("staff_hand_overs.index"))
@require_role(StaffRole.PROVIDER_SERVICES)
def refuse(request_id: UUID) -> ResponseReturnValue:
    """Say no to the registrant."""
    found = _get(request_id)
    form, errors = load_form(Reason())
    if errors:
        return _page(found.request.id, errors), 400
    try:
        hand_overs.refuse(db_session(), found, by=current_staff(), reason=form["reason"])
    except (NotOneself, SecondLookRefused) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return redirect(url_for("staff_hand_overs.index", done="refused"), 303)


def _get(request_id: UUID) -> HandOver:
    try:
        return hand_overs.get_open(db_session(), str(request_id))
    except UnknownHandOver:
        raise NotFoundPage from None


def _page(about: str, errors: dict[str, list[str]]) -> str:
    return render_template(
        "staff/hand_overs.html", hand_overs=hand_overs.list_open(db_session()), about=about, errors=errors,
        typed=request.form, done=request.args.get("done", ""), reasons=REASON_WORDS,
    )  # fmt: skip
