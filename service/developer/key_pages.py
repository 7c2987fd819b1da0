"""The keys of an app that proves itself by one: its public keys as they are, or their address; and taking others."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from oauth.apps import own_keys
from oauth.apps.clients import AuthMethod, ClientRefused, ClientView
from oauth.apps.reviews import ReviewRefused
from service.accounts import kept_form
from service.accounts.stepping_up import require_recent_password
from service.developer.app_form import LABELS, errors_of
from service.developer.developer_schemas import Keys
from service.developer.gate import current_developer, own_app, require_developer
from service.web import NotFoundPage, db_session, load_form, settings

blueprint = Blueprint("developer_keys", __name__, url_prefix="/developers/apps/<client_id>/keys")


@blueprint.get("")
@require_developer
@require_recent_password(30)
def show(client_id: str) -> ResponseReturnValue:
    """The keys of the app, and the form for others."""
    kept = kept_form.find_kept()
    return kept_form.forget(_page(_own(client_id), {}, kept))


@blueprint.post("")
@kept_form.keeping(lambda client_id: url_for("developer_keys.show", client_id=client_id))
@require_developer
@require_recent_password(60)
def change(client_id: str) -> ResponseReturnValue:
    """Take other keys: the older ones open nothing from now on."""
    app = _own(client_id)
    form, errors = load_form(Keys())
    if errors:
        return _page(app, errors), 400
    try:
        own_keys.replace(
            db_session(), current_developer(), app.id, jwks=form["jwks"] or None, jwks_uri=form["jwks_uri"] or None,
            settings=settings(),
        )  # fmt: skip
    except ClientRefused as refused:
        return _page(app, errors_of(refused)), 400
    except ReviewRefused as refused:
        return _page(app, {"_schema": [refused.sentence]}), 409
    return redirect(url_for("developer_apps.show", client_id=app.id, done="keys"), 303)


def _own(client_id: str) -> ClientView:
    app = own_app(client_id)
    if app.token_endpoint_auth_method is not AuthMethod.PRIVATE_KEY:
        raise NotFoundPage
    return app


def _page(app: ClientView, errors: object, kept: "MultiDict[str, str] | None" = None) -> str:
    kids = own_keys.kids_of(db_session(), app.id)
    return render_template(
        "developer/keys.html", app=app, kids=kids, errors=errors, given=kept or request.form, labels=LABELS,
        was_kept=kept is not None,
    )  # fmt: skip
