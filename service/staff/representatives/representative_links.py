"""Links between representatives and members, for plan staff: find, limit, end, shut out; blocks to review; letters."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from consent import link_words, representative_ids, representative_notices, representatives, safety_blocks
from consent.link_standing import is_over
from consent.models import EndedBy, LinkScope, RepresentativeLink
from consent.representative_ids import UnknownRepresentative
from consent.safety_blocks import BlockOver, OwnBlock
from service import audit
from service.accounts import kept_form
from service.audit import Outcome
from service.plan.logins import lookups
from service.plan.logins.lookups import TooManyLookups
from service.plan.members import roster
from service.plan.models import Guard, Member, StaffRole
from service.plan.staff import plan_staff, record_guards
from service.staff import names_listed
from service.staff.gate import current_staff, require_role
from service.staff.refusals import LookupsExhausted, NothingChanged, told
from service.staff.representatives import representative_letters
from service.staff.representatives.representative_schemas import Limit, MemberNumber
from service.staff.schemas import Reason
from service.web import NotFoundPage, db_session, load_form, plan, settings

blueprint = Blueprint("staff_representative_links", __name__, url_prefix="/staff/representative-links")
_OVER = "This link is over or shut out already. Nothing was changed now."
_ROLE, _OFFICER = StaffRole.MEMBER_SERVICES, StaffRole.PRIVACY_OFFICER


@blueprint.get("/")
@require_role(_ROLE, _OFFICER)
def index() -> ResponseReturnValue:
    """Find a member's links; blocks to review; people who have not registered with their ID yet."""
    return _page({})


@blueprint.post("/")
@kept_form.keeping()
@require_role(_ROLE, _OFFICER)
def look_up() -> ResponseReturnValue:
    """The links of one member, which counts and is kept as a look-up."""
    form, errors = load_form(MemberNumber())
    if errors:
        return _page(errors), 400
    try:
        lookups.take(db_session(), current_staff(), settings())
    except TooManyLookups:
        return told(LookupsExhausted())
    member = roster.find_by_number(db_session(), form["member_number"])
    _record_lookup(member, form["member_number"])
    if member is None:
        return _page({"member_number": ["No member has this number."]}), 404
    if _is_guarded(member):
        return _page({"member_number": ["This record is protected. Please ask a privacy officer."]}), 403
    return _page({}, member=member)


@blueprint.post("/<uuid:related_person_id>/end")
@kept_form.keeping(lambda related_person_id: url_for("staff_representative_links.index"))
@require_role(_ROLE)
def end(related_person_id: UUID) -> ResponseReturnValue:
    """End a link at once: by court order, emancipation, at somebody's word on the phone."""
    link, reason = _get(related_person_id), _reason()
    if is_over(link):
        raise NothingChanged(_OVER)
    representatives.end_link(db_session(), link, by=EndedBy.PLAN, by_account_id=current_staff().account_id)
    _record("end", link, reason)
    if not link.safety_block:
        representative_notices.ended(db_session(), link)
    return _done("ended")


@blueprint.post("/<uuid:related_person_id>/limit")
@kept_form.keeping(lambda related_person_id: url_for("staff_representative_links.index"))
@require_role(_ROLE)
def limit(related_person_id: UUID) -> ResponseReturnValue:
    """Change how much a link covers; what apps had under it ends and is asked for anew."""
    link = _get(related_person_id)
    form, errors = load_form(Limit())
    if errors:
        raise NothingChanged("Please choose how much the link covers, and say why.")
    if is_over(link) or link.safety_block:
        raise NothingChanged(_OVER)
    if form["scope"] not in _narrower(link.scope):
        raise NothingChanged("This would let the person see more. That needs a new request with its papers.")
    representatives.limit(db_session(), link, form["scope"], by_account_id=current_staff().account_id)
    _record("limit", link, form["reason"])
    representative_notices.changed(db_session(), link)
    return _done("limited")


@blueprint.post("/<uuid:related_person_id>/block")
@kept_form.keeping(lambda related_person_id: url_for("staff_representative_links.index"))
@require_role(_ROLE, _OFFICER)
def block(related_person_id: UUID) -> ResponseReturnValue:
    """Shut the representative out at once, without a word to anybody (45 CFR 164.502(g)(5))."""
    link, reason = _get(related_person_id), _reason()
    if is_over(link) or link.safety_block:
        raise NothingChanged(_OVER)
    representatives.block(db_session(), link, by_account_id=current_staff().account_id, reason=reason)
    _record("block", link, reason)
    return _done("blocked")


@blueprint.post("/<uuid:related_person_id>/confirm")
@kept_form.keeping(lambda related_person_id: url_for("staff_representative_links.index"))
@require_role(_OFFICER)
def confirm(related_person_id: UUID) -> ResponseReturnValue:
    """The block stays."""
    return _review(related_person_id, safety_blocks.confirm, "confirmed")


