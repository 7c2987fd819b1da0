"""Accounting of disclosures: a privacy officer looks a member up, enters what counts, gives the account.

The member ID is posted, so that it stays out of addresses, histories and logs. Nobody keeps the account of themselves.
"""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from service import audit
from service.accounts import kept_form
from service.audit import Outcome
from service.door.admission import in_places
from service.plan.logins import lookups
from service.plan.logins.lookups import TooManyLookups
from service.plan.members import roster
from service.plan.models import Member, StaffRole
from service.plan.staff import own_records
from service.reports import disclosures
from service.reports.disclosures import CorrectedAlready, NotYetDisclosed
from service.reports.models import DisclosurePurpose
from service.staff.gate import current_staff, require_role
from service.staff.refusals import LookupsExhausted, own_record, told
from service.staff.reports.report_pages import as_file
from service.staff.reports.report_schemas import Disclosure, MemberId
from service.web import NotFoundPage, db_session, latchstring, load_form, request_id, settings

blueprint = Blueprint("staff_disclosures", __name__, url_prefix="/staff/reports/disclosures")
_LOOKUP = "plan:disclosure:lookup"
PURPOSES: dict[DisclosurePurpose, LazyString] = {
    DisclosurePurpose.REQUIRED_BY_LAW: _("Required by law (164.512(a))"),
    DisclosurePurpose.PUBLIC_HEALTH: _("Public health (164.512(b))"),
    DisclosurePurpose.ABUSE_OR_NEGLECT: _("Abuse, neglect or domestic violence (164.512(c))"),
    DisclosurePurpose.OVERSIGHT: _("Health oversight (164.512(d))"),
    DisclosurePurpose.COURT: _("A court or an administrative proceeding (164.512(e))"),
    DisclosurePurpose.LAW_ENFORCEMENT: _("Law enforcement (164.512(f))"),
    DisclosurePurpose.DECEASED: _("About somebody who has died (164.512(g), (h))"),
    DisclosurePurpose.RESEARCH: _("Research (164.512(i))"),
    DisclosurePurpose.SERIOUS_THREAT: _("A serious threat to health or safety (164.512(j))"),
    DisclosurePurpose.GOVERNMENT: _("Specialized government functions (164.512(k))"),
    DisclosurePurpose.WORKERS_COMPENSATION: _("Workers' compensation (164.512(l))"),
    DisclosurePurpose.MISTAKE: _("A mistake: it should not have happened"),
}


@blueprint.get("/")
@require_role(StaffRole.PRIVACY_OFFICER)
def index() -> ResponseReturnValue:
    """The look-up."""
    return _search_page({})


@blueprint.post("/")
@kept_form.keeping()
@require_role(StaffRole.PRIVACY_OFFICER)
def look_up() -> ResponseReturnValue:
    """Go to the member with this ID."""
    form, errors = load_form(MemberId())
    if errors:
        return _search_page(errors), 400
    try:
        lookups.take(db_session(), current_staff(), settings())
    except TooManyLookups:
        return told(LookupsExhausted())
    member = roster.find_by_number(db_session(), form["member_number"])
    asked = {"asked_for": {"member_number": form["member_number"]}}
    by = current_staff().account_id
    if member is None:
        audit.record(db_session(), _LOOKUP, outcome=Outcome.FAILED, account_id=by, count=0, detail=asked)
        return _search_page({"member_number": ["No member has this member ID."]}), 400
    if own_records.is_own(db_session(), current_staff(), member):
        return own_record(member, _LOOKUP)
    audit.record(db_session(), _LOOKUP, account_id=by, member_id=member.id, count=1, detail=asked)
    return redirect(url_for("staff_disclosures.show", patient_id=member.patient_id), 303)


@blueprint.get("/of/<patient_id>")
@require_role(StaffRole.PRIVACY_OFFICER)
def show(patient_id: str) -> ResponseReturnValue:
    """The account of a member: as a page to read and print, or as CSV."""
    member = _member(patient_id)
    if own_records.is_own(db_session(), current_staff(), member):
        return own_record(member, "plan:disclosure:account")
    if request.args.get("format") == "csv":
        made = disclosures.begin_csv(db_session(), member, by_account_id=current_staff().account_id)
        pieces = in_places(made.pieces(latchstring().sessions), request_id())
        return as_file(pieces, "accounting-of-disclosures.csv")
    try:
        return _account_page(member, {}, behind=request.args.get("behind"))
    except LookupError:
        raise NotFoundPage from None


@blueprint.post("/of/<patient_id>")
@kept_form.keeping(
    lambda patient_id: url_for("staff_disclosures.show", patient_id=patient_id, corrects=request.form.get("corrects"))
)
@require_role(StaffRole.PRIVACY_OFFICER)
def record(patient_id: str) -> ResponseReturnValue:
    """Enter a disclosure, or one in place of another."""
    member = _member(patient_id)
    if own_records.is_own(db_session(), current_staff(), member):
        return own_record(member, "plan:disclosure:record")
    form, errors = load_form(Disclosure())
    if errors:
        return _account_page(member, errors), 400
    try:
        disclosures.record(db_session(), member, form, by_account_id=current_staff().account_id)
    except NotYetDisclosed as refusal:
        return _account_page(member, {"disclosed_on": [refusal.sentence]}), 400
    except CorrectedAlready as refusal:
        return _account_page(member, {"_schema": [refusal.sentence]}), 400
    except LookupError:
        raise NotFoundPage from None
    return redirect(url_for("staff_disclosures.show", patient_id=patient_id, done="yes"), 303)


def _member(patient_id: str) -> Member:
    member = roster.find_by_patient(db_session(), patient_id)
    if member is None:
        raise NotFoundPage
    return member


def _search_page(errors: dict[str, list[str]]) -> str:
    return render_template("staff/disclosures.html", errors=errors, typed=request.form)


def _account_page(member: Member, errors: dict[str, list[str]], *, behind: str | None = None) -> str:
    made = disclosures.account(db_session(), member, by_account_id=current_staff().account_id, behind=behind)
    choices: list[tuple[str, Any]] = [(purpose.value, words) for purpose, words in PURPOSES.items()]
    return render_template(
        "staff/disclosure_account.html", account=made, purposes=PURPOSES, choices=choices, errors=errors,
        typed=request.form, corrects=request.values.get("corrects", ""), done="done" in request.args,
        is_first=behind is None,
    )  # fmt: skip
