"""The second factor's pages: the step after the password, and its set-up, recovery codes and removal in Settings."""

from dataclasses import dataclass

import pyotp
import segno
from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from service.accounts import passkeys, second_factors, sessions
from service.accounts.models import Account
from service.accounts.next_page import local_path
from service.accounts.schemas import FactorCode, FirstCode
from service.accounts.second_factors import FactorStands, OfferOver, TooManyFactors, WrongFactor
from service.accounts.sessions import (
    Login,
    SignedOut,
    current_login,
    half_login,
    require_login,
    require_recent_password,
)
from service.accounts.wording import FACTOR_REFUSED, FIRST_CODE_REFUSED, OFFER_OVER
from service.web import db_session, load_form, settings

blueprint = Blueprint("second_factor", __name__)


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
        code = segno.make(app.provisioning_uri(), error="m", micro=False)
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
    sessions.complete(db_session(), login, factor=True)
    return redirect(_following() or url_for("landing.index"), 303)


@blueprint.get("/settings/second-factor")
@require_login
def index() -> ResponseReturnValue:
    """What is set up, and what can be done about it."""
    account, session = _login().account, db_session()
    return render_template(
        "accounts/second_factor.html",
        has_app=second_factors.has_app(session, account.id),
        passkeys=passkeys.list_of(session, account.id),
        full=passkeys.MOST,
        codes_left=second_factors.codes_left(session, account),
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
        return _set_up_page(login, _new_offer(login), {})
    form, errors = load_form(FirstCode())
    try:
        secret = second_factors.open_offer(settings().secret_key, form.get("offered", ""), login.session.id)
    except OfferOver:
        return _set_up_page(login, _new_offer(login), {"_schema": [OFFER_OVER]}), 400
    offer = Offer(secret, form["offered"], login.account)
    if errors:
        return _set_up_page(login, offer, errors), 400
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
    codes = second_factors.new_recovery_codes(db_session(), settings().secret_key, login.account)
    return _codes_page(codes, "")


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
    return _codes_page(second_factors.new_recovery_codes(session, settings().secret_key, login.account), done)


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
        return _set_up_page(login, offer, {"code": [FIRST_CODE_REFUSED]}), 400
    except FactorStands:
        return redirect(url_for("second_factor.index"), 303)
    sessions.complete(session, login, factor=True)
    return after_set_up(login, done="app")


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


def _new_offer(login: Login) -> Offer:
    secret = second_factors.new_secret()
    return Offer(secret, second_factors.offer(settings().secret_key, secret, login.session.id), login.account)


def _refuse(page: str, wrong: WrongFactor) -> Response:
    answer = make_response(page, wrong.status)
    if isinstance(wrong, TooManyFactors):
        answer.headers["Retry-After"] = "300"
    return answer


def _set_up_page(login: Login, offer: Offer, errors: object) -> str:
    # Whoever came here from a page that needs a factor did not ask for one: the page says why it is shown.
    return render_template(
        "accounts/factor_set_up.html", offer=offer, errors=errors, following=_following(), account=login.account
    )


def _codes_page(codes: list[str], done: str) -> str:
    return render_template("accounts/recovery_codes.html", codes=codes, done=done, following=_following())
