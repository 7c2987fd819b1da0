"""Test launch, in the sandbox: the app is started, and the page tells each step that the server saw."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString

from oauth.apps import own_apps, redirects
from oauth.apps.clients import ClientView
from oauth.trials import faults, trace, tracing
from oauth.trials.checks import AUTHORIZING, Check
from oauth.trials.models import Seen, TraceStep
from service.developer.developer_schemas import FaultChoice
from service.developer.gate import current_developer, own_app, require_developer
from service.developer.trial_words import ERRORS, FAILED, FAULTS, PASSED, STATUSES, TRACE_STEPS
from service.web import db_session, load_form, settings

pages = Blueprint("developer_trial", __name__, url_prefix="/developers/apps/<client_id>/trial")


@dataclass(frozen=True)
class Told:
    """A step in words."""

    at: datetime
    words: LazyString
    failed: bool
    why: LazyString | str
    passed: tuple[LazyString, ...]
    error: str
    status: int | None
    resource_type: str


def install(app: Flask) -> None:
    """Add the pages, in the sandbox only."""
    if app.extensions["latchstring"].settings.sandbox:
        app.register_blueprint(pages)


@pages.get("")
@require_developer
def show(client_id: str) -> ResponseReturnValue:
    """What the app did since its trace was begun, and the fault that it meets."""
    return _page(own_app(client_id), {})


@pages.post("/fault")
@require_developer
def switch_fault(client_id: str) -> ResponseReturnValue:
    """Let the app meet a fault; it is known everywhere a second later."""
    app = own_app(client_id)
    form, errors = load_form(FaultChoice())
    if errors:
        return _page(app, errors), 400
    try:
        faults.switch_on(db_session(), current_developer(), app.id, form["fault"], requests=form["requests"])
    except own_apps.OrganizationDisabled as refused:
        return _page(app, {"_schema": [refused.sentence]}), 409
    return _back(app, "fault")


@pages.post("/fault/off")
@require_developer
def end_fault(client_id: str) -> ResponseReturnValue:
    """Answer the app as ever; that is known everywhere a second later."""
    app = own_app(client_id)
    try:
        faults.switch_off(db_session(), current_developer(), app.id)
    except own_apps.OrganizationDisabled as refused:
        return _page(app, {"_schema": [refused.sentence]}), 409
    return _back(app, "no-fault")


@pages.post("")
@require_developer
def begin(client_id: str) -> ResponseReturnValue:
    """Write the app's steps down from now on, from none."""
    app = own_app(client_id)
    try:
        trace.begin(db_session(), current_developer(), app.id)
    except own_apps.OrganizationDisabled:
        return _back(app, "")
    tracing.forget_known()
    return _back(app, "begun")


@pages.post("/end")
@require_developer
def end(client_id: str) -> ResponseReturnValue:
    """Write nothing more."""
    app = own_app(client_id)
    try:
        trace.end(db_session(), current_developer(), app.id)
    except own_apps.OrganizationDisabled:
        return _back(app, "")
    tracing.forget_known()
    return _back(app, "ended")


def _page(app: ClientView, errors: dict[str, list[str]]) -> str:
    session = db_session()
    return render_template(
        "developer/trial.html", app=app, until=trace.traced_until(session, app.id), start=_start(app),
        steps=[_tell(step) for step in trace.steps_of(session, app.id)], done=request.args.get("done", ""),
        organization_stands=current_developer().organization.stands, fhir_base=settings().fhir_base,
        fault=faults.find(session, app.id), faults=FAULTS, errors=errors, given=request.form,
        minutes=int(trace.LIFE.total_seconds() // 60), most=trace.MOST_STEPS,
    )  # fmt: skip


def _back(app: ClientView, done: str) -> ResponseReturnValue:
    return redirect(url_for("developer_trial.show", client_id=app.id, done=done), 303)


def _start(app: ClientView) -> str | None:
    """Where a browser begins with the app: its launch address told whose API it is, else its own site."""
    if app.launch_uris:
        return redirects.with_parameters(app.launch_uris[0], iss=settings().fhir_base)
    if app.website:
        return app.website
    web_ones = [uri for uri in app.redirect_uris if urlsplit(uri).scheme in {"http", "https"}]
    return next((f"{parts.scheme}://{parts.netloc}/" for parts in map(urlsplit, web_ones)), None)


def _tell(step: TraceStep) -> Told:
    return Told(
        step.at, TRACE_STEPS[step.step], step.failed, _why(step) if step.failed else "", _passed(step), step.error,
        step.status, step.resource_type,
    )  # fmt: skip


def _why(step: TraceStep) -> LazyString | str:
    if step.failed_check is not None:
        return FAILED[step.failed_check]
    if step.step is Seen.READ:
        return STATUSES.get(step.status or 0, "")
    return ERRORS.get(step.error, "")


def _passed(step: TraceStep) -> tuple[LazyString, ...]:
    """The checks of an authorization request that it passed before one failed."""
    if step.step is not Seen.AUTHORIZE:
        return ()
    order: tuple[Check, ...] = AUTHORIZING
    before = order if step.failed_check not in order else order[: order.index(step.failed_check)]
    return tuple(PASSED[check] for check in before if check in PASSED)
