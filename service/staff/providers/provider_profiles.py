"""Changes of provider profiles that wait for the plan: look, approve (the directory follows at once) or decline."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from consent import neutrality
from service.accounts import kept_form
from service.plan.models import ProfileChange, StaffRole
from service.plan.providers import provider_groups, provider_profiles
from service.plan.providers.profile_words import KINDS, STATES, content
from service.plan.staff.plan_staff import NotOneself
from service.staff.gate import current_staff, require_role
from service.staff.providers import directory_entries
from service.staff.refusals import NothingChanged
from service.web import NotFoundPage, PageError, db_session

blueprint = Blueprint("staff_profiles", __name__, url_prefix="/staff/provider-profiles")
_MOST_REASON = 500


class AnsweredMeanwhile(PageError):
    """Somebody was faster, or the practitioner or place is gone."""

    status = 409
    title = _("This request has been answered")
    sentence = _("A colleague answered it, or it was withdrawn. Nothing was done twice.")


class ReasonMissing(PageError):
    """A refusal without a reason helps nobody."""

    status = 400
    title = _("Please give a reason")
    sentence = _("The group reads the reason. Go back and write in a sentence what they can do.")


@blueprint.get("/")
@require_role(StaffRole.PROVIDER_SERVICES)
def index() -> ResponseReturnValue:
    """The queue, the oldest first."""
    session = db_session()
    changes = provider_profiles.open_changes(session)
    groups = {one.group_id: provider_groups.get(session, one.group_id) for one in changes}
    return render_template(
        "staff/provider_profiles.html", changes=changes, groups=groups, kinds=KINDS, states=STATES, content=content
    )


@blueprint.post("/<change_id>/take-up")
@require_role(StaffRole.PROVIDER_SERVICES)
def take_up(change_id: str) -> ResponseReturnValue:
    """Tell the group that somebody looks at it."""
    try:
        provider_profiles.take_up(db_session(), _change_of_others(change_id), by_account_id=current_staff().account_id)
    except provider_profiles.ChangeOver:
        raise AnsweredMeanwhile from None
    return redirect(url_for(".index"), 303)


@blueprint.post("/<change_id>/approve")
@require_role(StaffRole.PROVIDER_SERVICES)
def approve(change_id: str) -> ResponseReturnValue:
    """Yes: the plan's records and the provider directory change in one transaction."""
    session, change = db_session(), _change_of_others(change_id)
    try:
        provider_profiles.approve(session, change, by_account_id=current_staff().account_id)
        directory_entries.publish(session, change, provider_groups.get(session, change.group_id))
    except (provider_profiles.ChangeOver, provider_profiles.NotOfTheGroup):
        raise AnsweredMeanwhile from None
    return redirect(url_for(".index"), 303)


@blueprint.post("/<change_id>/decline")
@kept_form.keeping(lambda change_id: url_for("staff_profiles.index"))
@require_role(StaffRole.PROVIDER_SERVICES)
def decline(change_id: str) -> ResponseReturnValue:
    """No, with a reason."""
    reason = request.form.get("reason", "").strip()[:_MOST_REASON]
    if not reason:
        raise ReasonMissing
    try:
        provider_profiles.decline(
            db_session(), _change_of_others(change_id), reason=reason, by_account_id=current_staff().account_id
        )
    except provider_profiles.ChangeOver:
        raise AnsweredMeanwhile from None
    return redirect(url_for(".index"), 303)


def _change_of_others(change_id: str) -> ProfileChange:
    session = db_session()
    try:
        found = provider_profiles.get_change(session, change_id)
        neutrality.require_stranger(
            session, current_staff().account_id, group_id=found.group_id, asked_by_account_id=found.asked_by_account_id
        )
    except provider_profiles.NoSuchChange:
        raise NotFoundPage from None
    except NotOneself as refusal:
        raise NothingChanged(refusal.sentence) from None
    return found