@blueprint.post("/<uuid:related_person_id>/lift")
@kept_form.keeping(lambda related_person_id: url_for("staff_representative_links.index"))
@require_role(_OFFICER)
def lift(related_person_id: UUID) -> ResponseReturnValue:
    """The person may act again."""
    return _review(related_person_id, safety_blocks.lift, "lifted")


@blueprint.post("/people/<uuid:representative_id>/letter")
@require_role(_ROLE)
def letter(representative_id: UUID) -> ResponseReturnValue:
    """The letter with the Personal Representative ID, as often as it is needed."""
    try:
        found = representative_ids.take_letter(
            db_session(), str(representative_id), by_account_id=current_staff().account_id
        )
    except UnknownRepresentative:
        raise NotFoundPage from None
    made = representative_letters.make(found, plan(), settings().base_url)
    headers = {"Content-Disposition": 'attachment; filename="personal-representative-id.pdf"'}
    return Response(made, mimetype="application/pdf", headers=headers)


@blueprint.post("/people/<uuid:representative_id>/renew")
@require_role(_ROLE)
def renew(representative_id: UUID) -> ResponseReturnValue:
    """A new ID in place of a lost one; the older one opens nothing any more."""
    try:
        representative_ids.renew(db_session(), str(representative_id), by_account_id=current_staff().account_id)
    except UnknownRepresentative:
        raise NotFoundPage from None
    return _done("renewed")


def _review(related_person_id: UUID, verb: Callable[..., None], done: str) -> ResponseReturnValue:
    link, reason = _get(related_person_id), _reason()
    try:
        verb(db_session(), link, by_account_id=current_staff().account_id, reason=reason)
    except (BlockOver, OwnBlock) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return _done(done)


def _get(related_person_id: UUID) -> RepresentativeLink:
    """A link between two others; nobody of the plan changes their own."""
    found = representatives.find_link(db_session(), str(related_person_id))
    if found is None:
        raise NotFoundPage
    if found.representative.account_id == current_staff().account_id or _is_own(found.member):
        raise NothingChanged(plan_staff.NotOneself.sentence)
    return found


def _is_own(member: Member) -> bool:
    return record_guards.find_guard(db_session(), current_staff(), member) is Guard.OWN


def _is_guarded(member: Member) -> bool:
    guard = record_guards.find_guard(db_session(), current_staff(), member)
    return guard not in (None, Guard.OWN) and _OFFICER not in plan_staff.roles_of(current_staff())


def _narrower(scope: LinkScope) -> list[LinkScope]:
    least = LinkScope.CLAIMS_WITHOUT_SENSITIVE
    return {
        LinkScope.ALL: [LinkScope.WITHOUT_SENSITIVE, LinkScope.CLAIMS_ONLY, least],
        LinkScope.WITHOUT_SENSITIVE: [least],
        LinkScope.CLAIMS_ONLY: [least],
    }.get(scope, [])


def _reason() -> str:
    form, errors = load_form(Reason())
    if errors:
        raise NothingChanged("Please say why.")
    reason: str = form["reason"]
    return reason


def _record(action: str, link: RepresentativeLink, reason: str) -> None:
    audit.record(
        db_session(), f"staff:representative_link:{action}", account_id=current_staff().account_id,
        member_id=link.member_id, link_id=link.id, reason=reason,
    )  # fmt: skip


def _record_lookup(member: Member | None, number: str) -> None:
    outcome = Outcome.SUCCESS if member else Outcome.FAILED
    audit.record(
        db_session(), "staff:member:lookup", outcome=outcome, account_id=current_staff().account_id,
        member_id=member.id if member else None, count=int(member is not None),
        detail={"asked_for": {"member_number": number}},
    )  # fmt: skip


def _done(what: str) -> ResponseReturnValue:
    return redirect(url_for("staff_representative_links.index", done=what), 303)


def _page(errors: dict[str, list[str]], member: Member | None = None) -> str:
    session, roles = db_session(), plan_staff.roles_of(current_staff())
    own = member is not None and _is_own(member)
    values: dict[str, Any] = {
        "links": representatives.links_of(session, member) if member and not own else [],
        "to_review": safety_blocks.list_to_review(session) if _OFFICER in roles else [],
        "waiting": representative_ids.list_waiting(session) if _ROLE in roles else [],
    }
    names_listed.record("safety_block", (link.member_id for link in values["to_review"]))
    return render_template(
        "staff/representative_links.html", member=member, own=own, errors=errors, typed=request.form,
        may_change=_ROLE in roles, is_officer=_OFFICER in roles, is_over=is_over,
        narrower=lambda link: [(scope.value, link_words.SCOPES[scope]) for scope in _narrower(link.scope)],
        bases=link_words.BASES, scopes=link_words.SCOPES, shown=representative_ids.shown,
        name_of=lambda account_id: plan_staff.name_of(session, account_id), done=request.args.get("done", ""), **values,
    )  # fmt: skip
