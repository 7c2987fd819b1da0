"""Who belongs to one's developer organisation: everybody sees it; owners invite, remove and say who is an owner."""

from collections.abc import Callable, Mapping
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from oauth.apps import developers
from oauth.apps.developers import PeopleRefused
from oauth.apps.models import Developer, DeveloperRole
from oauth.apps.reviews import ReviewRefused
from service import mail
from service.accounts import kept_form, second_factors
from service.accounts.invited import InvitationOver
from service.accounts.stepping_up import require_recent_password
from service.clock import now
from service.developer import inviting
from service.developer.developer_schemas import Colleague, Role
from service.developer.gate import current_developer, require_developer
from service.developer.inviting import AlreadyHere, Invitee
from service.web import db_session, load_form, settings

blueprint = Blueprint("developer_people", __name__, url_prefix="/developers/people")
ROLES = {DeveloperRole.OWNER: _("Owner"), DeveloperRole.DEVELOPER: _("Developer")}
_AFTERWARDS = "developer_public.index"
_OVER = _("This invitation was used or withdrawn already.")


@blueprint.get("")
@require_developer
def index() -> ResponseReturnValue:
    """The people, the invitations that wait, and one's own second factor."""
    kept = kept_form.find_kept()
    return kept_form.forget(_page({}, kept or {}, was_kept=kept is not None))


@blueprint.post("/invite")
@kept_form.keeping(lambda: url_for("developer_people.index"))
@require_developer
@require_recent_password(30)
def invite() -> ResponseReturnValue:
    """Send a colleague the link."""
    form, errors = load_form(Colleague())
    if errors:
        return _page(errors, request.form), 400
    invitee = Invitee(form["given_name"], form["family_name"], form["email"], form["role"])
    return _take(
        "invited", lambda by: inviting.invite(db_session(), by, invitee, key=settings().secret_key), request.form
    )  # fmt: skip


@blueprint.post("/invitations/<uuid:invitation_id>/withdraw")
@require_developer
def withdraw(invitation_id: UUID) -> ResponseReturnValue:
    """End an invitation before it is used."""
    return _take("withdrawn", lambda by: inviting.withdraw(db_session(), by, str(invitation_id)))


@blueprint.post("/<uuid:account_id>/role")
@require_developer
@require_recent_password(30)
def change_role(account_id: UUID) -> ResponseReturnValue:
    """Make somebody an owner, or one no more."""
    form, errors = load_form(Role())
    if errors:
        return _page(errors), 400
    return _take(
        "changed", lambda by: developers.change_role(db_session(), by, str(account_id), form["role"])
    )  # fmt: skip


@blueprint.post("/<uuid:account_id>/remove")
@require_developer
@require_recent_password(30)
def remove(account_id: UUID) -> ResponseReturnValue:
    """End that somebody belongs here; oneself too."""
    by = current_developer()
    if str(account_id) == by.account_id:
        return _take("left", lambda own: developers.remove(db_session(), own, own.account_id), then=_AFTERWARDS)
    return _take("removed", lambda own: _remove(own, str(account_id)))


def _remove(by: Developer, account_id: str) -> None:
    gone = developers.remove(db_session(), by, account_id)
    mail.enqueue(
        db_session(), to=gone.account.email, template="developer_removed", given_name=gone.account.given_name,
        organization=gone.organization.name, at=now(),
    )  # fmt: skip


def _take(
    done: str, deed: Callable[[Developer], object], invited: Mapping[str, str] | None = None, *,
    then: str = "developer_people.index",
) -> ResponseReturnValue:  # fmt: skip
    try:
        deed(current_developer())
    except AlreadyHere as refused:
        return _page({"email": [refused.sentence]}, invited), 409
    except (PeopleRefused, ReviewRefused) as refused:
        return _page({"_schema": [refused.sentence]}, invited), 409
    except InvitationOver:
        return _page({"_schema": [_OVER]}), 409
    return redirect(url_for(then, done=done), 303)


def _page(errors: object, invited: Mapping[str, str] | None = None, *, was_kept: bool = False) -> str:
    """`invited` is what was typed into the form of the invitation."""
    session, by = db_session(), current_developer()
    return render_template(
        "developer/people.html", me=by, people=developers.people_of(session, by.organization_id),
        invitations=inviting.open_of(session, by.organization_id), roles=ROLES, errors=errors, given=invited or {},
        was_kept=was_kept,
        done=request.args.get("done"), has_factor=second_factors.has_factor(session, by.account_id),
    )  # fmt: skip
