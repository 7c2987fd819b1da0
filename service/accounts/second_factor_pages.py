"""The second factor's pages: the step after the password, and its set-up, recovery codes and removal in Settings."""

import importlib
from dataclasses import dataclass

import pyotp
from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from service.accounts import passkeys, pressed_twice, second_factors, sessions, shown_codes
from service.accounts.amr import Method
from service.accounts.models import Account
from service.accounts.next_page import local_path
from service.accounts.schemas import FactorCode, FirstCode
from service.accounts.second_factors import FactorStands, OfferOver, TooManyFactors, WrongFactor
from service.accounts.sessions import Login, SignedOut, current_login, half_login, require_login
from service.accounts.stepping_up import require_recent_password
from service.accounts.wording import FACTOR_REFUSED, FIRST_CODE_REFUSED, OFFER_OVER
from service.web import db_session, load_form, settings

blueprint = Blueprint("second_factor", __name__)
_OFFERED = "offered_key"


@dataclass(frozen=True)
class Offer:
    """A fresh secret as the set-up page shows it: drawn, in words for typing, and sealed for the way back."""

    secret: str
    sealed: str
    account: Account

    @property
    def typed(self) -> str:
        """The secret in groups of four."""
        return " ".join(self.secret[at : at + 4] for at in range(0, len(self.secret), 4))

    @property
    def drawing(self) -> Markup:
        """The QR code as inline SVG; nothing is fetched from anywhere."""
        app = pyotp.TOTP(self.secret, name=self.account.username, issuer=settings().plan.name)
        # Opened at first use, which most workers never see: its tables take 3 MB.
        code = importlib.import_module("segno").make(app.provisioning_uri(), error="m", micro=False)
        return Markup(code.svg_inline(scale=5, border=4, light="#fff", omitsize=False))  # noqa: S704 (drawn by us)


@blueprint.route("/sign-in/factor", methods=["GET", "POST"])
def enter() -> ResponseReturnValue:
    """Ask for a code: after the password at sign-in, and again before something that needs it to be fresh."""
    login = _waiting()
    if login is None:
        return _nobody_waits()
    if request.method == "GET":
        return enter_page(login, {})
    form, errors = load_form(FactorCode())
    if errors:
        return enter_page(login, errors), 400
    try:
        second_factors.show(db_session(), settings().secret_key, login.account, _given(form))
    except WrongFactor as wrong:
        return _refuse(enter_page(login, {"code": [FACTOR_REFUSED]}), wrong)
    sessions.complete(db_session(), login, Method.ONE_TIME_CODE)
    return redirect(_following() or url_for("landing.index"), 303)


@blueprint.get("/settings/second-factor")
@require_login
def index() -> ResponseReturnValue:
    """What is set up, and what can be done about it."""
    account, session = _login().account, db_session()
    held = second_factors.held(session, account.id)
    return render_template(
        "accounts/second_factor.html",
        has_app=held.has_app,
        passkeys=passkeys.list_of(session, account.id),
        full=passkeys.MOST,
        codes_left=held.codes_left,
        done=request.args.get("done", ""),
    )


@blueprint.route("/settings/second-factor/set-up", methods=["GET", "POST"])
@require_recent_password()
def set_up() -> ResponseReturnValue:
    """Show a fresh secret; its first code sets the app up."""
    login = _login()
    if second_factors.has_app(db_session(), login.account.id):
        return redirect(_following() or url_for("second_factor.index"), 303)
    if request.method == "GET":
        return _set_up_page(login, _offer_here(login), {})
    form, errors = load_form(FirstCode())
    try:
        offer = _read_offer(login, form.get("offered", ""))
    except OfferOver:
        return _set_up_page(login, _new_offer(login), {"_schema": [OFFER_OVER]}, 400)
    if errors:
        return _set_up_page(login, offer, errors, 400)
    return _keep(login, offer, form["code"])


@blueprint.route("/settings/second-factor/recovery-codes", methods=["GET", "POST"])
@require_recent_password()
def recovery_codes() -> ResponseReturnValue:
    """Make new recovery codes."""
    login = _login()
    if not login.has_factor:
        return redirect(url_for("second_factor.index"), 303)
    if request.method == "GET":
        return render_template("accounts/recovery_codes_ask.html")
    return _make_codes(login, "")


@blueprint.get("/settings/second-factor/recovery-codes/new")
@require_recent_password(30)
def show_recovery_codes() -> ResponseReturnValue:
    """The recovery codes that this browser has just had made; afterwards the address leads to what is set up."""
    shown = shown_codes.find(_login())
    if shown is None:
        return redirect(_following() or url_for("second_factor.index"), 303)
    return render_template("accounts/recovery_codes.html", codes=shown.codes, done=shown.done, following=_following())


