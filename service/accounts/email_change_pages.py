"""Changing the sign-in address in Settings, and the page behind the link that takes a change back."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.accounts import email_change, kept_form
from service.accounts.email_change import ChangedLately, SameAddress, UndoneAlready, UndoOver, WrongCode
from service.accounts.models import EmailChange
from service.accounts.schemas import NewAddress, OnlyCode
from service.accounts.sessions import Login, current_login
from service.accounts.stepping_up import require_recent_password
from service.accounts.wording import CODE_REFUSED, SAME_ADDRESS
from service.web import db_session, load_form, settings

blueprint = Blueprint("email_change", __name__)


@blueprint.route("/settings/email", methods=["GET", "POST"])
@kept_form.keeping()
@require_recent_password()
def start() -> ResponseReturnValue:
    """Ask for the new address; a code then goes to the old one."""
    if request.method == "GET":
        return _start_page({})
    form, errors = load_form(NewAddress())
    if errors:
        return _start_page(errors), 400
    try:
        email_change.begin(db_session(), settings(), _login(), form["email"])
    except SameAddress:
        return _start_page({"email": [SAME_ADDRESS]}), 400
    except ChangedLately as lately:
        return render_template("accounts/email_change_held.html", until=lately.until), 409
    return redirect(url_for("email_change.confirm"), 303)


@blueprint.route("/settings/email/confirm", methods=["GET", "POST"])
@require_recent_password(30)
def confirm() -> ResponseReturnValue:
    """Take the code of the old address, then that of the new one."""
    login, session = _login(), db_session()
    change = email_change.find(session, login)
    if change is None:
        return redirect(url_for("email_change.start"), 303)
    if request.method == "GET":
        return _code_page(change, {})
    form, errors = load_form(OnlyCode())
    if errors:
        return _code_page(change, errors), 400
    is_last = change.old_confirmed_at is not None
    try:
        (email_change.confirm_new if is_last else email_change.confirm_old)(
            session, settings(), login, change, form["code"]
        )
    except WrongCode:
        return _code_page(change, {"code": [CODE_REFUSED]}), 400
    if is_last:
        return redirect(url_for("settings_page.index", saved="email"), 303)
    return redirect(url_for("email_change.confirm"), 303)


@blueprint.post("/settings/email/send")
@require_recent_password(30)
def send_again() -> ResponseReturnValue:
    """Send a new code; the page says the same whether the limits let it go or not."""
    login = _login()
    change = email_change.find(db_session(), login)
    if change is None:
        return redirect(url_for("email_change.start"), 303)
    email_change.send_code(db_session(), settings(), login, change)
    return redirect(url_for("email_change.confirm"), 303)


@blueprint.route("/email-change/undo/<token>", methods=["GET", "POST"])
def undo(token: str) -> ResponseReturnValue:
    """Looking changes nothing (mail scanners do); the button takes the change back."""
    try:
        if request.method == "GET":
            change = email_change.find_undo(db_session(), token)
            return render_template("accounts/email_undo.html", change=change, token=token)
        email_change.undo(db_session(), token)
    except UndoneAlready as undone_already:
        if request.method == "POST":
            return redirect(url_for("email_change.undo", token=token), 303)
        return render_template("accounts/email_undone.html", at=undone_already.at)
    except UndoOver:
        return render_template("accounts/email_undo_over.html"), 404
    return redirect(url_for("email_change.undone", done="yes"), 303)


@blueprint.get("/email-change/undone")
def undone() -> ResponseReturnValue:
    """What taking it back means, said once; afterwards the address leads home."""
    if "done" not in request.args:
        return redirect(url_for("home.index"), 303)
    return render_template("accounts/email_undone.html", at=None)


def _login() -> Login:
    login = current_login()
    assert login is not None, "the page requires sign-in"
    return login


def _start_page(errors: object) -> str:
    return render_template(
        "accounts/email_change.html", errors=errors, typed=request.form, email=_login().account.email
    )


def _code_page(change: EmailChange, errors: object) -> str:
    return render_template("accounts/email_change_code.html", change=change, errors=errors)
