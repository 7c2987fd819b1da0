"""Support sends somebody the way to the password reset, by mail to the owner and to nobody else (security.md 147)."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.accounts import kept_form, password_links
from service.accounts.models import Account
from service.accounts.password_links import LinkRefused
from service.plan.logins import login_search
from service.plan.models import ProviderStaff, StaffRole, SupportLook
from service.plan.staff import plan_staff, support_looks
from service.plan.staff.plan_staff import NotOneself
from service.plan.staff.support_looks import LookOver
from service.staff.gate import current_staff, require_role
from service.staff.members import member_seen, member_view
from service.staff.refusals import NothingChanged
from service.staff.schemas import Reason
from service.web import NotFoundPage, db_session, load_form

blueprint = Blueprint("staff_password_links", __name__, url_prefix="/staff/password-links")


@blueprint.get("/member/<uuid:look_id>")
@require_role(StaffRole.MEMBER_SERVICES)
def of_member(look_id: UUID) -> ResponseReturnValue:
    """Ask before the mail goes to a member; only who looks at that member now gets here."""
    look, _account = get_member(look_id)
    support_looks.record(db_session(), look, "view", count=0)
    back = url_for("staff_member_view.show", look_id=look.id)
    return render_template("staff/password_link.html", name=look.member.full_name, back=back, asks_reason=False)


@blueprint.post("/member/<uuid:look_id>")
@kept_form.keeping()
@require_role(StaffRole.MEMBER_SERVICES)
def send_to_member(look_id: UUID) -> ResponseReturnValue:
    """Send it."""
    look, account = get_member(look_id)
    _send(account, look.reason_in_full)
    return redirect(url_for("staff_member_view.show", look_id=look.id, sent="yes"), 303)


@blueprint.get("/login/<uuid:staff_id>")
@require_role(StaffRole.PROVIDER_SERVICES)
def of_login(staff_id: UUID) -> ResponseReturnValue:
    """Ask before the mail goes to a login of the portal."""
    return _login_page(get_login(staff_id), {})


@blueprint.post("/login/<uuid:staff_id>")
@kept_form.keeping()
@require_role(StaffRole.PROVIDER_SERVICES)
def send_to_login(staff_id: UUID) -> ResponseReturnValue:
    """Send it."""
    login = get_login(staff_id)
    form, errors = load_form(Reason())
    if errors:
        return _login_page(login, errors), 400
    try:
        plan_staff.require_other(current_staff(), login)
    except NotOneself as refusal:
        raise NothingChanged(refusal.sentence) from None
    _send(login.account, form["reason"])
    return redirect(url_for("staff_users.user", staff_id=login.id, done="link_sent"), 303)


def _send(account: Account, reason: str) -> None:
    try:
        password_links.send(db_session(), account, by_account_id=current_staff().account_id, reason=reason)
    except LinkRefused as refusal:
        raise NothingChanged(refusal.sentence) from None


def get_member(look_id: UUID) -> tuple[SupportLook, Account]:
    """The standing look of who is signed in, and the account of the member it is about."""
    try:
        look = member_view.get_open(look_id)
    except LookOver:
        raise NotFoundPage from None
    account = member_seen.find_account(db_session(), look.member)
    if account is None:
        raise NotFoundPage
    return look, account


def get_login(staff_id: UUID) -> ProviderStaff:
    """A login of the portal."""
    found = login_search.get(db_session(), str(staff_id))
    if found is None:
        raise NotFoundPage
    return found


def _login_page(login: ProviderStaff, errors: dict[str, list[str]]) -> str:
    return render_template(
        "staff/password_link.html", name=login.account.full_name, asks_reason=True, errors=errors, typed=request.form,
        back=url_for("staff_users.user", staff_id=login.id),
    )  # fmt: skip
