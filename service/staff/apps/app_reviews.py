"""App reviews: the queue by waiting time, and the steps of a reviewer about a version that waits."""

from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from oauth.apps import app_reports, app_words, approval, clients, review_checks, review_clock, reviews
from oauth.apps.clients import ClientView
from oauth.apps.models import AppReport, AppReview, CheckAnswer, ReviewState
from oauth.apps.review_clock import ReviewClock
from oauth.apps.reviews import AnswerAwaited, WrongState
from service.accounts import kept_form
from service.plan.models import PendingAct, StaffRole
from service.plan.staff import plan_staff
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import SecondLookRefused
from service.staff.apps import app_review_page
from service.staff.gate import current_staff, require_role
from service.staff.refusals import NothingChanged
from service.staff.schemas import Decline, Question, Reason
from service.web import db_session, load_form

blueprint = Blueprint("staff_app_reviews", __name__, url_prefix="/staff/app-reviews")
_MOST_FOUND = 100


@dataclass(frozen=True)
class Waiting:
    """A version in the queue."""

    review: AppReview
    app: ClientView
    clock: ReviewClock | None
    act: PendingAct | None


@blueprint.get("/")
@require_role(StaffRole.APP_REVIEWER)
def index() -> ResponseReturnValue:
    """What waits for the plan, for developers' answers, and what people have reported; every app by a search."""
    session, sought = db_session(), request.args.get("q", "").strip()[:100]
    reports = app_reports.list_open(session)
    return render_template(
        "staff/app_reviews.html", waiting=_queue(session, ReviewState.SUBMITTED),
        asked=_queue(session, ReviewState.MORE_INFORMATION), words=app_words, sought=sought,
        usual_days=review_clock.usual_days(session), found=_find(session, sought),
        reported=[(clients.get(session, client_id), _count(reports, client_id)) for client_id in _apps_of(reports)],
        name_of=lambda account_id: plan_staff.name_of(session, account_id),
    )  # fmt: skip


@blueprint.get("/<client_id>")
@require_role(StaffRole.APP_REVIEWER)
def show(client_id: str) -> ResponseReturnValue:
    """One app."""
    return app_review_page.render(client_id)


@blueprint.post("/<client_id>/checks")
@kept_form.keeping(lambda client_id: url_for("staff_app_reviews.show", client_id=client_id))
@require_role(StaffRole.APP_REVIEWER)
def check(client_id: str) -> ResponseReturnValue:
    """Keep what was found so far."""
    review, session = app_review_page.get_version_seen(client_id), db_session()
    said = {one.key: _answered(one.key) for one in review_checks.asked_of(session, client_id)}
    given = {key: answered for key, answered in said.items() if answered is not None}
    try:
        review_checks.answer(session, review, given, by=current_staff())
    except (WrongState, NotOneself) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return _done(client_id, "checked")


@blueprint.post("/<client_id>/ask")
@kept_form.keeping(lambda client_id: url_for("staff_app_reviews.show", client_id=client_id))
@require_role(StaffRole.APP_REVIEWER)
def ask(client_id: str) -> ResponseReturnValue:
    """Ask the developer for more."""
    review = app_review_page.get_version_seen(client_id)
    form, errors = load_form(Question())
    if errors:
        return app_review_page.render(client_id, "ask", errors), 400
    try:
        reviews.ask_more(db_session(), review, by_account_id=current_staff().account_id, question=form["question"])
    except (WrongState, NotOneself) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return _done(client_id, "asked")


@blueprint.post("/<client_id>/decline")
@kept_form.keeping(lambda client_id: url_for("staff_app_reviews.show", client_id=client_id))
@require_role(StaffRole.APP_REVIEWER)
def decline(client_id: str) -> ResponseReturnValue:
    """Say no on one of the fixed grounds, with words."""
    review = app_review_page.get_version_seen(client_id)
    form, errors = load_form(Decline())
    if errors:
        return app_review_page.render(client_id, "decline", errors), 400
    try:
        reviews.decline(db_session(), review, by_account_id=current_staff().account_id, **form)
    except (WrongState, AnswerAwaited, NotOneself) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return _done(client_id, "declined")


@blueprint.post("/<client_id>/approve")
@kept_form.keeping(lambda client_id: url_for("staff_app_reviews.show", client_id=client_id))
@require_role(StaffRole.APP_REVIEWER)
def approve(client_id: str) -> ResponseReturnValue:
    """The first yes: a second person is asked, and shown what changes."""
    review = app_review_page.get_version_seen(client_id)
    form, errors = load_form(Reason())
    if errors:
        return app_review_page.render(client_id, "approve", errors), 400
    try:
        approval.first_look(db_session(), review, by=current_staff(), reason=form["reason"])
    except (NotOneself, SecondLookRefused) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return _done(client_id, "approved")


def _answered(key: str) -> tuple[CheckAnswer, str] | None:
    """What was ticked for a question and noted beside it; None where nothing, or nothing that we know, was ticked."""
    ticked = request.form.get(f"answer-{key}", "")
    if ticked not in set(CheckAnswer):
        return None
    return CheckAnswer(ticked), request.form.get(f"note-{key}", "").strip()[: review_checks.MOST_NOTE]


def _queue(session: Session, state: ReviewState) -> list[Waiting]:
    return [
        Waiting(
            review, clients.get(session, review.client_id), review_clock.read(session, review),
            approval.find_waiting(session, review),
        )
        for review in reviews.list_in_state(session, state)
    ]  # fmt: skip


def _find(session: Session, sought: str) -> list[ClientView]:
    if not sought:
        return []
    wanted = sought.casefold()
    every = clients.list_clients(session)
    return [app for app in every if wanted in f"{app.name}\n{app.developer_name}\n{app.id}".casefold()][:_MOST_FOUND]


def _apps_of(reports: list[AppReport]) -> list[str]:
    return list(dict.fromkeys(report.client_id for report in reports))


def _count(reports: list[AppReport], client_id: str) -> int:
    return sum(report.client_id == client_id for report in reports)


def _done(client_id: str, what: str) -> ResponseReturnValue:
    return redirect(url_for("staff_app_reviews.show", client_id=client_id, done=what), 303)
