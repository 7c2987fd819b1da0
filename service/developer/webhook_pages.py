"""Messages to an app's own server: their address, the secret that signs them, what was sent and what came of it."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from werkzeug.datastructures import MultiDict

from oauth.apps.clients import ClientView
from oauth.apps.reviews import ReviewRefused
from oauth.webhooks import endpoints, outbox
from oauth.webhooks.endpoints import AddressNotTaken, NoSecret
from oauth.webhooks.outbox import MessageRefused, NoAddress, TooManyByHand, UnknownMessage
from service.accounts import kept_form
from service.accounts.stepping_up import require_recent_password
from service.developer.app_form import LABELS
from service.developer.developer_schemas import WebhookAddress
from service.developer.developer_words import EVENTS, MESSAGE_STATES
from service.developer.gate import current_developer, own_app, require_developer
from service.web import NotFoundPage, db_session, load_form, settings

blueprint = Blueprint("developer_webhooks", __name__, url_prefix="/developers/apps/<client_id>/webhooks")
_DONE = {
    "set": _("Messages go to this address from now on."),
    "removed": _("Nothing is sent any more."),
    "sent": _("It is on its way. Look again in a few seconds."),
}


@blueprint.get("")
@require_developer
def show(client_id: str) -> ResponseReturnValue:
    """The address, and the last messages."""
    kept = kept_form.find_kept()
    return kept_form.forget(_page(own_app(client_id), {}, kept))


@blueprint.post("")
@kept_form.keeping(lambda client_id: url_for("developer_webhooks.show", client_id=client_id))
@require_developer
@require_recent_password(30)
def change(client_id: str) -> ResponseReturnValue:
    """Send messages there; a new secret stands on the page that answers, and nowhere afterwards."""
    app = own_app(client_id)
    form, errors = load_form(WebhookAddress())
    if errors:
        return _page(app, errors), 400
    try:
        secret = endpoints.set_address(db_session(), current_developer(), app.id, form["url"], settings=settings())
    except AddressNotTaken as refused:
        return _page(app, {"url": [refused.reason]}), 400
    except ReviewRefused as refused:
        return _page(app, {"_schema": [refused.sentence]}), 409
    return _done(app, "set") if secret is None else _secret_page(app, secret, first=True)


@blueprint.post("/secret")
@require_developer
@require_recent_password(30)
def rotate_secret(client_id: str) -> ResponseReturnValue:
    """A new secret, shown once; the one before signs too for a day."""
    app = own_app(client_id)
    try:
        secret = endpoints.rotate_secret(db_session(), current_developer(), app.id, settings=settings())
    except NoSecret:
        return _page(app, {"_schema": [NoAddress.sentence]}), 409
    except ReviewRefused as refused:
        return _page(app, {"_schema": [refused.sentence]}), 409
    return _secret_page(app, secret, first=False)


@blueprint.post("/remove")
@require_developer
@require_recent_password(30)
def remove(client_id: str) -> ResponseReturnValue:
    """Send nothing any more."""
    app = own_app(client_id)
    try:
        endpoints.remove(db_session(), current_developer(), app.id)
    except NoSecret:
        return _done(app, "removed")
    except ReviewRefused as refused:
        return _page(app, {"_schema": [refused.sentence]}), 409
    return _done(app, "removed")


@blueprint.post("/test")
@require_developer
def send_test(client_id: str) -> ResponseReturnValue:
    """Send a message that says only that messages arrive."""
    app = own_app(client_id)
    try:
        outbox.send_test(db_session(), app.id)
    except MessageRefused as refused:
        return _page(app, {"_schema": [refused.sentence]}), _status(refused)
    return _done(app, "sent")


@blueprint.post("/<uuid:message_id>/again")
@require_developer
def send_again(client_id: str, message_id: UUID) -> ResponseReturnValue:
    """Send a message that ended once more."""
    app = own_app(client_id)
    try:
        outbox.send_again(db_session(), app.id, str(message_id))
    except UnknownMessage:
        raise NotFoundPage from None
    except MessageRefused as refused:
        return _page(app, {"_schema": [refused.sentence]}), _status(refused)
    return _done(app, "sent")


def _status(refused: MessageRefused) -> int:
    return 429 if isinstance(refused, TooManyByHand) else 409


def _done(app: ClientView, what: str) -> ResponseReturnValue:
    return redirect(url_for("developer_webhooks.show", client_id=app.id, done=what), 303)


def _secret_page(app: ClientView, secret: str, *, first: bool) -> str:
    return render_template("developer/webhook_secret.html", app=app, secret=secret, first=first)


def _page(
    app: ClientView, errors: dict[str, list[str]], kept: "MultiDict[str, str] | None" = None
) -> str:  # fmt: skip
    session = db_session()
    endpoint = endpoints.find(session, app.id)
    return render_template(
        "developer/webhooks.html", app=app, endpoint=endpoint, listens=endpoint is not None and not endpoint.ended_at,
        messages=outbox.latest(session, app.id), errors=errors, given=kept or request.form, labels=LABELS,
        events=EVENTS, states=MESSAGE_STATES, told=_DONE.get(request.args.get("done", "")),
        on_loopback=settings().reaches_loopback, organization=current_developer().organization,
        was_kept=kept is not None,
    )  # fmt: skip
