"""Registration, first part: who you are, what you can show, which provider it is (product.md PV 1 to 4, 7)."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _
from marshmallow import Schema

from service.accounts import throttling
from service.accounts.sessions import current_login
from service.plan.models import PortalRegistration
from service.plan.registering import payment_proof, registration
from service.plan.registering.mailed_pins import LettersUsedUp, NoAddress
from service.plan.registering.payment_proof import ProofRefused, ShownPayment
from service.plan.registering.registration import (
    Answers,
    NoMatch,
    Path,
    ProvidersTaxId,
    TooManyRegistrations,
    UnknownChoice,
    answers_of,
)
from service.provider.registering.registration_schemas import (
    BillingOrganization,
    ByMail,
    Chosen,
    PaymentByNpi,
    PaymentByVendorNumber,
    Reason,
    load,
)
from service.provider.registering.registration_words import PROVIDERS_TAX_ID, REASONS, TOO_MANY
from service.web import browser_id, db_session, settings

blueprint = Blueprint("provider_registration", __name__, url_prefix="/provider/register")
_NOT_LISTED = "not_listed"
_CHOOSE_FROM_LIST = _("Please choose one of the providers in the list, or “My provider is not listed”.")


@dataclass(frozen=True)
class _PaymentForm:
    """The form of one instant path: its schema and the field beside Tax ID and payment number."""

    path: Path
    schema: type[Schema]
    second: str
    label: LazyString


_FORMS = {
    Path.NPI: _PaymentForm(Path.NPI, PaymentByNpi, "npi", _("Type 2 NPI")),
    Path.VENDOR_NUMBER: _PaymentForm(Path.VENDOR_NUMBER, PaymentByVendorNumber, "vendor_number", _("Vendor number")),
}


@blueprint.get("")
def who() -> ResponseReturnValue:
    """Please tell us who you are."""
    return render_template("provider/register_who.html", over=False)


@blueprint.get("/provider")
def paths() -> ResponseReturnValue:
    """The three paths of a provider."""
    return render_template("provider/register_paths.html")


@blueprint.route("/provider/npi", methods=["GET", "POST"])
def npi() -> ResponseReturnValue:
    """Tax ID, payment number, and the Type 2 NPI of that payment."""
    return _payment(_FORMS[Path.NPI])


@blueprint.route("/provider/vendor", methods=["GET", "POST"])
def vendor() -> ResponseReturnValue:
    """Tax ID, payment number, and the vendor number on the check."""
    return _payment(_FORMS[Path.VENDOR_NUMBER])


@blueprint.route("/provider/mail", methods=["GET", "POST"])
def mail() -> ResponseReturnValue:
    """Tax ID only: a PIN is mailed to the address on file."""
    if request.method == "GET":
        return _mail_page({}, _typed_before(Path.MAIL))
    form, errors = load(ByMail())
    if errors:
        return _mail_page(errors, request.form), 400
    try:
        registration.begin_with_mail(db_session(), form["tax_id"], browser_id=browser_id(), network=network())
    except NoMatch:
        return render_template("provider/register_no_match.html"), 400
    except TooManyRegistrations:
        return _mail_page({"_schema": [TOO_MANY]}, request.form), 429
    return redirect(url_for("provider_registration.choose"), 303)


@blueprint.route("/billing", methods=["GET", "POST"])
def billing() -> ResponseReturnValue:
    """A billing organisation's full name and its own Tax ID."""
    if request.method == "GET":
        return _billing_page({}, _typed_before(Path.BILLING))
    form, errors = load(BillingOrganization())
    if errors:
        return _billing_page(errors, request.form), 400
    try:
        registration.begin_as_billing(
            db_session(), form["name"], form["tax_id"], browser_id=browser_id(), network=network()
        )
    except ProvidersTaxId:
        return _billing_page({"tax_id": [PROVIDERS_TAX_ID]}, request.form), 400
    except TooManyRegistrations:
        return _billing_page({"_schema": [TOO_MANY]}, request.form), 429
    return redirect(url_for("provider_contact.contact"), 303)


@blueprint.route("/choose", methods=["GET", "POST"])
def choose() -> ResponseReturnValue:
    """Which of the matches it is; an outdated address does no harm."""
    under_way = find_under_way()
    if under_way is None or answers_of(under_way).path is Path.BILLING:
        return begin_again()
    if request.method == "GET":
        return _choose_page(answers_of(under_way), {})
    form, errors = load(Chosen())
    if errors:
        return _choose_page(answers_of(under_way), errors), 400
    if form["provider"] == _NOT_LISTED:
        return redirect(url_for("provider_not_listed.index"), 303)
    try:
        registration.choose(db_session(), under_way, form["provider"])
    except UnknownChoice:
        return _choose_page(answers_of(under_way), {"provider": [_CHOOSE_FROM_LIST]}), 400
    except (LettersUsedUp, NoAddress):
        return render_template("provider/register_no_letter.html"), 400
    asks = registration.asks_for_reason(db_session(), answers_of(under_way))
    return redirect(url_for("provider_registration.reason" if asks else "provider_contact.contact"), 303)


