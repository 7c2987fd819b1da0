"""Remittance Inquiry: what the plan paid and why, found by check, EFT or NP number, by claim, date or amount."""

from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from consent import policy
from consent.policy import Access
from fhir.payments.payment_reconciliation import payment_reconciliation
from service.accounts import kept_form
from service.plan.models import PortalFunction
from service.plan.remittances import adjustment_words
from service.plan.remittances.remittance_balance import dollars
from service.plan.remittances.remittance_search import Detail, UnknownRemittance, Wanted
from service.provider.gate import current_staff, require_function
from service.provider.remittances import remittance_csv, remittance_inquiry, remittance_pdf
from service.provider.remittances.remittance_schemas import Inquiry
from service.web import NotFoundPage, PageError, db_session, load_form, settings

blueprint = Blueprint("provider_remittances", __name__, url_prefix="/provider/remittances")
blueprint.add_app_template_filter(dollars, "dollars")
blueprint.add_app_template_filter(adjustment_words.remark, "remark_words")
blueprint.add_app_template_filter(adjustment_words.provider_adjustment, "provider_adjustment_words")
blueprint.add_app_template_global(adjustment_words.adjustment, "adjustment_words")
blueprint.add_app_template_global(adjustment_words.claim_status, "claim_status_words")
PAYMENT = "payment"
"""Why an office looks: its own payment (45 CFR 164.506(c)(3))."""


class TooLongToPrint(PageError):
    """The remittance has more claims than a printed page serves anybody."""

    status = 413
    title = _("This remittance is too long for a PDF")
    sentence = _("Please take it as CSV or as the 835 file: go back and choose one of these.")


@blueprint.get("")
@require_function(PortalFunction.REMITTANCES)
def index() -> ResponseReturnValue:
    """The form."""
    return render_template("provider/remittances.html", errors={}, given={}, results=None)


@blueprint.post("")
@kept_form.keeping()
@require_function(PortalFunction.REMITTANCES)
def search() -> ResponseReturnValue:
    """What was found. By POST: numbers of claims and patients stay out of addresses and logs."""
    asked, errors = load_form(Inquiry())
    if errors:
        page = render_template("provider/remittances.html", errors=errors, given=request.form, results=None)
        return Response(page, 400)
    wanted = asked["wanted"]
    results = remittance_inquiry.find(db_session(), _access(), wanted, after=asked["after"])
    if wanted == Wanted(number=wanted.number) and len(results.found) == 1 and not asked["after"]:
        # The search told that there is one, the page will tell what is in it: each leaves its own row.
        return redirect(url_for(".show", remittance_id=results.found[0].remittance.id), 303)
    return render_template(
        "provider/remittances.html",
        errors={},
        given=request.form,
        results=results,
    )  # fmt: skip


@blueprint.get("/<uuid:remittance_id>")
@require_function(PortalFunction.REMITTANCES)
def show(remittance_id: UUID) -> ResponseReturnValue:
    """One remittance with its claims and lines."""
    after = request.args.get("after", 0, type=int)
    try:
        found = remittance_inquiry.read(db_session(), _access(), str(remittance_id), after=min(max(after, 0), 10**9))
    except UnknownRemittance:
        raise NotFoundPage from None
    return render_template("provider/remittance.html", found=found, printable=remittance_pdf.is_printable(found))


@blueprint.get("/<uuid:remittance_id>/pdf")
@require_function(PortalFunction.REMITTANCES)
def as_pdf(remittance_id: UUID) -> ResponseReturnValue:
    """The remittance to print."""
    found = _take(remittance_id, "pdf")
    if not remittance_pdf.is_printable(found):
        raise TooLongToPrint
    return _file(found, remittance_pdf.render(found, settings().plan.name), "application/pdf", "pdf")


@blueprint.get("/<uuid:remittance_id>/csv")
@require_function(PortalFunction.REMITTANCES)
def as_csv(remittance_id: UUID) -> ResponseReturnValue:
    """The remittance as a table."""
    found = _take(remittance_id, "csv")
    return _file(found, remittance_csv.render(found).encode("utf-8-sig"), "text/csv; charset=utf-8", "csv")


@blueprint.get("/<uuid:remittance_id>/835")
@require_function(PortalFunction.REMITTANCES)
def as_835(remittance_id: UUID) -> ResponseReturnValue:
    """The 835 that the remittance came in."""
    try:
        found = remittance_inquiry.take_document(db_session(), _access(), str(remittance_id))
    except UnknownRemittance:
        raise NotFoundPage from None
    return _attachment(found.document, "application/EDI-X12", f"remittance-{found.number_key}.835")


@blueprint.get("/<uuid:remittance_id>/fhir")
@require_function(PortalFunction.REMITTANCES)
def as_fhir(remittance_id: UUID) -> ResponseReturnValue:
    """The remittance as FHIR PaymentReconciliation."""
    found = _take(remittance_id, "fhir")
    body = payment_reconciliation(found.remittance, found.group, [one.claim for one in found.claims])
    return _file(found, body, "application/fhir+json", "json")


def _access() -> Access:
    return policy.provider_authority(db_session(), current_staff(), PortalFunction.REMITTANCES, reason=PAYMENT)


def _take(remittance_id: UUID, form: str) -> Detail:
    try:
        return remittance_inquiry.take(db_session(), _access(), str(remittance_id), form)
    except UnknownRemittance:
        raise NotFoundPage from None


def _file(found: Detail, body: bytes, content_type: str, suffix: str) -> Response:
    return _attachment(body, content_type, f"remittance-{found.remittance.number_key}.{suffix}")


def _attachment(body: bytes, content_type: str, name: str) -> Response:
    # The name holds letters and digits only (service.plan.providers.numbers.payment_number).
    return Response(body, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
