"""*My provider is not listed*: the form for the plan's e-Services (product.md PV 3)."""

from collections.abc import Mapping

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.plan.registering import not_listed
from service.plan.registering.not_listed import NotListed, TooManyForms
from service.plan.registering.registration import answers_of
from service.provider.registering.registration import find_under_way, network
from service.provider.registering.registration_schemas import NotListedForm, load
from service.provider.registering.registration_words import TOO_MANY
from service.web import db_session

blueprint = Blueprint("provider_not_listed", __name__, url_prefix="/provider/not-listed")


@blueprint.route("", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """The form; on POST it waits in the queue of plan staff."""
    if request.method == "GET":
        under_way = find_under_way()
        return _page({}, answers_of(under_way).typed.get("not-listed", {}) if under_way else {})
    form, errors = load(NotListedForm())
    if errors:
        return _page(errors, request.form), 400
    try:
        not_listed.ask(db_session(), NotListed(**form), network=network())
    except TooManyForms:
        return _page({"_schema": [TOO_MANY]}, request.form), 429
    return redirect(url_for("provider_not_listed.sent"), 303)


@blueprint.get("/sent")
def sent() -> ResponseReturnValue:
    """That somebody will be in touch."""
    return render_template("provider/not_listed_sent.html")


def _page(errors: object, given: Mapping[str, str]) -> str:
    return render_template("provider/not_listed.html", errors=errors, given=given)
