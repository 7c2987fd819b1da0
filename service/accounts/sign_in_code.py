"""An e-mailed code asked for after the password, for accounts without a second factor.

After signs that several people share the login: its person goes on with what they were doing, and only their next
sign-in asks (security.md 140). And where factors were taken away, or the address was put back: the password alone may
be known to somebody else.
"""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from service.accounts import email_codes, pressed_twice, sessions
from service.accounts.amr import Method
from service.accounts.email_codes import Flow, Recipient
from service.accounts.models import Account, CodePurpose
from service.accounts.next_page import local_path
from service.accounts.schemas import OnlyCode
from service.accounts.sessions import Login, SignedOut, Step, current_login, half_login
from service.accounts.wording import CODE_REFUSED, masked
from service.web import browser_id, db_session, load_form, settings

blueprint = Blueprint("sign_in_code", __name__)


def send(session: Session, account: Account) -> None:
    """Send a code for this browser's sign-in, within the limits of codes."""
    recipient = Recipient(account.id, account.email, account.id, account.language, "sign_in_code")
    email_codes.send(session, _flow(), recipient)


@blueprint.route("/sign-in/code", methods=["GET", "POST"])
def enter() -> ResponseReturnValue:
    """Ask for the code; a right one makes the login whole."""
    if request.method == "GET":
        waiting = _find()
        return _page(waiting, {}) if waiting else redirect(url_for("sign_in.sign_in", next=_following()), 303)
    login, session = _get(), db_session()
    form, errors = load_form(OnlyCode())
    if errors:
        return _page(login, errors), 400
    found = email_codes.verify(session, _flow(), login.account.email, form["code"])
    if found is None or found.subject_id != login.account.id:
        return _page(login, {"code": [CODE_REFUSED]}), 400
    sessions.complete(session, login, Method.EMAIL_CODE)
    return redirect(_following() or url_for("landing.index"), 303)


@blueprint.post("/sign-in/code/send")
def send_again() -> ResponseReturnValue:
    """Send a new code; the page says the same whether the limits let it go or not."""
    send(db_session(), _get().account)
    return redirect(url_for("sign_in_code.enter", next=_following()), 303)


def _entered_before() -> str | None:
    return (_following() or url_for("landing.index")) if current_login() else None


pressed_twice.lead_on(blueprint, {"enter": _entered_before})


def _find() -> Login | None:
    waiting = half_login()
    return waiting if waiting and waiting.missing_step is Step.EMAIL_CODE else None


def _get() -> Login:
    waiting = _find()
    if waiting is None:
        raise SignedOut
    return waiting


def _flow() -> Flow:
    return Flow(CodePurpose.SIGN_IN, browser_id(), settings().secret_key)


def _following() -> str | None:
    return local_path(request.values.get("next"))


def _page(login: Login, errors: object) -> str:
    return render_template(
        "accounts/sign_in_code.html",
        email=masked(login.account.email),
        why=login.account.code_due_for,
        errors=errors,
        following=_following(),
    )
