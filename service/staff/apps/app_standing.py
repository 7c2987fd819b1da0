"""An app that stands: stop it, let it in again, take scopes away, close it for good; and what people report of it."""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from oauth.apps import app_reports, changes, reviews
from oauth.apps.app_reports import ClosedAlready, UnknownReport
from oauth.apps.changes import NotNarrower
from oauth.apps.clients import NoSuchClient
from oauth.apps.reviews import WrongState
from service.accounts import kept_form
from service.plan.models import StaffRole
from service.plan.staff.plan_staff import NotOneself
from service.staff.apps import app_review_page
from service.staff.apps.moves import move
from service.staff.gate import current_staff, require_role
from service.staff.refusals import NothingChanged
from service.staff.schemas import NarrowApp, Reason
from service.web import NotFoundPage, db_session, load_form

blueprint = Blueprint("staff_app_standing", __name__, url_prefix="/staff/app-reviews")


@blueprint.post("/<client_id>/suspend")
@kept_form.keeping(lambda client_id: url_for("staff_app_reviews.show", client_id=client_id))
@require_role(StaffRole.APP_REVIEWER)
def suspend(client_id: str) -> ResponseReturnValue:
    """Shut the app out at once; what members agreed to rests."""
    return _move(client_id, "suspend", reviews.suspend)


@blueprint.post("/<client_id>/reinstate")
@kept_form.keeping(lambda client_id: url_for("staff_app_reviews.show", client_id=client_id))
@require_role(StaffRole.APP_REVIEWER)
def reinstate(client_id: str) -> ResponseReturnValue:
    """Let it in again."""
    return _move(client_id, "reinstate", reviews.reinstate)


@blueprint.post("/<client_id>/narrow")
@kept_form.keeping(lambda client_id: url_for("staff_app_reviews.show", client_id=client_id))
@require_role(StaffRole.APP_REVIEWER)
def narrow(client_id: str) -> ResponseReturnValue:
    """Take away some of what it may ask for; what is connected goes on with the rest."""
    app_review_page.get(client_id)
    form, errors = load_form(NarrowApp())
    if errors:
        return app_review_page.render(client_id, "narrow", errors), 400
    by = current_staff().account_id
    try:
        changes.narrow(db_session(), client_id, form["scopes"], reason=form["reason"], by_account_id=by)
    except NotNarrower as refusal:
        return app_review_page.render(client_id, "narrow", {"scopes": [refusal.sentence]}), 400
    except (WrongState, NotOneself) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return _done(client_id, "narrow")


@blueprint.post("/<client_id>/retire")
@kept_form.keeping(lambda client_id: url_for("staff_app_reviews.show", client_id=client_id))
@require_role(StaffRole.APP_REVIEWER)
def retire(client_id: str) -> ResponseReturnValue:
    """Close it for good; every connection ends."""
    return _move(client_id, "retire", reviews.retire_for_plan)


@blueprint.post("/<client_id>/reports/<uuid:report_id>/close")
@kept_form.keeping(lambda client_id, report_id: url_for("staff_app_reviews.show", client_id=client_id))
@require_role(StaffRole.APP_REVIEWER)
def close_report(client_id: str, report_id: UUID) -> ResponseReturnValue:
    """Write down what was done about a report."""
    form, errors = load_form(Reason())
    if errors:
        return app_review_page.render(client_id, str(report_id), errors), 400
    try:
        app_reports.close(db_session(), client_id, str(report_id), by=current_staff(), outcome=form["reason"])
    except (NoSuchClient, UnknownReport):
        raise NotFoundPage from None
    except (ClosedAlready, NotOneself) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return _done(client_id, "closed")


def _move(client_id: str, step: str, take: Callable[..., None]) -> ResponseReturnValue:
    app_review_page.get(client_id)
    refused = move(client_id, take, lambda errors: app_review_page.render(client_id, step, errors))
    return refused or _done(client_id, step)


def _done(client_id: str, what: str) -> ResponseReturnValue:
    return redirect(url_for("staff_app_reviews.show", client_id=client_id, done=what), 303)
