"""Protected records: the privacy officer marks members whose page needs a second reason, and lifts the mark."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service import audit
from service.accounts import kept_form
from service.audit import Outcome
from service.plan.members import roster
from service.plan.models import ProtectedRecord, StaffRole
from service.plan.staff import plan_staff, record_guards
from service.plan.staff.record_guards import ProtectedAlready
from service.staff import names_listed
from service.staff.gate import current_staff, require_role
from service.staff.schemas import Protection, Reason
from service.web import NotFoundPage, db_session, load_form

blueprint = Blueprint("staff_protected", __name__, url_prefix="/staff/protected-records")
_NOBODY = "No member has this member ID."


@blueprint.get("/")
@require_role(StaffRole.PRIVACY_OFFICER)
def index() -> ResponseReturnValue:
    """Every protected record, and the form that adds one."""
    return _page({})


@blueprint.post("/")
@kept_form.keeping()
@require_role(StaffRole.PRIVACY_OFFICER)
def protect() -> ResponseReturnValue:
    """Mark a record."""
    form, errors = load_form(Protection())
    if errors:
        return _page(errors), 400
    member = roster.find_by_number(db_session(), form["member_number"])
    if member is None:
        audit.record(
            db_session(), "staff:protected_record:mark", outcome=Outcome.FAILED,
            account_id=current_staff().account_id, count=0, detail={"asked_for": form["member_number"]},
        )  # fmt: skip
        return _page({"member_number": [_NOBODY]}), 400
    try:
        record_guards.protect(db_session(), member, by=current_staff(), reason=form["reason"])
    except ProtectedAlready as refusal:
        return _page({"member_number": [refusal.sentence]}), 400
    return redirect(url_for("staff_protected.index", done="marked"), 303)


@blueprint.post("/<patient_id>/lift")
@kept_form.keeping(lambda patient_id: url_for("staff_protected.index"))
@require_role(StaffRole.PRIVACY_OFFICER)
def lift(patient_id: str) -> ResponseReturnValue:
    """Take a mark away."""
    member = roster.find_by_patient(db_session(), patient_id)
    marked = db_session().get(ProtectedRecord, member.id) if member else None
    if marked is None:
        raise NotFoundPage
    form, errors = load_form(Reason())
    if errors:
        return _page(errors, about=patient_id), 400
    record_guards.lift(db_session(), marked, by=current_staff(), reason=form["reason"])
    return redirect(url_for("staff_protected.index", done="lifted"), 303)


def _page(errors: dict[str, list[str]], about: str = "") -> str:
    session = db_session()
    records = record_guards.list_protected(session)
    names_listed.record("protected_record", (one.member_id for one in records))
    return render_template(
        "staff/protected_records.html", records=records, errors=errors, about=about,
        typed=request.form, done=request.args.get("done", ""),
        name_of=lambda account_id: plan_staff.name_of(session, account_id),
    )  # fmt: skip
