"""Registration, second part: who the person is, their e-mail, their account, the confirmation (product.md PV 3)."""

from functools import partial

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from service.accounts import enrolling, kept_form, notifications, stepping_up, throttling
from service.accounts.account_step import take_account, take_code
from service.accounts.checklist import Checklist, common_rule
from service.accounts.email_codes import Flow
from service.accounts.enrolling import Letter
from service.accounts.models import CodePurpose, EmailProof
from service.accounts.password_reset import ProofOver
from service.accounts.sessions import Login, current_login
from service.accounts.wording import FormTooLong
from service.plan.models import PortalRegistration
from service.plan.registering import joining, registration, registration_end
from service.plan.registering.joining import HasLogin
from service.plan.registering.mailed_pins import LettersUsedUp, NoAddress
from service.plan.registering.personal_names import NotYourName
from service.plan.registering.registration import Contact, Path, answers_of
from service.plan.registering.registration_end import OrganizationRegistered, RegistrationOver
from service.provider.registering.registration import begin_again, find_under_way, network
from service.provider.registering.registration_schemas import ContactDetails, OnlyPhone, load
from service.provider.registering.registration_words import NOT_YOUR_NAME
from service.web import browser_id, db_session, settings

blueprint = Blueprint("provider_contact", __name__, url_prefix="/provider/register")
_DAY = 86_400


@blueprint.route("/contact", methods=["GET", "POST"])
@kept_form.keeping()
def contact() -> ResponseReturnValue:
    """Your name, phone and e-mail; whoever is signed in registers with the account they have."""
    under_way = find_under_way()
    if under_way is None or not answers_of(under_way).organization_is_known:
        return begin_again()
    if registration.asks_for_reason(db_session(), answers_of(under_way)):
        return redirect(url_for("provider_registration.reason"), 303)
    login = current_login()
    if login is not None:
        return _contact_of_account(under_way, login)
    if request.method == "GET":
        return _contact_page(under_way, {})
    form, errors = load(ContactDetails())
    if errors:
        return _contact_page(under_way, errors), 400
    person = Contact(form["given_name"], form["family_name"], form["phone"])
    try:
        registration.give_contact(db_session(), under_way, person)
    except NotYourName:
        return _contact_page(under_way, {"family_name": [NOT_YOUR_NAME]}), 400
    if form["email"] == under_way.email and _find_proof(under_way) is not None:
        # Came back from the last page: this address is proven.
        return redirect(url_for("provider_contact.account"), 303)
    _send_code(under_way, form["email"])
    return redirect(url_for("provider_contact.code"), 303)


@blueprint.route("/code", methods=["GET", "POST"])
def code() -> ResponseReturnValue:
    """The code out of the e-mail; a right one opens the next page, in this browser."""
    under_way = _find_with_address()
    if under_way is None:
        return begin_again()
    if request.method == "GET":
        return _code_page(under_way, {})
    return take_code(
        under_way, _flow(), partial(_code_page, under_way), then=url_for("provider_contact.account"), load=load
    )


@blueprint.post("/code/again")
def send_again() -> ResponseReturnValue:
    """Send a new code to the same address."""
    under_way = _find_with_address()
    if under_way is None:
        return begin_again()
    _send_code(under_way, under_way.email)
    return redirect(url_for("provider_contact.code"), 303)


@blueprint.route("/account", methods=["GET", "POST"])
def account() -> ResponseReturnValue:
    """User name and password; then the confirmation."""
    under_way = _find_with_address()
    if under_way is None and registration.find_finished(db_session(), browser_id()) is not None:
        # Sent twice, or come back to: the account is there already.
        return redirect(url_for("provider_contact.done"), 303)
    proof = _find_proof(under_way) if under_way else None
    if under_way is None or proof is None:
        return begin_again()
    if request.method == "GET":
        return _account_page(under_way, {}, answers_of(under_way).typed.get("account", {}))
    return take_account(partial(_account_page, under_way), partial(_finish, under_way, proof), load=load)


