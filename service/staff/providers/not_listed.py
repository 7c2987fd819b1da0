"""The e-Services queue: providers who did not find themselves in the list when they registered."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.accounts import kept_form
from service.plan.models import StaffRole
from service.plan.providers.numbers import shown_tax_id
from service.plan.registering import not_listed
from service.plan.registering.not_listed import HandledAlready
from service.staff.gate import current_staff, require_role
from service.staff.refusals import NothingChanged
from service.staff.schemas import Resolution
from service.web import NotFoundPage, db_session, load_form

blueprint = Blueprint("staff_not_listed", __name__, url_prefix="/staff/not-listed")


@blueprint.get("/")
@require_role(StaffRole.PROVIDER_SERVICES)
def index() -> ResponseReturnValue:
    """What waits, the oldest first."""
    return _page("", {})


@blueprint.post("/<uuid:request_id>")
@kept_form.keeping(lambda request_id: url_for("staff_not_listed.index"))
@require_role(StaffRole.PROVIDER_SERVICES)
def decide(request_id: UUID) -> ResponseReturnValue:
    """Close a request with what was done."""
    session = db_session()
    asked = next((each for each in not_listed.open_requests(session) if each.id == str(request_id)), None)
    if asked is None:
        raise NotFoundPage
    form, errors = load_form(Resolution())
    if errors:
        return _page(asked.id, errors), 400
    try:
        not_listed.decide(
            session, asked.id, form["status"], form["resolution"], by_account_id=current_staff().account_id
        )
    except HandledAlready:
        raise NothingChanged("A colleague has closed this request already.") from None
    return redirect(url_for("staff_not_listed.index", done="yes"), 303)


def _page(about: str, errors: dict[str, list[str]]) -> str:
    return render_template(
        "staff/not_listed.html", requests=not_listed.open_requests(db_session()), about=about, errors=errors,
        typed=request.form, done=request.args.get("done", ""), shown_tax_id=shown_tax_id,
    )  # fmt: skip
