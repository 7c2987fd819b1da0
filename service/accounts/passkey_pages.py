"""Passkeys on pages: signing in and stepping up by one, and adding, naming and removing them in Settings.

The only pages that need a script: browsers offer passkeys to scripts alone. Whoever runs none is shown the password,
the authenticator app and recovery codes instead.
"""

from uuid import UUID

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from service.accounts import (
    kept_form,
    passkeys,
    second_factor_pages,
    second_factors,
    sessions,
    sign_in,
)
from service.accounts.amr import Method
from service.accounts.models import Account, Passkey
from service.accounts.next_page import local_path
from service.accounts.passkey_answers import NoPasskeysHere, QuestionOver, WrongAnswer, ceremonies
from service.accounts.passkeys import Answer, PasskeyKnown, PasskeyRefused, TooManyPasskeys, TooManyPasskeyTries
from service.accounts.schemas import NewPasskey, PasskeyAnswer, PasskeyName
from service.accounts.sessions import Login, current_login, half_login
from service.accounts.stepping_up import require_recent_password
from service.accounts.throttling import network_of
from service.accounts.wording import PASSKEY_KNOWN, PASSKEY_NOT_MADE, PASSKEY_OVER, PASSKEY_REFUSED, PASSKEYS_FULL
from service.web import NotFoundPage, browser_id, db_session, load_form, settings

blueprint = Blueprint("passkeys", __name__)
_SETTINGS = "/settings/second-factor/passkeys"


@blueprint.post("/sign-in/passkey/question")
def ask_to_show() -> ResponseReturnValue:
    """What the browser asks the device for: one of the passkeys of who is here, or any where nobody is signed in."""
    login = _login_here()
    held = passkeys.list_of(db_session(), login.account.id) if login else []
    if login and not held:
        raise NotFoundPage
    try:
        return jsonify(ceremonies().ask_to_show(settings(), held, bound_to=_bound_to(login)))
    except NoPasskeysHere:
        raise NotFoundPage from None


@blueprint.post("/sign-in/passkey")
def show() -> ResponseReturnValue:
    """Sign in, finish signing in, or step up, by a passkey that the device has just shown."""
    login = _login_here()
    form, errors = load_form(PasskeyAnswer())
    if errors:
        return _page_of(login, {"_schema": [PASSKEY_REFUSED]}), 400
    answer = Answer(form["question"], form["answer"], _bound_to(login), network_of(request.remote_addr))
    try:
        account = passkeys.show(db_session(), settings(), answer, login.account if login else None)
    except QuestionOver:
        return _page_of(login, {"_schema": [PASSKEY_OVER]}), 400
    except PasskeyRefused as refusal:
        return _refuse(_page_of(login, {"_schema": [PASSKEY_REFUSED]}), refusal)
    _complete(login, account)
    return redirect(_following() or url_for("landing.index"), 303)


@blueprint.get(f"{_SETTINGS}/add")
@require_recent_password()
def add_page() -> ResponseReturnValue:
    """What a passkey is, and the button that makes one."""
    return _add_page({})


@blueprint.post(f"{_SETTINGS}/question")
@require_recent_password()
def ask_to_make() -> ResponseReturnValue:
    """What the browser asks the device to make."""
    login = _signed_in()
    held = passkeys.list_of(db_session(), login.account.id)
    try:
        return jsonify(ceremonies().ask_to_make(settings(), login.account, held, bound_to=login.session.id))
    except NoPasskeysHere:
        raise NotFoundPage from None


