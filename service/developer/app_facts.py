"""What of an app changes at once: its description, the answer about the plan's privacy policy, its secret."""

from functools import partial

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from oauth.apps import own_apps
from oauth.apps.clients import ClientRefused
from oauth.apps.reviews import ReviewRefused
from service.accounts import kept_form
from service.accounts.stepping_up import require_recent_password
from service.developer.app_pages import app_address, app_page
from service.developer.developer_schemas import Answer, Description, Hardening
from service.developer.gate import current_developer, own_app, require_developer
from service.web import db_session, load_form, plan

blueprint = Blueprint("developer_facts", __name__, url_prefix="/developers/apps/<client_id>")
_OTHER_VERSION = _("The privacy policy has changed since the page was made. Please read it and answer again.")


@blueprint.post("/describe")
@kept_form.keeping(partial(app_address, form="describe"))
@require_developer
def describe(client_id: str) -> ResponseReturnValue:
    """Description, support contact, platforms."""
    app = own_app(client_id)
    given = {**request.form.to_dict(), "platforms": request.form.getlist("platforms")}
    form, errors = load_form(Description(), given)
    if errors:
        return app_page(app, errors, "describe"), 400
    try:
        own_apps.describe(
            db_session(), current_developer(), app.id, description=form["description"], contact=form["contact"],
            platforms=[platform.value for platform in form["platforms"]],
        )  # fmt: skip
    except ReviewRefused as refused:
        return app_page(app, {"_schema": [refused.sentence]}, "describe"), 409
    return redirect(url_for("developer_apps.show", client_id=app.id, done="described"), 303)


@blueprint.post("/harden")
@require_developer
@require_recent_password(30)
def harden(client_id: str) -> ResponseReturnValue:
    """Tokens for a key alone, and requests only as sent ahead."""
    app = own_app(client_id)
    form, errors = load_form(Hardening())
    if errors:
        return app_page(app, errors, "harden"), 400
    try:
        own_apps.harden(db_session(), current_developer(), app.id, dpop=form["dpop"], pushed=form["pushed"])
    except ReviewRefused as refused:
        return app_page(app, {"_schema": [refused.sentence]}, "harden"), 409
    return redirect(url_for("developer_apps.show", client_id=app.id, done="hardened"), 303)


@blueprint.post("/attest")
@require_developer
def attest(client_id: str) -> ResponseReturnValue:
    """Yes or no to the plan's privacy policy in its present version."""
    app = own_app(client_id)
    form, errors = load_form(Answer())
    if not errors and form["version"] != plan().privacy_policy_version:
        errors = {"agrees": [_OTHER_VERSION]}
    if errors:
        return app_page(app, errors, "attest"), 400
    try:
        own_apps.attest(
            db_session(), current_developer(), app.id, agrees=form["agrees"] == "yes", version=form["version"]
        )
    except ReviewRefused as refused:
        return app_page(app, {"_schema": [refused.sentence]}, "attest"), 409
    return redirect(url_for("developer_apps.show", client_id=app.id, done="attested"), 303)


@blueprint.post("/secret")
@require_developer
@require_recent_password(30)
def rotate_secret(client_id: str) -> ResponseReturnValue:
    """A new secret; it stands on the page that answers, and nowhere afterwards. The old one works for another day."""
    app = own_app(client_id)
    try:
        secret = own_apps.rotate_secret(db_session(), current_developer(), app.id)
    except ClientRefused as refused:
        return app_page(app, {"_schema": [refused.reason]}, "secret"), 400
    except ReviewRefused as refused:
        return app_page(app, {"_schema": [refused.sentence]}, "secret"), 409
    return render_template("developer/secret.html", app=app, secret=secret, first=False)


@blueprint.post("/secret/earlier")
@require_developer
@require_recent_password(30)
def end_earlier_secret(client_id: str) -> ResponseReturnValue:
    """End the day for which the secret before the present one still works: somebody else may know it."""
    app = own_app(client_id)
    try:
        own_apps.end_previous_secret(db_session(), current_developer(), app.id)
    except ReviewRefused as refused:
        return app_page(app, {"_schema": [refused.sentence]}, "secret"), 409
    return redirect(url_for("developer_apps.show", client_id=app.id, done="secret-ended"), 303)
