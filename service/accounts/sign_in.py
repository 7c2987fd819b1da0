"""Sign in, sign out, give the password again."""

from flask import Blueprint, Flask, Response, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from service.accounts import authentication, devices, notifications, sessions, sign_in_code
from service.accounts.authentication import TooManyTries, WrongPassword
from service.accounts.models import Account
from service.accounts.next_page import local_path
from service.accounts.passwords import HashingBusy
from service.accounts.schemas import SignIn
from service.accounts.sessions import Step, current_login, half_login, require_login
from service.accounts.wording import SIGN_IN_REFUSED, FormTooLong, VeryBusy
from service.plan.registering import registration
from service.web import browser_id, db_session, load_form

blueprint = Blueprint("sign_in", __name__)


def install(app: Flask) -> None:
    """Answer full hashing places by a page that says when to come back."""
    app.register_error_handler(HashingBusy, _busy)


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    """The one sign-in page; afterwards to `next`, which may be an app's waiting request, else home."""
    if request.method == "GET":
        if half_login():
            return redirect(sessions.sign_in_address(_following()), 303)
        return redirect(_following(), 303) if current_login() else _sign_in_page({})
    form, errors = load_form(SignIn())
    if errors:
        return _sign_in_page(errors), 400
    session = db_session()
    try:
        account = authentication.authenticate(session, form["username"], form["password"], address=request.remote_addr)
    except WrongPassword as refusal:
        return _refuse(_sign_in_page({"_schema": [SIGN_IN_REFUSED]}), refusal)
    known = devices.find(session, account)
    if known is None:
        _tell_of_new_device(account)
    begun = sessions.start(session, account, device_id=known)
    half = half_login()
    if half is None:
        begun.device_id = known or devices.remember(session, account)
        return redirect(_following(), 303)
    if half.missing_step is Step.EMAIL_CODE:
        sign_in_code.send(session, account)
    return redirect(sessions.sign_in_address(_following()), 303)


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End this session on the server; the cookie names nothing afterwards. An app's request waits in `next`."""
    registration.end_open(db_session(), browser_id())
    sessions.end_current(db_session())
    return redirect(local_path(request.form.get("next")) or url_for("home.index"), 303)


@blueprint.route("/confirm-password", methods=["GET", "POST"])
@require_login
def confirm_password() -> ResponseReturnValue:
    """Ask for user name and password again before something that needs them to be fresh."""
    if request.method == "GET":
        return _confirm_page({})
    form, errors = load_form(SignIn())
    if errors:
        return _confirm_page(errors), 400
    login, session = current_login(), db_session()
    try:
        account = authentication.authenticate(session, form["username"], form["password"], address=request.remote_addr)
    except WrongPassword as refusal:
        return _refuse(_confirm_page({"_schema": [SIGN_IN_REFUSED]}), refusal)
    if login is None or account.id != login.account.id:
        return _refuse(_confirm_page({"_schema": [SIGN_IN_REFUSED]}), WrongPassword())
    sessions.step_up(session, login)
    return redirect(_following(), 303)


@blueprint.get("/forgot-username")
def forgot_username() -> ResponseReturnValue:
    """No look-up on line: the plan's phone lines by line of business (product.md ID 4)."""
    return render_template("accounts/forgot_username.html")


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_long(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    return current_app.handle_user_exception(FormTooLong())


def _busy(_error: Exception) -> Response:
    answer = make_response(current_app.handle_user_exception(VeryBusy()))
    answer.headers["Retry-After"] = "2"
    return answer


def _tell_of_new_device(account: Account) -> None:
    """Whoever gives the right password on a new browser is told of, though they may not have the second factor."""
    if devices.any_known(db_session(), account):
        notifications.new_device(db_session(), account)


def _following() -> str:
    return local_path(request.values.get("next")) or url_for("landing.index")


def _refuse(page: str, refusal: WrongPassword) -> Response:
    answer = make_response(page, refusal.status)
    if isinstance(refusal, TooManyTries):
        answer.headers["Retry-After"] = str(authentication.WINDOW)
    return answer


def _sign_in_page(errors: object) -> str:
    # The name typed is not written back: the answer is the same to the byte whoever was asked for.
    return render_template("accounts/sign_in.html", errors=errors, following=local_path(request.values.get("next")))


def _confirm_page(errors: object) -> str:
    return render_template("accounts/confirm_password.html", errors=errors, following=_following())
