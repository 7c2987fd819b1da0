"""The queue Break-glass looks: a privacy officer reviews each look that needed a second reason."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.plan.models import StaffRole, SupportLook
from service.plan.staff import plan_staff, support_looks
from service.plan.staff.support_looks import OwnLook, ReviewedAlready
from service.staff import names_listed
from service.staff.gate import current_staff, require_role
from service.staff.members.look_words import GUARDS, PURPOSES
from service.staff.refusals import NothingChanged
from service.web import NotFoundPage, db_session

blueprint = Blueprint("staff_break_glass", __name__, url_prefix="/staff/break-glass")


@blueprint.get("/")
@require_role(StaffRole.PRIVACY_OFFICER)
def index() -> ResponseReturnValue:
    """What waits for a review, and what was reviewed lately."""
    session = db_session()
    waiting, over = support_looks.to_review(session), support_looks.reviewed(session)
    names_listed.record("break_glass", (look.member_id for look in (*waiting, *over)))
    return render_template(
        "staff/break_glass.html", waiting=waiting, over=over,
        purposes=PURPOSES, guards=GUARDS, me=current_staff().account_id, done="done" in request.args,
        name_of=lambda account_id: plan_staff.name_of(session, account_id),
    )  # fmt: skip


@blueprint.post("/<uuid:look_id>/review")
@require_role(StaffRole.PRIVACY_OFFICER)
def review(look_id: UUID) -> ResponseReturnValue:
    """Mark one as reviewed."""
    session = db_session()
    look = session.get(SupportLook, str(look_id))
    if look is None or look.guard is None:
        raise NotFoundPage
    try:
        support_looks.review(session, look, by=current_staff())
    except (OwnLook, ReviewedAlready) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return redirect(url_for("staff_break_glass.index", done="yes"), 303)
