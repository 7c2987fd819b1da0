"""Registration pages: who you are, your e-mail, the code, user name and password; then on to where you came from."""

from functools import partial

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from werkzeug.exceptions import RequestEntityTooLarge

from service.accounts import enrolling, pressed_twice, throttling
from service.accounts.account_step import enter, take_account, take_code
from service.accounts.checklist import Checklist, common_rule
from service.accounts.email_codes import Flow
from service.accounts.models import CodePurpose, EmailProof, PendingRegistration
from service.accounts.next_page import local_path
from service.accounts.password_reset import ProofOver
from service.accounts.schemas import NewAddress
from service.accounts.sessions import current_login
from service.accounts.wording import FormTooLong
from service.member.registering import member_proofs as registering
from service.member.registering.member_proofs import MemberProof, NotMatched, Origin, OutOfScope
from service.member.registering.registration_schemas import MemberDetails, RepresentativeDetails
from service.web import browser_id, db_session, load_form, plan, settings

blueprint = Blueprint("registration", __name__)


@blueprint.route("/register", methods=["GET", "POST"])
def start() -> ResponseReturnValue:
    """Ask a member who they are, and match it with the roster."""
    if request.method == "GET":
        return _first_page("member", {})
    form, errors = load_form(MemberDetails())
    if errors:
        return _first_page("member", errors), 400
    proof = MemberProof(form["member_id"], form["last_name"], form["birth_date"], form["zip_code"])
    try:
        registering.begin_as_member(db_session(), proof, _origin(), out_of_scope=plan().out_of_scope_lines)
    except NotMatched:
        return _first_page("member", {}, not_matched=True), 400
    except OutOfScope:
        return render_template("registration/out_of_scope.html"), 400
    return redirect(url_for("registration.email"), 303)


@blueprint.route("/register/representative", methods=["GET", "POST"])
def representative() -> ResponseReturnValue:
    """Ask a representative who is no member for their Personal Representative ID."""
    if request.method == "GET":
        return _first_page("representative", {})
    form, errors = load_form(RepresentativeDetails())
    if errors:
        return _first_page("representative", errors), 400
    try:
        registering.begin_as_representative(
            db_session(), form["representative_id"], form["last_name"], form["birth_date"], _origin()
        )
    except NotMatched:
        return _first_page("representative", {}, not_matched=True), 400
    return redirect(url_for("registration.email"), 303)


@blueprint.route("/register/email", methods=["GET", "POST"])
def email() -> ResponseReturnValue:
    """Ask for the e-mail address and send a code there."""
    pending = _find_pending()
    if pending is None:
        return _over()
    if request.method == "GET":
        return render_template("registration/email.html", errors={}, email=pending.email)
    form, errors = load_form(NewAddress())
    if errors:
        return render_template("registration/email.html", errors=errors, email=request.form.get("email", "")[:254]), 400
    network = throttling.network_of(request.remote_addr)
    registering.send_code(db_session(), pending, form["email"].strip(), _flow(), network=network)
    return redirect(url_for("registration.code"), 303)


@blueprint.route("/register/code", methods=["GET", "POST"])
def code() -> ResponseReturnValue:
    """Ask for the code; a right one opens the last page, in this browser."""
    pending = _find_pending()
    if pending is None or not pending.email:
        return _over()
    if request.method == "GET":
        return redirect(url_for("registration.account"), 303) if _find_proof() else _code_page(pending, {})
    return take_code(pending, _flow(), partial(_code_page, pending), then=url_for("registration.account"))


@blueprint.route("/register/account", methods=["GET", "POST"])
def account() -> ResponseReturnValue:
    """Ask for user name and password; then the person is signed in and goes on."""
    pending, proof = _find_pending(), _find_proof()
    if pending is None or proof is None:
        return _over()
    if request.method == "GET":
        return _account_page(pending, {}, {})
    return take_account(partial(_account_page, pending), partial(_open, pending, proof))


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_long(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    return current_app.handle_user_exception(FormTooLong())


def _open(pending: PendingRegistration, proof: EmailProof, username: str, password: str) -> ResponseReturnValue:
    session = db_session()
    try:
        opened = registering.finish(session, pending, proof, username=username, password=password, rule=common_rule())
    except ProofOver:
        session.rollback()
        return _over()
    enter(opened)
    return redirect(local_path(pending.next_path) or url_for("member_home.index"), 303)


def _origin() -> Origin:
    locale = get_locale()
    return Origin(
        browser_id=browser_id(),
        network=throttling.network_of(request.remote_addr),
        language=locale.language if locale else "en",
        following=_following() or "",
    )


def _flow() -> Flow:
    return Flow(CodePurpose.REGISTRATION, browser_id(), settings().secret_key)


def _following() -> str | None:
    return local_path(request.values.get("next"))


def _find_pending() -> PendingRegistration | None:
    return registering.find_pending(db_session(), browser_id())


def _find_proof() -> EmailProof | None:
    pending = _find_pending()
    return enrolling.find_proof(db_session(), pending, CodePurpose.REGISTRATION) if pending else None


def _over() -> ResponseReturnValue:
    """Who has just registered goes on, whether they came back or pressed twice; everybody else begins."""
    if address := _finished():
        return redirect(address, 303)
    return _first_page("member", {}, over=True), 401


def _finished() -> str | None:
    finished = registering.find_finished(db_session(), browser_id())
    if finished is None:
        return None
    following = local_path(finished.next_path) or url_for("member_home.index")
    # Of two presses the browser drops the first one's answer, and with it the cookie that signs in.
    return following if current_login() else url_for("sign_in.sign_in", next=following, done="registered")


def _verified() -> str | None:
    return url_for("registration.account") if _find_proof() else None


pressed_twice.lead_on(blueprint, {"code": _verified, "account": _finished})


def _first_page(kind: str, errors: object, *, over: bool = False, not_matched: bool = False) -> str:
    """The form with what was typed; `not_matched` says so in words that are the same whoever was meant."""
    return render_template(
        f"registration/{kind}.html", errors=errors, following=_following(), over=over, not_matched=not_matched,
        given=request.form,
    )  # fmt: skip


def _code_page(pending: PendingRegistration, errors: object) -> str:
    return render_template("registration/code.html", email=pending.email, errors=errors)


def _account_page(pending: PendingRegistration, errors: object, form: dict[str, str]) -> str:
    username, password = form.get("username", ""), form.get("password", "")
    checklist = Checklist.of(password, common_rule().also(*registering.own_names(pending, username)))
    return render_template("registration/account.html", errors=errors, username=username, checklist=checklist)
