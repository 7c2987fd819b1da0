"""The sandbox's mail on a page and as JSON. Outside of the sandbox these routes do not exist."""

from dataclasses import asdict

from flask import Blueprint, Flask, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from service.sandbox import caught_mail
from service.web import settings

_SHOWN = 100
_pages = Blueprint("sandbox_mail", __name__)


def install(app: Flask) -> None:
    """Add the routes, in the sandbox only."""
    if app.extensions["latchstring"].settings.sandbox:
        app.register_blueprint(_pages)


@_pages.get("/sandbox/mail")
def page() -> ResponseReturnValue:
    """Every mail the sandbox sent, the newest first; `to` narrows to one address."""
    wanted = request.args.get("to", "")
    mails = caught_mail.read_all(settings(), to=wanted)[:_SHOWN]
    return render_template("sandbox/mail.html", mails=mails, wanted=wanted)


@_pages.get("/sandbox/mail.json")
def listed() -> ResponseReturnValue:
    """The same as a JSON list of objects: id, to (list), sender, subject, date, text; the newest first."""
    mails = caught_mail.read_all(settings(), to=request.args.get("to", ""))[:_SHOWN]
    return jsonify([asdict(mail) | {"from": mail.sender} for mail in mails])
