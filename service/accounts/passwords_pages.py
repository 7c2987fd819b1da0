"""The one path to a new password: user name and e-mail, code, new password (product.md ID 3)."""

from collections.abc import Mapping
from types import MappingProxyType

from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from service.accounts import email_codes, password_reset, pressed_twice, reset_claim, throttling
from service.accounts.checklist import Checklist, common_rule, sentences
from service.accounts.email_codes import Flow
from service.accounts.models import Account, CodePurpose, EmailProof
from service.accounts.password_reset import Claim, ProofOver, WeakPassword
from service.accounts.schemas import EnteredCode, NewPassword, Recipient
from service.accounts.wording import CODE_REFUSED, NOT_THE_SAME, FormTooLong
from service.web import browser_id, browser_token, db_session, load_form, settings

blueprint = Blueprint("passwords", __name__)


@blueprint.route("/password-reset", methods=["GET", "POST"])
def reset() -> ResponseReturnValue:
    """Ask for user name and e-mail; on POST send a code if they belong together, and say the same if not."""
    if request.method == "GET":
        return _start_page({})
    form, errors = load_form(Recipient())
    if errors:
        return _start_page(errors, typed=request.form), 400
    claim = Claim(form["username"], form["email"].strip())
    password_reset.request_code(db_session(), _flow(), claim, network=throttling.network_of(request.remote_addr))
    return reset_claim.keep(make_response(redirect(url_for("passwords.back_to_code"), 303)), claim)


@blueprint.post("/password-reset/code")
def enter_code() -> ResponseReturnValue:
    """Judge the code; a right one opens the next page, in this browser, for ten minutes."""
    form, errors = load_form(EnteredCode())
    claim = Claim(form.get("username", ""), form.get("email", "").strip())
    if errors:
        return _code_page(claim, errors) if claim.username and claim.email else _start_page(errors), 400
    if password_reset.verify_code(db_session(), _flow(), claim, form["code"]) is None:
        return _code_page(claim, {"code": [CODE_REFUSED]}), 400
    return reset_claim.forget(make_response(redirect(url_for("passwords.choose"), 303)))


@blueprint.get("/password-reset/code")
def back_to_code() -> ResponseReturnValue:
    """The page that takes the code; where this browser asked for none lately, the path begins anew."""
    if _find_proof() is not None:
        return redirect(url_for("passwords.choose"), 303)
    claim = reset_claim.find()
    return _code_page(claim, {}) if claim else redirect(url_for("passwords.reset"), 303)


@blueprint.route("/password-reset/new", methods=["GET", "POST"])
def choose() -> ResponseReturnValue:
    """Create and confirm the new password; only after a right code (401 otherwise)."""
    proof = _find_proof()
    account = db_session().get(Account, proof.subject_id) if proof else None
    if proof is None or account is None:
        return _start_page({}, over=True), 401
    if request.method == "GET":
        return _new_page(account, {}, "")
    return _set_password(proof, account)


@blueprint.get("/password-reset/changed")
def changed() -> ResponseReturnValue:
    """What the change means, said once; afterwards the address leads to the sign-in page."""
    if "done" not in request.args:
        return redirect(url_for("sign_in.sign_in"), 303)
    return render_template("accounts/password_changed.html")


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_long(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    return current_app.handle_user_exception(FormTooLong())


def _set_password(proof: EmailProof, account: Account) -> ResponseReturnValue:
    form, errors = load_form(NewPassword())
    password = form.get("password", "")
    if "check" in request.form:
        return _new_page(account, {}, password)
    if errors:
        return _new_page(account, errors, password), 400
    if form["confirmation"] != password:
        return _new_page(account, {"confirmation": [NOT_THE_SAME]}, password), 400
    try:
        password_reset.set_password(db_session(), proof, password, rule=common_rule())
    except WeakPassword as weak:
        return _new_page(account, {"password": sentences(weak.verdict)}, password), 400
    except ProofOver:
        return _start_page({}, over=True), 401
    return reset_claim.forget(make_response(redirect(url_for("passwords.changed", done="yes"), 303)))


def _find_proof() -> EmailProof | None:
    return email_codes.find_proof(db_session(), CodePurpose.PASSWORD_RESET, browser_token=browser_token())


def _verified_before() -> str | None:
    return url_for("passwords.choose") if _find_proof() else None


pressed_twice.lead_on(blueprint, {"enter_code": _verified_before})


def _flow() -> Flow:
    return Flow(CodePurpose.PASSWORD_RESET, browser_id(), settings().secret_key)


def _start_page(errors: object, *, over: bool = False, typed: Mapping[str, str] = MappingProxyType({})) -> str:
    return render_template("accounts/password_reset.html", errors=errors, over=over, typed=typed)


def _code_page(claim: Claim, errors: object) -> str:
    return render_template("accounts/password_code.html", claim=claim, errors=errors)


def _new_page(account: Account, errors: object, password: str) -> str:
    rule = common_rule().also(*password_reset.own_names(account))
    return render_template("accounts/new_password.html", errors=errors, checklist=Checklist.of(password, rule))