@blueprint.route("/settings/second-factor/remove", methods=["GET", "POST"])
@require_recent_password()
def remove() -> ResponseReturnValue:
    """Remove the app; whoever else is signed in to the account signs in anew."""
    login, session = _login(), db_session()
    if not second_factors.has_app(session, login.account.id):
        return redirect(url_for("second_factor.index"), 303)
    if request.method == "GET":
        has_passkey = bool(passkeys.list_of(session, login.account.id))
        return render_template("accounts/factor_remove.html", is_last=not has_passkey)
    second_factors.remove_app(session, login.account)
    sessions.end_all(session, login.account, except_id=login.session.id)
    return redirect(url_for("second_factor.index", done="removed"), 303)


def after_set_up(login: Login, *, done: str) -> ResponseReturnValue:
    """After a factor was set up: recovery codes, this once, where the account has none left; else on."""
    session = db_session()
    if second_factors.codes_left(session, login.account):
        return redirect(_following() or url_for("second_factor.index", done=done), 303)
    return _make_codes(login, done)


def enter_page(login: Login, errors: object) -> str:
    """The page that asks for the second factor, in whichever ways this account can show it."""
    session, account = db_session(), login.account
    return render_template(
        "accounts/factor.html", errors=errors, following=_following(),
        has_app=second_factors.has_app(session, account.id),
        has_passkey=bool(passkeys.list_of(session, account.id)),
    )  # fmt: skip


def _keep(login: Login, offer: Offer, given: str) -> ResponseReturnValue:
    session, key = db_session(), settings().secret_key
    try:
        second_factors.set_up(session, key, login.account, offer.secret, given)
    except WrongFactor:
        return _set_up_page(login, offer, {"code": [FIRST_CODE_REFUSED]}, 400)
    except FactorStands:
        return redirect(url_for("second_factor.index"), 303)
    sessions.complete(session, login, Method.ONE_TIME_CODE)
    answer = make_response(after_set_up(login, done="app"))
    # A key is used for one app only, also where this one is removed and another set up within its half hour.
    answer.delete_cookie(_OFFERED, path=url_for("second_factor.set_up"))
    return answer


def _shown_before() -> str | None:
    login = current_login()
    shown = login is not None and login.has_factor and login.factor_is_recent()
    return (_following() or url_for("landing.index")) if shown else None


def _set_up_before() -> str | None:
    login = current_login()
    is_set_up = login is not None and second_factors.has_app(db_session(), login.account.id)
    return url_for("second_factor.show_recovery_codes", next=_following()) if is_set_up else None


pressed_twice.lead_on(blueprint, {"enter": _shown_before, "set_up": _set_up_before})


def _waiting() -> Login | None:
    """Who is asked for a code here: half a login with a factor, or a whole one whose factor is no longer fresh."""
    login = half_login() or current_login()
    return login if login and login.has_factor and not login.factor_is_recent() else None


def _nobody_waits() -> ResponseReturnValue:
    if request.method != "GET":
        raise SignedOut
    if current_login() is None:
        return redirect(sessions.sign_in_address(_following() or url_for("landing.index")), 303)
    return redirect(_following() or url_for("landing.index"), 303)


def _login() -> Login:
    login = current_login()
    assert login is not None, "the page requires sign-in"
    return login


def _given(form: dict[str, str]) -> str:
    return form.get("code", "").strip() or form.get("recovery_code", "")


def _following() -> str | None:
    return local_path(request.values.get("next"))


def _make_codes(login: Login, done: str) -> Response:
    codes = second_factors.new_recovery_codes(db_session(), settings().secret_key, login.account)
    to_them = redirect(url_for("second_factor.show_recovery_codes", next=_following()), 303)
    return shown_codes.keep(make_response(to_them), login, codes, done)


def _offer_here(login: Login) -> Offer:
    """The key that this browser was shown last, else a fresh one.

    A phone loads the page anew when its owner comes back from the app into which they have just typed the key.
    """
    try:
        return _read_offer(login, request.cookies.get(_OFFERED, ""))
    except (OfferOver, UnicodeEncodeError):
        return _new_offer(login)


def _read_offer(login: Login, sealed: str) -> Offer:
    return Offer(second_factors.open_offer(settings().secret_key, sealed, login.session.id), sealed, login.account)


def _new_offer(login: Login) -> Offer:
    secret = second_factors.new_secret()
    return Offer(secret, second_factors.offer(settings().secret_key, secret, login.session.id), login.account)


def _refuse(page: str, wrong: WrongFactor) -> Response:
    answer = make_response(page, wrong.status)
    if isinstance(wrong, TooManyFactors):
        answer.headers["Retry-After"] = "300"
    return answer


def _set_up_page(login: Login, offer: Offer, errors: object, status: int = 200) -> Response:
    # Whoever came here from a page that needs a factor did not ask for one: the page says why it is shown.
    page = render_template(
        "accounts/factor_set_up.html", offer=offer, errors=errors, following=_following(), account=login.account
    )
    answer = make_response(page, status)
    answer.set_cookie(
        _OFFERED, offer.sealed, max_age=int(second_factors.SET_UP_LIFE.total_seconds()), httponly=True,
        path=url_for("second_factor.set_up"), secure=settings().https, samesite="Lax",
    )  # fmt: skip
    return answer
