"""Claims Inquiry: search among the claims one's providers billed, and one claim in full.

Searches are posted: numbers of members stay out of addresses, histories and logs.
"""

from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from service.accounts import kept_form
from service.plan.logins.lookups import Purpose, Reason, ReasonNeeded, TooManyLookups
from service.plan.models import PortalFunction
from service.provider import dead_ends
from service.provider.claims import claim_inquiry, claim_words
from service.provider.claims.claim_inquiry import ClaimsAsked, NoSuchClaim
from service.provider.claims.inquiry_schemas import ClaimInquiry
from service.provider.claims.inquiry_words import PURPOSES
from service.provider.gate import current_staff, require_function
from service.web import db_session, load_form, settings

blueprint = Blueprint("provider_claims", __name__, url_prefix="/provider/claims")


@blueprint.get("")
@require_function(PortalFunction.CLAIMS)
def index() -> ResponseReturnValue:
    """The search, with the latest claims."""
    page = claim_inquiry.find(db_session(), current_staff(), ClaimsAsked(), settings())
    return _page({}, page=page, searched=False)


@blueprint.post("")
@kept_form.keeping()
@require_function(PortalFunction.CLAIMS)
def search() -> ResponseReturnValue:
    """The claims that match; asks why before it looks for a member of whom the office has no claim."""
    form, errors = load_form(ClaimInquiry())
    if errors:
        return _page(errors, asks_reason="reason_text" in request.form), 400
    try:
        page = claim_inquiry.find(db_session(), current_staff(), _asked(form), settings())
    except ReasonNeeded:
        return _page({}, asks_reason=True)
    except TooManyLookups:
        return dead_ends.too_many_lookups()
    return _page({}, page=page, searched=True)


@blueprint.get("/<claim_id>")
@require_function(PortalFunction.CLAIMS)
def claim(claim_id: str) -> ResponseReturnValue:
    """One claim: amounts, lines, adjustments, payment."""
    try:
        shown = claim_inquiry.get(db_session(), current_staff(), claim_id)
    except NoSuchClaim:
        return dead_ends.not_found()
    return render_template(
        "provider/claim.html", shown=shown, claim=shown.claim, staff=current_staff(), words=claim_words
    )


def _asked(form: dict[str, Any]) -> ClaimsAsked:
    given = {name: value for name, value in form.items() if name not in {"purpose", "reason_text"}}
    return ClaimsAsked(**given, reason=reason_of(form))


def reason_of(form: dict[str, Any]) -> Reason | None:
    """The reason in a checked form; None where none was asked for."""
    purpose: Purpose | None = form["purpose"]
    return Reason(purpose, form["reason_text"]) if purpose is not None else None


def _page(errors: dict[str, list[str]], **shown: Any) -> str:
    return render_template(
        "provider/claims.html", errors=errors, given=request.form, statuses=claim_words.STATES.items(),
        purposes=PURPOSES, words=claim_words, **shown,
    )  # fmt: skip
