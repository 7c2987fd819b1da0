"""Somebody lost phone and recovery codes: support asks a second person to remove what is asked for at sign-in."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from oauth.apps import developers
from service.accounts import kept_form
from service.accounts.models import Account
from service.plan.models import ActKind, StaffRole
from service.plan.staff import factor_resets, plan_staff, support_looks
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.second_looks import SecondLookRefused
from service.staff.gate import current_staff, require_role
from service.staff.password_links import get_login, get_member
from service.staff.refusals import NothingChanged
from service.staff.schemas import FactorReset
from service.web import NotFoundPage, db_session, load_form

blueprint = Blueprint("staff_factor_resets", __name__, url_prefix="/staff/factor-resets")


@blueprint.route("/member/<uuid:look_id>", methods=["GET", "POST"])
@kept_form.keeping()
@require_role(StaffRole.MEMBER_SERVICES)
def of_member(look_id: UUID) -> ResponseReturnValue:
    """For a member; only who looks at that member now gets here."""
    look, account = get_member(look_id)
    support_looks.record(db_session(), look, "view", count=0)
    back = url_for("staff_member_view.show", look_id=look.id)
    return _answer(ActKind.MEMBER_FACTOR_RESET, account, back)


@blueprint.route("/login/<uuid:staff_id>", methods=["GET", "POST"])
@kept_form.keeping()
@require_role(StaffRole.PROVIDER_SERVICES)
def of_login(staff_id: UUID) -> ResponseReturnValue:
    """For a login of the portal."""
    login = get_login(staff_id)
    return _answer(ActKind.LOGIN_FACTOR_RESET, login.account, url_for("staff_users.user", staff_id=login.id))


@blueprint.route("/developer/<uuid:developer_id>", methods=["GET", "POST"])
@kept_form.keeping()
@require_role(StaffRole.APP_REVIEWER)
def of_developer(developer_id: UUID) -> ResponseReturnValue:
    """For somebody who builds apps."""
    found = developers.find(db_session(), str(developer_id))
    if found is None:
        raise NotFoundPage
    back = url_for("staff_developer_organizations.show", organization_id=found.organization_id)
    return _answer(ActKind.DEVELOPER_FACTOR_RESET, found.account, back)


@blueprint.route("/colleague/<uuid:colleague_id>", methods=["GET", "POST"])
@kept_form.keeping()
@require_role(StaffRole.ADMINISTRATOR)
def of_colleague(colleague_id: UUID) -> ResponseReturnValue:
    """For one of the plan's own people, who sets up a new factor before the console opens again."""
    found = plan_staff.get(db_session(), str(colleague_id))
    if found is None:
        raise NotFoundPage
    return _answer(ActKind.STAFF_FACTOR_RESET, found.account, url_for("staff_colleagues.index"))


def _answer(kind: ActKind, account: Account, back: str) -> ResponseReturnValue:
    form, errors = load_form(FactorReset()) if request.method == "POST" else ({}, {})
    if request.method == "GET" or errors:
        page = render_template(
            "staff/factor_reset.html", name=account.full_name, back=back, errors=errors, typed=request.form
        )
        return page, 400 if errors else 200
    try:
        factor_resets.ask(db_session(), kind, account, by=current_staff(), **form)
    except (NotOneself, SecondLookRefused) as refusal:
        raise NothingChanged(refusal.sentence) from None
    return redirect(url_for("staff_second_looks.index", done="asked"), 303)
