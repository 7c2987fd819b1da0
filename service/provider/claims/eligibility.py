"""Eligibility: was this member covered on that day? Posted, so that numbers and birth dates stay out of addresses."""

from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from service.accounts import kept_form
from service.clock import now
from service.plan.logins.lookups import ReasonNeeded, TooManyLookups
from service.plan.models import PortalFunction
from service.provider import dead_ends
from service.provider.claims import eligibility_inquiry
from service.provider.claims.claim_pages import reason_of
from service.provider.claims.eligibility_inquiry import EligibilityAsked, NoMatch, ReachesNobody
from service.provider.claims.inquiry_schemas import EligibilityInquiry
from service.provider.claims.inquiry_words import PURPOSES
from service.provider.gate import current_staff, require_function
from service.web import db_session, load_form, settings

blueprint = Blueprint("provider_eligibility", __name__, url_prefix="/provider/eligibility")


@blueprint.get("")
@require_function(PortalFunction.ELIGIBILITY)
def index() -> ResponseReturnValue:
    """The form."""
    return _page({})


@blueprint.post("")
@kept_form.keeping()
@require_function(PortalFunction.ELIGIBILITY)
def check() -> ResponseReturnValue:
    """Coverage on the day; asks why first where the office has no claim for the member, or nobody matches."""
    form, errors = load_form(EligibilityInquiry())
    if errors:
        return _page(errors, asks_reason="reason_text" in request.form), 400
    try:
        found = eligibility_inquiry.check(db_session(), current_staff(), _asked(form), settings())
    except ReasonNeeded:
        return _page({}, asks_reason=True)
    except TooManyLookups:
        return dead_ends.too_many_lookups()
    except NoMatch:
        return _page({}, no_match=True, asks_reason=form["purpose"] is not None)
    except ReachesNobody:
        return _page({}, reaches_nobody=True)
    return render_template("provider/coverage.html", found=found, checked_at=now())


def _asked(form: dict[str, Any]) -> EligibilityAsked:
    return EligibilityAsked(
        member_number=form["member_number"], birth_date=form["birth_date"], last_name=form["last_name"],
        service_date=form["service_date"] or today(), reason=reason_of(form),
    )  # fmt: skip


def today() -> Any:
    """The day it is for the plan."""
    return now().astimezone(settings().plan.timezone).date()


def _page(errors: dict[str, list[str]], **shown: Any) -> str:
    return render_template(
        "provider/eligibility.html", errors=errors, given=request.form, purposes=PURPOSES, today=today(), **shown
    )
