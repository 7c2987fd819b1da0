"""App Management Console: which apps may see the member's information, and buttons to pause, resume and end it."""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from consent import decisions, grant_changes, grants
from consent.models import EndedBy, Grant
from oauth.apps import connections
from service.accounts.sessions import require_login
from service.accounts.stepping_up import require_recent_password
from service.member.acting import Actor, get_actor, require_choice
from service.member.schemas import Paged
from service.web import NotFoundPage, PageError, db_session, load_form, settings

blueprint = Blueprint("apps", __name__)
DONE: dict[str, LazyString] = {
    "paused": _("The app is paused. It can see nothing until you press Resume."),
    "resumed": _("The app is no longer paused. It can see information again."),
    "released": _("Your personal representative may connect the app again."),
    "narrowed": _("The app now sees less. Its permission to see more has ended."),
    "unchanged": _("Nothing was changed: it was already as you chose it now."),
}


class NotYoursToResume(PageError):
    """A representative wants to let in an app that the member has paused."""

    status = 403
    title = _("The member paused this app")
    sentence = _("Only the member can let it in again. Nothing was changed.")


@blueprint.get("/apps")
@require_login
@require_recent_password(5)
@require_choice
def index() -> ResponseReturnValue:
    """A page of the apps that may come in, then those that are paused, then former ones; and of what was refused."""
    actor, (asked, _errors) = get_actor(), load_form(Paged(), request.args)
    page: int = asked.get("page", 1)
    found, pages = connections.list_page(db_session(), actor.account, actor.choice, settings().plan, page)
    refusals, further = decisions.page_of_refusals(db_session(), actor.account, actor.choice, page)
    if page > 1 and not found and not refusals:
        return redirect(url_for("apps.index"), 303)
    return render_template(
        "member/apps.html",
        actor=actor,
        live=connections.live(found),
        paused=connections.paused(found),
        former=connections.former(found),
        refusals=refusals,
        page=page,
        pages=max(pages, further),
        ends=page == max(pages, 1),
        may_resume=grant_changes.may_resume,
        done=DONE.get(request.args.get("done", "")),
    )


@blueprint.post("/apps/<uuid:grant_id>/revoke")
@require_login
def revoke(grant_id: UUID) -> ResponseReturnValue:
    """End an app's access. Asks for no password again: ending must be as easy as giving (WCAG 3.3.4)."""
    actor, grant = get_actor_and_grant(grant_id)
    by = EndedBy.MEMBER if actor.choice.is_self else EndedBy.REPRESENTATIVE
    grants.revoke(db_session(), grant, by=by, account_id=actor.account.id)
    return redirect(url_for("apps.ended", grant_id=grant.id), 303)


@blueprint.post("/apps/<uuid:grant_id>/pause")
@require_login
def pause(grant_id: UUID) -> ResponseReturnValue:
    """Shut the app out for now. Asks for no password again, as Revoke does not."""
    return _change(grant_id, grant_changes.pause, "paused")


@blueprint.post("/apps/<uuid:grant_id>/resume")
@require_login
@require_recent_password(5)
def resume(grant_id: UUID) -> ResponseReturnValue:
    """Let a paused app in again: it sees more than a moment ago, so that the password is asked for."""
    return _change(grant_id, grant_changes.resume, "resumed")


@blueprint.post("/apps/<uuid:grant_id>/release")
@require_login
@require_recent_password(5)
def release(grant_id: UUID) -> ResponseReturnValue:
    """Let a representative connect anew what the member had paused before it ended; asked for the password as above."""
    return _change(grant_id, grant_changes.release, "released")


@blueprint.get("/apps/<uuid:grant_id>/ended")
@require_login
@require_choice
def ended(grant_id: UUID) -> ResponseReturnValue:
    """What has happened, and what it does not undo."""
    actor, grant = get_actor_and_grant(grant_id)
    connection = connections.of_grant(db_session(), actor.account, grant, settings().plan)
    if connection.standing:
        raise NotFoundPage
    return render_template("member/app_ended.html", connection=connection)


def get_actor_and_grant(grant_id: UUID) -> tuple[Actor, Grant]:
    """Who acts for which member, and the grant they may see; raises NotFoundPage for every other."""
    actor = get_actor()
    try:
        return actor, grants.get(db_session(), actor.account, actor.choice, str(grant_id))
    except grants.UnknownGrant:
        raise NotFoundPage from None


def _change(grant_id: UUID, deed: Callable[..., None], done: str) -> ResponseReturnValue:
    actor, grant = get_actor_and_grant(grant_id)
    try:
        deed(db_session(), grant, actor.account, actor.choice)
    except grant_changes.GrantOver:
        # Ended meanwhile, or pressed on a page from before: what has happened is shown.
        return redirect(url_for("apps.ended", grant_id=grant.id), 303)
    except grant_changes.PausedByMember:
        raise NotYoursToResume from None
    return redirect(url_for("apps.index", done=done), 303)
