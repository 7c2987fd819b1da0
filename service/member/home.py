"""The public start page: what this is, sign in, register, help."""

from flask import Blueprint, redirect, render_template
from flask.typing import ResponseReturnValue

from service.member import landing
from service.member.acting import find_person
from service.web import db_session

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """The start page; who is signed in is sent to their own."""
    if person := find_person():
        return redirect(landing.address_of(db_session(), person.account), 303)
    return render_template("member/start.html")
