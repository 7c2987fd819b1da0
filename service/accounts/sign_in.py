"""Sign in, sign out, give the password again."""

from flask import Blueprint, Flask, Response, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from service.accounts import (
    authentication,
    devices,
    notifications,
    passkeys,
    pressed_twice,
    session_rows,
    sessions,
    sign_in_code,
    stepping_up,
    usernames,
)
from service.accounts.amr import Method
from service.accounts.authentication import Recognised, TooManyTries, WrongPassword
from service.accounts.models import Account
from service.accounts.next_page import local_path
from service.accounts.passwords import HashingBusy
from service.accounts.schemas import SignIn
from service.accounts.sessions import Login, Step, current_login, half_login, require_login
from service.accounts.wording import SIGN_IN_REFUSED, FormTooLong, VeryBusy
from service.plan.registering import registration
from service.web import browser_id, db_session, load_form, reading_session

blueprint = Blueprint("sign_in", __name__)
# Made once: to make one costs more than to read a form by it.
_FORM = SignIn()


def install(app: Flask) -> None:
    """Answer full hashing places by a page that says when to come back."""
    app.register_error_handler(HashingBusy, _busy)


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    """The one sign-in page; afterwards to `next`, which may be an app's waiting request, else home."""
    if request.method == "GET":
        if half_login():
            return redirect(sessions.sign_in_address(_following()), 303)
        return redirect(_following(), 303) if current_login() else sign_in_page({})
    form, errors = load_form(_FORM)
    if errors:
        return sign_in_page(errors), 400
    try:
        recognised = authentication.recognise(form["username"], form["password"])
        if recognised is not None:
            return redirect(_begun(recognised), 303)
        session = db_session()
        account = authentication.authenticate(session, form["username"], form["password"], address=request.remote_addr)
    except WrongPassword as refusal:
        return _refuse(sign_in_page({"_schema": [SIGN_IN_REFUSED]}), refusal)
    begun = begin(account)
    if begun.missing_step is None:
        begun.session.device_id = begun.session.device_id or devices.remember(session, account)
        return redirect(_following(), 303)
    if begun.missing_step is Step.EMAIL_CODE:
        sign_in_code.send(session, account)
    return redirect(sessions.sign_in_address(_following()), 303)


def _begun(found: Recognised) -> str:
    """Where the page of a browser leads that is signed in by the rows written here."""
    begun = session_rows.begin(reading_session(), found.owner, found.device_id, counter=found.counter)
    return sessions.step_address(Step.FACTOR, _following()) if begun.has_factor else _following()


def begin(account: Account, by: Method = Method.PASSWORD) -> Login:
    """Sign this browser in as `account`, and tell the owner of a browser not seen before."""
    session = db_session()
    known = devices.find(session, account)
    if known is None:
        _tell_of_new_device(account)
    sessions.start(session, account, device_id=known, by=by)
    login = half_login() or current_login()
    assert login is not None, "the session was just begun"
    return login


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
    login, session = current_login(), db_session()
    assert login is not None, "the page requires sign-in"
    if request.method == "GET":
        return confirm_page(login, {})
    form, errors = load_form(_FORM)
    if errors:
        return confirm_page(login, errors), 400
    try:
        account = authentication.authenticate(session, form["username"], form["password"], address=request.remote_addr)
    except WrongPassword as refusal:
        return _refuse(confirm_page(login, {"_schema": [SIGN_IN_REFUSED]}), refusal)
    if account.id != login.account.id:
        return _refuse(confirm_page(login, {"_schema": [SIGN_IN_REFUSED]}), WrongPassword())
    stepping_up.step_up(session, login)
    return redirect(_following(), 303)


def sign_in_page(errors: object) -> str:
    """The sign-in page. The name typed is not written back: the answer is the same to the byte whoever was meant."""
    # Told to whoever is sent here only, so that the answer to a form stays the same.
    ran_out = request.method == "GET" and sessions.find_run_out(db_session()) is not None
    return render_template(
        "accounts/sign_in.html", errors=errors, following=local_path(request.values.get("next")), ran_out=ran_out,
        done=request.args.get("done", ""),
    )  # fmt: skip


def confirm_page(login: Login, errors: object) -> str:
    """The page that asks for the password again, or for a passkey of who has one."""
    has_passkey = bool(passkeys.list_of(db_session(), login.account.id))
    return render_template(
        "accounts/confirm_password.html", errors=errors, following=_following(), has_passkey=has_passkey
    )


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


def _signed_in_before() -> str | None:
    """For who typed the name of who is signed in here, and not for anybody else at that browser."""
    login = half_login() or current_login()
    if login is None or not _named(login):
        return None
    return sessions.sign_in_address(_following()) if login.missing_step else _following()


def _stepped_up_before() -> str | None:
    login = current_login()
    return _following() if login and stepping_up.password_is_recent(login) and _named(login) else None


def _named(login: Login) -> bool:
    return usernames.key(request.form.get("username", "")) == usernames.key(login.account.username)


pressed_twice.lead_on(blueprint, {"sign_in": _signed_in_before, "confirm_password": _stepped_up_before})


def _following() -> str:
    return local_path(request.values.get("next")) or url_for("landing.index")


def _refuse(page: str, refusal: WrongPassword) -> Response:
    answer = make_response(page, refusal.status)
    if isinstance(refusal, TooManyTries):
        answer.headers["Retry-After"] = str(authentication.WINDOW)
    return answer
