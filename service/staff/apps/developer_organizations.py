"""Whole developer organisations: found, shut out with all their apps, and let in again."""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from consent import grants
from oauth.apps import admission, app_words, developers, disabling, organizations
from oauth.apps.developers import UnknownOrganization
from oauth.apps.disabling import OwnOrganization
from oauth.apps.models import DeveloperOrganization, DeveloperRole, OrganizationStep
from service.accounts import kept_form
from service.plan.models import StaffRole
from service.plan.staff import plan_staff
from service.staff.apps.moves import move
from service.staff.gate import current_staff, require_role
from service.web import NotFoundPage, db_session

blueprint = Blueprint("staff_developer_organizations", __name__, url_prefix="/staff/developer-organizations")
_ROLES = {DeveloperRole.OWNER: _("Owner"), DeveloperRole.DEVELOPER: _("Developer")}
_STEPS = {OrganizationStep.DISABLE: _("Shut out"), OrganizationStep.ENABLE: _("Let in again")}
_LAST_PAGE = 1_000
Errors = dict[str, list[str]]


@blueprint.get("/")
@require_role(StaffRole.APP_REVIEWER)
def index() -> ResponseReturnValue:
    """The organisations by name, or those that a word fits; all that are shut out stand first."""
    session, sought = db_session(), request.args.get("q", "").strip()[:100]
    page = max(1, min(request.args.get("page", 1, type=int), _LAST_PAGE))
    return render_template(
        "staff/developer_organizations.html", sought=sought, page=page,
        found=organizations.search(session, sought, page=page),
        shut_out=None if sought or page > 1 else organizations.search(session, only_disabled=True),
    )  # fmt: skip


@blueprint.get("/<uuid:organization_id>")
@require_role(StaffRole.APP_REVIEWER)
def show(organization_id: UUID) -> ResponseReturnValue:
    """One organisation with its apps, its people and what the plan did to it."""
    return _page(_get(organization_id))


@blueprint.post("/<uuid:organization_id>/disable")
@kept_form.keeping(
    lambda organization_id: url_for("staff_developer_organizations.show", organization_id=organization_id)
)
@require_role(StaffRole.APP_REVIEWER)
def disable(organization_id: UUID) -> ResponseReturnValue:
    """Shut out all its apps at once; what members agreed to rests."""
    return _move(organization_id, "disable", disabling.disable)


@blueprint.post("/<uuid:organization_id>/enable")
@kept_form.keeping(
    lambda organization_id: url_for("staff_developer_organizations.show", organization_id=organization_id)
)
@require_role(StaffRole.APP_REVIEWER)
def enable(organization_id: UUID) -> ResponseReturnValue:
    """Let them in again, each as its own review has it."""
    return _move(organization_id, "enable", disabling.enable)


def _move(organization_id: UUID, step: str, take: Callable[..., None]) -> ResponseReturnValue:
    organization = _get(organization_id)
    refused = move(organization, take, lambda errors: _page(organization, errors, about=step))
    return refused or redirect(url_for(".show", organization_id=organization.id, done=step), 303)


def _get(organization_id: UUID) -> DeveloperOrganization:
    try:
        return developers.get_organization(db_session(), str(organization_id))
    except UnknownOrganization:
        raise NotFoundPage from None


def _page(organization: DeveloperOrganization, errors: Errors | None = None, about: str = "") -> str:
    session = db_session()
    apps = developers.apps_of(session, organization.id)
    return render_template(
        "staff/developer_organization.html", organization=organization, errors=errors or {}, about=about,
        typed=request.form.get("reason", ""), done=request.args.get("done", ""), words=app_words, roles=_ROLES,
        steps=_STEPS, apps=[(app, admission.versions_of(session, app.id).state) for app in apps],
        connected=grants.count_live_by_app(session, [app.id for app in apps]),
        people=developers.people_of(session, organization.id), history=disabling.history(session, organization.id),
        kept_out=_kept_out(organization), name_of=lambda account_id: plan_staff.name_of(session, account_id),
    )  # fmt: skip


def _kept_out(organization: DeveloperOrganization) -> str:
    """Why this person may not decide on the organisation, in a sentence; empty for everybody who may."""
    try:
        disabling.require_other(db_session(), organization, current_staff().account_id)
    except OwnOrganization as refusal:
        return refusal.sentence
    return ""