@blueprint.route("/reason", methods=["GET", "POST"])
def reason() -> ResponseReturnValue:
    """Why the delegate there cannot assist; the answer decides nothing but what others read."""
    under_way = find_under_way()
    if under_way is None or not answers_of(under_way).group_id or not _may_give_reason(answers_of(under_way)):
        return begin_again()
    if request.method == "GET":
        return _reason_page({}, _reason_given(answers_of(under_way)))
    form, errors = load(Reason())
    if errors:
        return _reason_page(errors, request.form), 400
    registration.give_reason(db_session(), under_way, form["reason"], form["detail"])
    return redirect(url_for("provider_contact.contact"), 303)


def find_under_way() -> PortalRegistration | None:
    """The registration under way in this browser, of the person in front of it; None where it is another's."""
    session, login = db_session(), current_login()
    found = registration.find(session, browser_id())
    if found is None or not registration.continue_as(session, found, login.account if login else None):
        return None
    return found


def begin_again() -> ResponseReturnValue:
    """The answer to a step whose first steps are missing, or too old."""
    return render_template("provider/register_who.html", over=True), 401


def network() -> str:
    """Where this request comes from, as limits count it."""
    return throttling.network_of(request.remote_addr)


def _payment(form_of_path: _PaymentForm) -> ResponseReturnValue:
    if request.method == "GET":
        return _payment_page(form_of_path, {}, _typed_before(form_of_path.path))
    form, errors = load(form_of_path.schema())
    if errors:
        return _payment_page(form_of_path, errors, request.form), 400
    shown = ShownPayment(form["tax_id"], form["number"], form.get("npi", ""), form.get("vendor_number", ""))
    days = settings().plan.provider.proof_days
    try:
        registration.begin_with_payment(db_session(), shown, browser_id=browser_id(), network=network(), days=days)
    except ProofRefused as refusal:
        limited = isinstance(refusal, payment_proof.TooManyTries)
        page = render_template(
            "provider/register_not_proven.html", the=form_of_path, path=form_of_path.path, limited=limited, days=days,
            given=request.form, errors={},
        )  # fmt: skip
        return page, refusal.status
    return redirect(url_for("provider_registration.choose"), 303)


def _may_give_reason(answers: Answers) -> bool:
    return bool(answers.reason) or registration.asks_for_reason(db_session(), answers)


def _typed_before(path: Path) -> dict[str, str]:
    """What somebody who came back has given on the form of this path."""
    under_way = find_under_way()
    answers = answers_of(under_way) if under_way else None
    if answers is None or answers.path is not path:
        return {}
    return {
        "tax_id": answers.tax_id, "npi": answers.npi, "vendor_number": answers.vendor_number,
        "name": answers.organization_name, "number": registration.payment_number(db_session(), answers),
    }  # fmt: skip


def _reason_given(answers: Answers) -> dict[str, str]:
    return {"reason": answers.reason, "detail": answers.reason_detail} | answers.typed.get("reason", {})


def _payment_page(form_of_path: _PaymentForm, errors: object, given: Mapping[str, str]) -> str:
    days = settings().plan.provider.proof_days
    return render_template("provider/register_payment.html", the=form_of_path, errors=errors, given=given, days=days)


def _mail_page(errors: object, given: Mapping[str, str]) -> str:
    return render_template("provider/register_mail.html", errors=errors, given=given)


def _billing_page(errors: object, given: Mapping[str, str]) -> str:
    return render_template("provider/register_billing.html", errors=errors, given=given)


def _choose_page(answers: Answers, errors: object) -> str:
    return render_template(
        "provider/register_choose.html", matches=registration.matches(db_session(), answers), answers=answers,
        not_listed=_NOT_LISTED, errors=errors, chosen=answers.typed.get("choose", {}).get("provider", answers.group_id),
    )  # fmt: skip


def _reason_page(errors: object, given: Mapping[str, str]) -> str:
    return render_template(
        "provider/register_reason.html", reasons=REASONS, errors=errors, given=given,
        action=url_for("provider_registration.reason"),
    )  # fmt: skip
