"""Four eyes: what one person of the plan asked for and another must look at before it takes effect."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Session

from consent import pause_lifts, representative_reviews
from oauth.apps import approval, programs
from service.accounts import kept_form
from service.plan.logins import hand_overs
from service.plan.models import ActKind, PendingAct, PlanStaff, StaffRole
from service.plan.staff import audit_purges, factor_resets, plan_changes, plan_staff, second_looks, staff_roles
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import ActOver, SecondLookRefused
from service.staff import names_listed
from service.staff.gate import current_staff, require_role
from service.staff.refusals import NothingChanged
from service.staff.schemas import Reason
from service.web import NotFoundPage, db_session, load_form, plan, settings

blueprint = Blueprint("staff_second_looks", __name__, url_prefix="/staff/second-looks")


@dataclass(frozen=True)
class Act:
    """A kind of act: its name, who may look at it, and what does it after the second yes."""

    name: LazyString
    roles: frozenset[StaffRole]
    carry_out: Callable[..., None]
    refuse: Callable[..., None]


def _approve_app(session: Session, act: PendingAct, *, by: PlanStaff) -> None:
    approval.second_look(session, act, by=by, settings=settings())


def _link(session: Session, act: PendingAct, *, by: PlanStaff) -> None:
    representative_reviews.carry_out(session, act, by=by, timezone=settings().plan.timezone)


def _let_in(session: Session, act: PendingAct, *, by: PlanStaff) -> None:
    programs.carry_out(session, act, by=by, settings=settings())


def _let_purge(session: Session, act: PendingAct, *, by: PlanStaff) -> None:
    audit_purges.carry_out(session, act, by=by, settings=settings())


def _publish(session: Session, act: PendingAct, *, by: PlanStaff) -> None:
    plan_changes.carry_out(session, act, by=by, plan=plan())


def _refuse(session: Session, act: PendingAct, *, by: PlanStaff, reason: str) -> None:
    second_looks.refuse(session, act, by_account_id=by.account_id, reason=reason)


ACTS = {
    ActKind.DELEGATE_REPLACEMENT: Act(
        _("Make somebody delegate"), frozenset({StaffRole.PROVIDER_SERVICES, StaffRole.ADMINISTRATOR}),
        hand_overs.carry_out, _refuse,
    ),
    ActKind.REPRESENTATIVE_LINK: Act(
        _("Let somebody act for a member"), frozenset({StaffRole.MEMBER_SERVICES}), _link, _refuse
    ),
    ActKind.MEMBER_FACTOR_RESET: Act(
        _("Remove a member's lost second factor"), frozenset({StaffRole.MEMBER_SERVICES}), factor_resets.carry_out,
        _refuse,
    ),
    ActKind.LOGIN_FACTOR_RESET: Act(
        _("Remove a portal login's lost second factor"), frozenset({StaffRole.PROVIDER_SERVICES}),
        factor_resets.carry_out, _refuse,
    ),
    ActKind.DEVELOPER_FACTOR_RESET: Act(
        _("Remove a developer's lost second factor"), frozenset({StaffRole.APP_REVIEWER}), factor_resets.carry_out,
        _refuse,
    ),
    ActKind.STAFF_FACTOR_RESET: Act(
        _("Remove a colleague's lost second factor"),
        frozenset({StaffRole.ADMINISTRATOR, StaffRole.PRIVACY_OFFICER}), factor_resets.carry_out, _refuse,
    ),
    ActKind.PAUSE_LIFT: Act(
        _("Lift a member's pause of an app"), frozenset({StaffRole.MEMBER_SERVICES}), pause_lifts.carry_out, _refuse
    ),
    ActKind.PLAN_EDITION: Act(
        _("Change what the plan says to everybody"),
        frozenset({StaffRole.ADMINISTRATOR, StaffRole.PRIVACY_OFFICER}), _publish, _refuse,
    ),
    ActKind.STAFF_ROLES: Act(
        _("Give a person of the plan more roles"), frozenset({StaffRole.ADMINISTRATOR}), staff_roles.carry_out, _refuse
    ),
    ActKind.PROGRAM_REGISTRATION: Act(
        _("Let a program read without a member's yes"), frozenset({StaffRole.ADMINISTRATOR}), _let_in, _refuse
    ),
    ActKind.PROGRAM_CREDENTIALS: Act(
        _("Give a program other keys or another secret"), frozenset({StaffRole.ADMINISTRATOR}), _let_in, _refuse
    ),
    ActKind.AUDIT_PURGE: Act(
        _("Delete old events of the audit"), frozenset({StaffRole.ADMINISTRATOR}), _let_purge, _refuse
    ),
    ActKind.APP_APPROVAL: Act(_("Approve an app"), frozenset({StaffRole.APP_REVIEWER}), _approve_app, approval.refuse),
}  # fmt: skip
_ABOUT_MEMBERS = frozenset({ActKind.REPRESENTATIVE_LINK, ActKind.MEMBER_FACTOR_RESET, ActKind.PAUSE_LIFT})
"""Acts whose changes name a member."""
_ROLES = frozenset[StaffRole]().union(*(act.roles for act in ACTS.values()))


@blueprint.get("/")
@require_role(*_ROLES)
def index() -> ResponseReturnValue:
    """What waits for a second person, and what was decided lately."""
    return _page("", {})


@blueprint.post("/<uuid:act_id>/approve")
@require_role(*_ROLES)
def approve(act_id: UUID) -> ResponseReturnValue:
    """The second yes: the act is done, or a command may do it now."""
    act, session = _get(act_id), db_session()
    try:
        if not second_looks.waits(act):
            raise ActOver
        ACTS[act.kind].carry_out(session, act, by=current_staff())
    except (NotOneself, SecondLookRefused) as refusal:
        raise NothingChanged(refusal.sentence) from None
    done = "allowed" if act.kind is ActKind.AUDIT_PURGE else "approved"
    return redirect(url_for("staff_second_looks.index", done=done), 303)


@blueprint.post("/<uuid:act_id>/refuse")
@kept_form.keeping(lambda act_id: url_for("staff_second_looks.index"))
@require_role(*_ROLES)
def refuse(act_id: UUID) -> ResponseReturnValue:
    """No; or taken back by who asked."""
    act = _get(act_id)
    form, errors = load_form(Reason())
    if errors:
        return _page(act.id, errors), 400
    try:
        ACTS[act.kind].refuse(db_session(), act, by=current_staff(), reason=form["reason"])
    except (NotOneself, SecondLookRefused) as refusal:
        raise NothingChanged(refusal.sentence) from None
    done = "taken_back" if act.asked_by_account_id == current_staff().account_id else "refused"
    return redirect(url_for("staff_second_looks.index", done=done), 303)


def _get(act_id: UUID) -> PendingAct:
    try:
        act = second_looks.get(db_session(), str(act_id))
    except second_looks.UnknownAct:
        raise NotFoundPage from None
    if not _may_see(act):
        raise NotFoundPage
    return act


def _may_see(act: PendingAct) -> bool:
    return bool(ACTS[act.kind].roles & plan_staff.roles_of(current_staff()))


def _kept_out(session: Session, act: PendingAct) -> str:
    """Why this person cannot say the second yes, in a sentence; empty where they can."""
    if act.asked_by_account_id == current_staff().account_id:
        return ""
    try:
        if act.kind is ActKind.APP_APPROVAL:
            approval.require_may_approve(session, act, by=current_staff())
        elif act.kind is ActKind.STAFF_ROLES:
            staff_roles.require_may_allow(act, current_staff())
        elif act.kind in programs.KINDS:
            programs.require_may_allow(session, act, current_staff())
        elif act.kind is ActKind.AUDIT_PURGE:
            audit_purges.require_may_allow(act, current_staff(), settings())
    except (NotOneself, SecondLookRefused) as refusal:
        return refusal.sentence
    return ""


def _page(about: str, errors: dict[str, list[str]]) -> str:
    session = db_session()
    values: dict[str, Any] = {
        "waiting": [act for act in second_looks.list_waiting(session) if _may_see(act)],
        "over": [act for act in second_looks.list_over(session) if _may_see(act)],
        "kept_out": lambda act: _kept_out(session, act),
        "name_of": lambda account_id: plan_staff.name_of(session, account_id),
    }
    shown = (*values["waiting"], *values["over"])
    names_listed.record("second_look", (act.id for act in shown if act.kind in _ABOUT_MEMBERS))
    return render_template(
        "staff/second_looks.html", acts=ACTS, about=about, errors=errors, typed=request.form,
        me=current_staff().account_id, done=request.args.get("done", ""), waits=second_looks.waits, **values,
    )  # fmt: skip