@blueprint.post(f"{_SETTINGS}/add")
@kept_form.keeping()
@require_recent_password()
def add() -> ResponseReturnValue:
    """Keep the passkey that was made; the first factor of an account brings its recovery codes."""
    login, session = _signed_in(), db_session()
    form, errors = load_form(NewPasskey())
    if errors:
        return _add_page(errors), 400
    try:
        made = ceremonies().read_made(
            session, settings(), form["question"], form["answer"], bound_to=login.session.id
        )  # fmt: skip
        passkeys.add(session, login.account, made, form["name"].strip() or _("Passkey"))
    except QuestionOver:
        return _add_page({"_schema": [PASSKEY_OVER]}), 400
    except WrongAnswer:
        return _add_page({"_schema": [PASSKEY_NOT_MADE]}), 400
    except PasskeyKnown:
        return _add_page({"_schema": [PASSKEY_KNOWN]}), 409
    except TooManyPasskeys:
        return _add_page({"_schema": [PASSKEYS_FULL]}), 409
    sessions.complete(session, login, Method.PASSKEY)
    return second_factor_pages.after_set_up(login, done="passkey")


@blueprint.route(f"{_SETTINGS}/<uuid:passkey_id>/name", methods=["GET", "POST"])
@kept_form.keeping()
@require_recent_password(30)
def rename(passkey_id: UUID) -> ResponseReturnValue:
    """Call a passkey by another name."""
    login = _signed_in()
    passkey = _find(login.account, passkey_id)
    if passkey is None:
        return redirect(url_for("second_factor.index"), 303)
    if request.method == "GET":
        return _name_page(passkey, {})
    form, errors = load_form(PasskeyName())
    if errors:
        return _name_page(passkey, errors), 400
    passkeys.rename(db_session(), passkey, form["name"].strip())
    return redirect(url_for("second_factor.index", done="named"), 303)


@blueprint.route(f"{_SETTINGS}/<uuid:passkey_id>/remove", methods=["GET", "POST"])
@require_recent_password()
def remove(passkey_id: UUID) -> ResponseReturnValue:
    """Remove a passkey; whoever else is signed in to the account signs in anew."""
    login, session = _signed_in(), db_session()
    passkey = _find(login.account, passkey_id)
    if passkey is None:
        return redirect(url_for("second_factor.index"), 303)
    if request.method == "GET":
        return render_template("accounts/passkey_remove.html", passkey=passkey, is_last=_is_last(login.account))
    passkeys.remove(session, login.account, passkey)
    sessions.end_all(session, login.account, except_id=login.session.id)
    return redirect(url_for("second_factor.index", done="passkey_removed"), 303)


def _complete(login: Login | None, account: Account) -> None:
    session = db_session()
    if login is None:
        login = sign_in.begin(account, Method.PASSKEY)
    sessions.complete(session, login, Method.PASSKEY)


def _login_here() -> Login | None:
    return half_login() or current_login()


def _signed_in() -> Login:
    login = current_login()
    assert login is not None, "the page requires sign-in"
    return login


def _bound_to(login: Login | None) -> str:
    return login.session.id if login else browser_id()


def _find(account: Account, passkey_id: UUID) -> Passkey | None:
    """None for another's too; who comes back to the page of one they have removed is led to what there is."""
    return passkeys.find(db_session(), account, str(passkey_id))


def _is_last(account: Account) -> bool:
    session = db_session()
    return len(passkeys.list_of(session, account.id)) == 1 and not second_factors.has_app(session, account.id)


def _following() -> str | None:
    return local_path(request.values.get("next"))


def _page_of(login: Login | None, errors: dict[str, list[object]]) -> str:
    """The page on which the button stood."""
    if login is None:
        return sign_in.sign_in_page(errors)
    return second_factor_pages.enter_page(login, errors) if half_login() else sign_in.confirm_page(login, errors)


def _refuse(page: str, refusal: PasskeyRefused) -> Response:
    answer = make_response(page, refusal.status)
    if isinstance(refusal, TooManyPasskeyTries):
        answer.headers["Retry-After"] = str(passkeys.WINDOW)
    return answer


def _add_page(errors: object) -> str:
    login = _signed_in()
    return render_template(
        "accounts/passkey_add.html", errors=errors, following=_following(), typed=request.form,
        has_app=second_factors.has_app(db_session(), login.account.id),
    )  # fmt: skip


def _name_page(passkey: Passkey, errors: object) -> str:
    return render_template("accounts/passkey_name.html", passkey=passkey, errors=errors)
