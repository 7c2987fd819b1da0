"""What the page of one app shows to a reviewer, gathered in one place for all the steps that end on it."""

from dataclasses import dataclass
from typing import Any

from flask import render_template, request
from sqlalchemy.orm import Session

from consent import grants
from oauth.apps import (
    admission,
    app_reports,
    app_words,
    approval,
    clients,
    developers,
    review_checks,
    review_clock,
    reviews,
)
from oauth.apps.app_content import AppContent
from oauth.apps.clients import ClientView, NoSuchClient
from oauth.apps.models import AppReview, ReviewState
from service.plan.staff import plan_staff
from service.plan.staff.plan_staff import NotOneself
from service.staff.gate import current_staff
from service.staff.refusals import NothingChanged
from service.web import NotFoundPage, db_session

Errors = dict[str, list[str]]
_UNDECIDED = (ReviewState.SUBMITTED, ReviewState.MORE_INFORMATION)


@dataclass(frozen=True)
class Shown:
    """An app as a reviewer meets it: how it stands, and the version that waits for the plan, if one does."""

    app: ClientView
    versions: admission.Versions
    waiting: AppReview | None

    @property
    def version(self) -> AppReview:
        """The version that the page is about: what waits, else the latest."""
        return self.waiting or self.versions.latest


def get(client_id: str) -> Shown:
    """The app with this id; a page that is not there for every other."""
    session = db_session()
    try:
        app, versions = clients.get(session, client_id), admission.versions_of(session, client_id)
    except NoSuchClient:
        raise NotFoundPage from None
    waiting = versions.latest if versions.latest.state in _UNDECIDED else None
    return Shown(app, versions, waiting)


def get_version_seen(client_id: str) -> AppReview:
    """The waiting version that the form was made for; raises NothingChanged where it has moved on since."""
    waiting = get(client_id).waiting
    if waiting is None or request.form.get("seen") != waiting.as_seen:
        raise NothingChanged(reviews.WrongState.sentence)
    return waiting


def render(client_id: str, about: str = "", errors: Errors | None = None) -> str:
    """The page; `about` is the form whose `errors` are shown with what was typed."""
    session, shown = db_session(), get(client_id)
    version = shown.version
    content = AppContent.read(version.content)
    return render_template(
        "staff/app_review.html", app=shown.app, versions=shown.versions, waiting=shown.waiting, version=version,
        content=content, seen=version.as_seen, about=about, errors=errors or {}, typed=request.form,
        done=request.args.get("done", ""), words=app_words, kept_out=_kept_out(session, version),
        organization=_organization(session, shown.app), clock=review_clock.read(session, version),
        changes=approval.changes_of(session, version) if shown.versions.standing and shown.waiting else [],
        foreign=review_checks.foreign_addresses(content, shown.app.developer_domain),
        grounds=reviews.grounds_of(session, version),
        act=approval.find_waiting(session, version), me=current_staff().account_id,
        connected=grants.count_live_of_app(session, client_id),
        name_of=lambda account_id: plan_staff.name_of(session, account_id), **_lists(session, version, client_id),
    )  # fmt: skip


def _lists(session: Session, version: AppReview, client_id: str) -> dict[str, Any]:
    return {
        "checks": review_checks.asked_of(session, client_id), "answers": review_checks.answers_of(session, version),
        "earlier_answers": review_checks.history(session, version), "history": reviews.history(session, client_id),
        "reports": app_reports.list_open(session, client_id), "closed": app_reports.list_closed(session, client_id),
    }  # fmt: skip


def _organization(session: Session, app: ClientView) -> Any:
    return developers.get_organization(session, app.organization_id) if app.organization_id else None


def _kept_out(session: Session, version: AppReview) -> str:
    """Why this person may not decide on the app, in a sentence; empty for everybody who may."""
    try:
        reviews.require_may_review(session, version, by_account_id=current_staff().account_id)
    except NotOneself as refusal:
        return refusal.sentence
    return ""
