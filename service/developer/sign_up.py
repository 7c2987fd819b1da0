"""Sign-up pages: who and for which organisation, the code out of the e-mail, user name and password."""

from functools import partial

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from oauth.apps.developers import IsDeveloper
from oauth.apps.models import PendingDeveloper
from oauth.apps.names import NameRefused
from service.accounts import enrolling, kept_form, throttling
from service.accounts.account_step import enter, take_account, take_code
from service.accounts.checklist import Checklist, common_rule
from service.accounts.email_codes import Flow
from service.accounts.models import CodePurpose, EmailProof
from service.accounts.password_reset import ProofOver
from service.accounts.sessions import current_login, require_login
from service.accounts.stepping_up import require_recent_password
from service.accounts.wording import FormTooLong
from service.developer import signing_up
from service.developer.developer_schemas import Organization, SignUp
from service.developer.developer_words import TERMS_VERSION
from service.developer.gate import find_current
from service.developer.signing_up import Newcomer, TooManySignUps
from service.web import browser_id, db_session, load_form, settings

blueprint = Blueprint("developer_sign_up", __name__, url_prefix="/developers/sign-up")
_TOO_MANY = _("Many people signed up from your network just now. Please try again in an hour.")


@blueprint.route("", methods=["GET", "POST"])
def start() -> ResponseReturnValue:
    """Name, organization, e-mail, terms; whoever is signed in signs up with the account they have."""
    if current_login() is not None:
        return redirect(url_for("developer_apps.index" if find_current() else "developer_sign_up.join"), 303)
    if request.method == "GET":
        return _first_page({})
    form, errors = load_form(SignUp())
    if errors:
        return _first_page(errors), 400
    newcomer = Newcomer(
        form["given_name"], form["family_name"], form["organization_name"], form["website"], TERMS_VERSION
    )  # fmt: skip
    try:
        pending = signing_up.begin(
            db_session(), newcomer, browser_id=browser_id(), network=_network(), plan_name=settings().plan.name
        )
    except NameRefused as refused:
        return _first_page({"organization_name": [refused.reason]}), 400
    except TooManySignUps:
        return _first_page({"_schema": [_TOO_MANY]}), 429
    signing_up.send_code(db_session(), pending, form["email"], _flow(), network=_network())
    return redirect(url_for("developer_sign_up.code"), 303)


@blueprint.route("/join", methods=["GET", "POST"])
@kept_form.keeping(lambda: url_for("developer_sign_up.join"))
@require_login
@require_recent_password()
def join() -> ResponseReturnValue:
    """The organization of somebody who has an account already."""
    login = current_login()
    if login is None or find_current() is not None:
        return redirect(url_for("developer_apps.index"), 303)
    if request.method == "GET":
        kept = kept_form.find_kept()
        return kept_form.forget(_join_page({}, kept))
    form, errors = load_form(Organization())
    if errors:
        return _join_page(errors), 400
    try:
        signing_up.join_with_account(
            db_session(), login.account, organization_name=form["organization_name"], website=form["website"],
            terms_version=TERMS_VERSION, network=_network(), plan_name=settings().plan.name,
        )  # fmt: skip
    except NameRefused as refused:
        return _join_page({"organization_name": [refused.reason]}), 400
    except TooManySignUps:
        return _join_page({"_schema": [_TOO_MANY]}), 429
    except IsDeveloper:
        pass
    return redirect(url_for("developer_apps.index"), 303)


@blueprint.route("/code", methods=["GET", "POST"])
def code() -> ResponseReturnValue:
    """The code out of the e-mail; a right one opens the last page, in this browser."""
    pending = _find_pending()
    if pending is None:
        return _begin_again()
    if request.method == "GET":
        return _code_page(pending, {})
    return take_code(pending, _flow(), partial(_code_page, pending), then=url_for("developer_sign_up.account"))


@blueprint.post("/code/again")
def send_again() -> ResponseReturnValue:
    """Send a new code to the same address."""
    pending = _find_pending()
    if pending is None:
        return _begin_again()
    signing_up.send_code(db_session(), pending, pending.email, _flow(), network=_network())
    return redirect(url_for("developer_sign_up.code"), 303)


@blueprint.route("/account", methods=["GET", "POST"])
def account() -> ResponseReturnValue:
    """User name and password; then the person is signed in."""
    pending = _find_pending()
    proof = enrolling.find_proof(db_session(), pending, CodePurpose.DEVELOPER_REGISTRATION) if pending else None
    if pending is None or proof is None:
        return _begin_again()
    if request.method == "GET":
        return _account_page(pending, {}, {})
    return take_account(partial(_account_page, pending), partial(_open, pending, proof))


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_long(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    return current_app.handle_user_exception(FormTooLong())


def _open(pending: PendingDeveloper, proof: EmailProof, username: str, password: str) -> ResponseReturnValue:
    session = db_session()
    try:
        opened = signing_up.finish(session, pending, proof, username=username, password=password, rule=common_rule())
    except ProofOver:
        session.rollback()
        return _begin_again()
    enter(opened)
    return redirect(url_for("developer_apps.index", done="signed-up"), 303)


def _flow() -> Flow:
    return Flow(CodePurpose.DEVELOPER_REGISTRATION, browser_id(), settings().secret_key)


def _network() -> str:
    return throttling.network_of(request.remote_addr)


def _find_pending() -> PendingDeveloper | None:
    pending = signing_up.find_pending(db_session(), browser_id())
    return pending if pending is not None and pending.email else None


def _begin_again() -> ResponseReturnValue:
    return _first_page({}, over=True), 401


def _first_page(errors: object, *, over: bool = False) -> str:
    return render_template("developer/sign_up.html", errors=errors, given=request.form, over=over)


def _join_page(errors: object, kept: "MultiDict[str, str] | None" = None) -> str:
    return render_template("developer/join.html", errors=errors, given=kept or request.form, was_kept=kept is not None)


def _code_page(pending: PendingDeveloper, errors: object) -> str:
    return render_template("developer/sign_up_code.html", email=pending.email, errors=errors)


def _account_page(pending: PendingDeveloper, errors: object, form: dict[str, str]) -> str:
    username, password = form.get("username", ""), form.get("password", "")
    rule = common_rule().also(*signing_up.own_names(pending, username))
    checklist = Checklist.of(password, rule)
    return render_template("developer/sign_up_account.html", errors=errors, username=username, checklist=checklist)
