"""The public start page: what this is, sign in, register, help."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from service.member.acting import find_person

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """The start page; who is signed in is sent to their own."""
    if find_person():
        return redirect(url_for("member_home.index"), 303)
    return render_template("member/start.html")
