"""The steps of an app's life that its developers take: submit, withdraw, answer, appeal, give up, retire."""

from collections.abc import Callable
from functools import partial

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from oauth.apps import admission, own_apps, reviews
from oauth.apps.clients import ClientView
from oauth.apps.models import AppReview, Developer
from oauth.apps.reviews import ReviewRefused
from service.accounts import kept_form
from service.accounts.stepping_up import require_recent_password
from service.developer.app_pages import app_address, app_page
from service.developer.developer_schemas import Words
from service.developer.gate import current_developer, own_app, require_developer
from service.web import db_session, load_form, settings

blueprint = Blueprint("developer_steps", __name__, url_prefix="/developers/apps/<client_id>")
Step = Callable[[Session, AppReview, Developer], None]


@blueprint.post("/submit")
@require_developer
def submit(client_id: str) -> ResponseReturnValue:
    """Hand the latest version in."""
    return _take(
        own_app(client_id), "submitted",
        lambda session, latest, by: reviews.submit(session, latest, by_account_id=by.account_id),
    )  # fmt: skip


@blueprint.post("/withdraw")
@require_developer
def withdraw(client_id: str) -> ResponseReturnValue:
    """Take it back to change it."""
    return _take(
        own_app(client_id), "withdrawn",
        lambda session, latest, by: reviews.withdraw(session, latest, by_account_id=by.account_id),
    )  # fmt: skip


@blueprint.post("/drop")
@require_developer
def drop(client_id: str) -> ResponseReturnValue:
    """Give up a version that waits beside the approved one."""
    return _take(
        own_app(client_id), "dropped",
        lambda session, latest, by: reviews.drop(session, latest, by_account_id=by.account_id),
    )  # fmt: skip


@blueprint.post("/answer")
@kept_form.keeping(partial(app_address, form="answer"))
@require_developer
def answer(client_id: str) -> ResponseReturnValue:
    """Answer the plan's question."""
    return _take_with_words(
        own_app(client_id), "answer", "answered",
        lambda session, latest, by, words: reviews.answer(session, latest, by_account_id=by.account_id, answer=words),
    )  # fmt: skip


@blueprint.post("/appeal")
@kept_form.keeping(partial(app_address, form="appeal"))
@require_developer
def appeal(client_id: str) -> ResponseReturnValue:
    """Ask that somebody looks again."""
    return _take_with_words(
        own_app(client_id), "appeal", "appealed",
        lambda session, latest, by, words: reviews.appeal(session, latest, by_account_id=by.account_id, grounds=words),
    )  # fmt: skip


@blueprint.post("/retire")
@kept_form.keeping(partial(app_address, form="retire"))
@require_developer
@require_recent_password(30)
def retire(client_id: str) -> ResponseReturnValue:
    """Close the app for good."""
    app = own_app(client_id)
    return _take_with_words(
        app, "retire", "retired",
        lambda session, _latest, by, words: reviews.retire(
            session, app.id, reason=words, settings=settings(), by_account_id=by.account_id
        ),
    )  # fmt: skip


def _take_with_words(
    app: ClientView, form_name: str, done: str, step: Callable[[Session, AppReview, Developer, str], None]
) -> ResponseReturnValue:
    form, errors = load_form(Words())
    if errors:
        return app_page(app, errors, form_name), 400
    return _take(app, done, lambda session, latest, by: step(session, latest, by, form["words"]), form_name)


def _take(app: ClientView, done: str, step: Step, form_name: str = "") -> ResponseReturnValue:
    session, developer = db_session(), current_developer()
    try:
        own_apps.require_stands(developer)
        step(session, admission.versions_of(session, app.id).latest, developer)
    except ReviewRefused as refused:
        return app_page(app, {"_schema": [refused.sentence]}, form_name), 409
    return redirect(url_for("developer_apps.show", client_id=app.id, done=done), 303)
