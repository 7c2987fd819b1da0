"""App Management Console: which apps may see the member's information, what they did, and the button that ends it."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from consent import grants
from consent.models import ConsentDecision, EndedBy
from consent.scopes import parse
from service.accounts.sessions import require_login, require_recent_password
from service.member import connections, consent_words, data_types
from service.member.acting import get_actor, require_choice
from service.web import NotFoundPage, db_session, settings

blueprint = Blueprint("apps", __name__)


@blueprint.get("/apps")
@require_login
@require_recent_password(5)
@require_choice
def index() -> ResponseReturnValue:
    """Every app that may come in, then every app whose access has ended."""
    actor = get_actor()
    every = connections.list_connections(db_session(), actor, settings().plan)
    return render_template(
        "member/apps.html", actor=actor, live=connections.live(every), former=connections.former(every)
    )


@blueprint.post("/apps/<uuid:grant_id>/revoke")
@require_login
def revoke(grant_id: UUID) -> ResponseReturnValue:
    """End an app's access. Asks for no password again: ending must be as easy as giving (WCAG 3.3.4)."""
    actor = get_actor()
    try:
        grant = grants.get(db_session(), actor.account, actor.choice, str(grant_id))
    except grants.UnknownGrant:
        raise NotFoundPage from None
    by = EndedBy.MEMBER if actor.choice.is_self else EndedBy.REPRESENTATIVE
    grants.revoke(db_session(), grant, by=by, account_id=actor.account.id)
    return redirect(url_for("apps.ended", grant_id=grant.id), 303)


@blueprint.get("/apps/<uuid:grant_id>/ended")
@require_login
@require_choice
def ended(grant_id: UUID) -> ResponseReturnValue:
    """What has happened, and what it does not undo."""
    connection = _connection(grant_id)
    if connection.live:
        raise NotFoundPage
    return render_template("member/app_ended.html", connection=connection)


@blueprint.get("/apps/<uuid:grant_id>/decision")
@require_login
@require_recent_password(5)
@require_choice
def decision(grant_id: UUID) -> ResponseReturnValue:
    """The receipt: what was asked, in the very words shown, and what was answered."""
    connection = _connection(grant_id)
    given = connection.grant.decision
    return render_template(
        "member/decision.html",
        decision=given,
        words=given.words,
        ticked=[str(kind.name) for kind in data_types.asked(parse(given.granted_scopes))],
        sensitive=[str(kind.name) for kind in data_types.find_sensitive(given.sensitive_classes)],
        duration=consent_words.DURATIONS[given.duration],
        online=_online(given),
    )


def _online(given: ConsentDecision) -> bool | None:
    """Whether the app may return while the person is signed in; None where that was not asked."""
    asked = "online_access" in parse(given.asked_scopes)
    return "online_access" in parse(given.granted_scopes) if asked else None


def _connection(grant_id: UUID) -> connections.Connection:
    try:
        return connections.get_connection(db_session(), get_actor(), settings().plan, str(grant_id))
    except grants.UnknownGrant:
        raise NotFoundPage from None
