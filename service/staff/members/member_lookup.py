"""The Members tab: a member is looked up, a reason is asked, and only then a look at their page begins.

Look-ups are posted: numbers and birth dates stay out of addresses, histories and logs.
"""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service import audit
from service.accounts import kept_form, throttling
from service.accounts.sessions import current_login
from service.audit import Outcome
from service.plan.logins import lookups
from service.plan.logins.lookups import TooManyLookups
from service.plan.members import roster
from service.plan.models import Guard, Member, StaffRole
from service.plan.staff import record_guards, support_looks
from service.plan.staff.support_looks import LookRefused, Reasons, SecondReasonNeeded
from service.staff.gate import current_staff, require_role
from service.staff.members.look_words import PURPOSES
from service.staff.refusals import LookupsExhausted, OwnRecord, told
from service.staff.schemas import LookReasons, MemberLookup
from service.web import NotFoundPage, db_session, load_form, settings

blueprint = Blueprint("staff_members", __name__, url_prefix="/staff/members")
_MOST, _HOUR = 10, 3_600.0


@blueprint.get("/")
@require_role(StaffRole.MEMBER_SERVICES)
def index() -> ResponseReturnValue:
    """The look-up."""
    return _search_page({})


@blueprint.post("/")
@kept_form.keeping()
@require_role(StaffRole.MEMBER_SERVICES)
def look_up() -> ResponseReturnValue:
    """Who fits: by member number, or by family name and birth date."""
    form, errors = load_form(MemberLookup())
    if errors:
        return _search_page(errors), 400
    try:
        lookups.take(db_session(), current_staff(), settings())
    except TooManyLookups:
        return told(LookupsExhausted())
    found = _find(form)
    _record_lookup(found, form)
    return _search_page({}, found=_with_guards(found[:_MOST]), has_more=len(found) > _MOST)


@blueprint.get("/of/<patient_id>")
@require_role(StaffRole.MEMBER_SERVICES)
def ask(patient_id: str) -> ResponseReturnValue:
    """Ask why. A guarded record is not named before a second reason is given."""
    return _ask(patient_id, {}, 200)


@blueprint.post("/of/<patient_id>")
@kept_form.keeping()
@require_role(StaffRole.MEMBER_SERVICES)
def begin(patient_id: str) -> ResponseReturnValue:
    """Begin the look."""
    login = current_login()
    form, errors = load_form(LookReasons())
    member = roster.find_by_patient(db_session(), patient_id)
    if errors or member is None:
        return _ask(patient_id, errors, 400)
    assert login is not None, "the page requires sign-in"
    try:
        lookups.take(db_session(), current_staff(), settings())
    except TooManyLookups:
        return told(LookupsExhausted())
    reasons = Reasons(form["purpose"], form["words"], form["guard"])
    try:
        look = support_looks.begin(
            db_session(), current_staff(), member, reasons, login_session_id=login.session.id
        )  # fmt: skip
    except SecondReasonNeeded as refusal:
        return _ask(patient_id, {"guard": [refusal.sentence]}, 400)
    except LookRefused as refusal:
        return _ask(patient_id, {"_schema": [refusal.sentence]}, 400)
    if look.guard is Guard.OWN:
        return told(OwnRecord())
    return redirect(url_for("staff_member_view.show", look_id=look.id), 303)


def _ask(patient_id: str, errors: dict[str, list[str]], status: int) -> ResponseReturnValue:
    """The page that asks why: it names the member, so that it is counted and kept each time that it is shown."""
    session, by = db_session(), current_staff().account_id
    if not throttling.hit(session, f"member-ask:{by}", settings().lookup_limit_per_hour, _HOUR):
        return told(LookupsExhausted())
    member = roster.find_by_patient(session, patient_id)
    if member is None:
        asked = {"asked_for": {"patient": patient_id[:64]}}
        audit.record(session, "staff:member:ask", outcome=Outcome.FAILED, account_id=by, count=0, detail=asked)
        return told(NotFoundPage())
    audit.record(session, "staff:member:ask", account_id=by, member_id=member.id)
    return _reason_page(member, errors), status


def _find(form: dict[str, Any]) -> list[Member]:
    if form["member_number"]:
        found = roster.find_by_number(db_session(), form["member_number"])
        return [found] if found is not None else []
    return roster.find_by_name(db_session(), form["family_name"], form["birth_date"], limit=_MOST + 1)


def _record_lookup(found: list[Member], form: dict[str, Any]) -> None:
    """One row for each member who is shown, or one that says who was asked for in vain (security.md 166)."""
    names = ("member_number",) if form["member_number"] else ("family_name", "birth_date")
    asked = {"asked_for": {name: str(form[name]) for name in names}}
    by = current_staff().account_id
    for member in found[:_MOST]:
        audit.record(
            db_session(), "staff:member:lookup", account_id=by, member_id=member.id, count=1, detail=asked
        )  # fmt: skip
    if not found:
        audit.record(
            db_session(), "staff:member:lookup", outcome=Outcome.FAILED, account_id=by, count=0, detail=asked
        )  # fmt: skip


def _with_guards(found: list[Member]) -> list[tuple[Member, Guard | None]]:
    by = current_staff()
    return [(member, record_guards.find_guard(db_session(), by, member)) for member in found]


def _search_page(errors: dict[str, list[str]], **shown: Any) -> str:
    return render_template(
        "staff/members.html", errors=errors, typed=request.form, over="over" in request.args,
        closed="closed" in request.args, **shown,
    )  # fmt: skip


def _reason_page(member: Member, errors: dict[str, list[str]]) -> str:
    guard = record_guards.find_guard(db_session(), current_staff(), member)
    choices = [(purpose.value, words) for purpose, words in PURPOSES.items()]
    return render_template(
        "staff/member_reason.html", member=member, guarded=guard is not None, purposes=choices, errors=errors,
        typed=request.form,
    )  # fmt: skip