@blueprint.get("/done")
def done() -> ResponseReturnValue:
    """The confirmation, with the way to sign in."""
    finished = registration.find_finished(db_session(), browser_id())
    if finished is None:
        return begin_again()
    answers = answers_of(finished)
    return render_template("provider/register_done.html", answers=answers, by_mail=answers.path is Path.MAIL)


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_long(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    return current_app.handle_user_exception(FormTooLong())


def _contact_of_account(under_way: PortalRegistration, login: Login) -> ResponseReturnValue:
    if not stepping_up.password_is_recent(login):
        here = url_for("provider_contact.contact")
        return redirect(url_for("sign_in.confirm_password", next=here), 303)
    if request.method == "GET":
        return _own_contact_page(under_way, login, {})
    form, errors = load(OnlyPhone())
    if errors:
        return _own_contact_page(under_way, login, errors), 400
    session = db_session()
    name, address = login.account.full_name, login.account.email
    try:
        registration_end.finish_with_account(
            session, under_way, login.account, phone=form["phone"], key=settings().secret_key
        )
    except NotYourName:
        return _own_contact_page(under_way, login, {"_schema": [NOT_YOUR_NAME]}), 400
    except HasLogin:
        session.rollback()
        return render_template("provider/register_has_login.html"), 409
    except OrganizationRegistered:
        session.rollback()
        return _organization_registered(name, address)
    except (LettersUsedUp, NoAddress):
        session.rollback()
        return render_template("provider/register_no_letter.html"), 400
    except RegistrationOver:
        session.rollback()
        return begin_again()
    return redirect(url_for("provider_contact.done"), 303)


def _finish(under_way: PortalRegistration, proof: EmailProof, username: str, password: str) -> ResponseReturnValue:
    session, answers = db_session(), answers_of(under_way)
    name, address = f"{answers.given_name} {answers.family_name}", under_way.email
    try:
        registration_end.finish(
            session, under_way, proof, username=username, password=password, rule=common_rule(),
            key=settings().secret_key,
        )  # fmt: skip
    except OrganizationRegistered:
        session.rollback()
        return _organization_registered(name, address)
    except (LettersUsedUp, NoAddress):
        session.rollback()
        return render_template("provider/register_no_letter.html"), 400
    except (ProofOver, RegistrationOver):
        session.rollback()
        return begin_again()
    return redirect(url_for("provider_contact.done"), 303)


def _organization_registered(name: str, address: str) -> ResponseReturnValue:
    """The firm has a delegate, who is told; the person proved their e-mail, and gets no account from this page."""
    under_way = find_under_way()
    if under_way is None:
        return begin_again()
    organization = joining.find_organization(db_session(), under_way.kind, answers_of(under_way).tax_id)
    if organization is not None and throttling.hit(
        db_session(), f"portal_registration:told:{organization.id}:{throttling.hidden(address.casefold())}", 1, _DAY
    ):
        joining.tell_of_try(db_session(), organization, name, address)
    return render_template("provider/register_registered.html"), 409


def _send_code(under_way: PortalRegistration, address: str) -> None:
    session = db_session()
    letter = Letter("portal_registration_code", "en", "portal_registration")
    owner = enrolling.send_code(session, under_way, address, _flow(), letter, network=network())
    if owner is not None and throttling.hit(session, f"register:told:{owner.id}", 1, _DAY):
        notifications.portal_registration_tried(session, owner)


def _flow() -> Flow:
    return Flow(CodePurpose.PORTAL_REGISTRATION, browser_id(), settings().secret_key)


def _find_proof(under_way: PortalRegistration) -> EmailProof | None:
    return enrolling.find_proof(db_session(), under_way, CodePurpose.PORTAL_REGISTRATION)


def _find_with_address() -> PortalRegistration | None:
    under_way = find_under_way()
    return under_way if under_way is not None and under_way.email else None


def _contact_page(under_way: PortalRegistration, errors: object) -> str:
    answers = answers_of(under_way)
    held = {
        "given_name": answers.given_name, "family_name": answers.family_name, "phone": answers.phone,
        "email": under_way.email,
    } | answers.typed.get("contact", {})  # fmt: skip
    given = request.form if request.method == "POST" else held
    return render_template("provider/register_contact.html", answers=answers, errors=errors, given=given)


def _own_contact_page(under_way: PortalRegistration, login: Login, errors: object) -> str:
    answers = answers_of(under_way)
    given = request.form if request.method == "POST" else answers.typed.get("contact", {})
    return render_template(
        "provider/register_contact_of_account.html", answers=answers, account=login.account, errors=errors, given=given
    )


def _code_page(under_way: PortalRegistration, errors: object) -> str:
    return render_template("provider/register_code.html", email=under_way.email, errors=errors)


def _account_page(under_way: PortalRegistration, errors: object, form: dict[str, str]) -> str:
    username, password = form.get("username", ""), form.get("password", "")
    rule = common_rule().also(*registration_end.own_names(under_way, username))
    checklist = Checklist.of(password, rule)
    return render_template("provider/register_account.html", errors=errors, username=username, checklist=checklist)
