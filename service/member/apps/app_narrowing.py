"""Share less with an app: fewer types of data, no very personal topics, not while away, an earlier end. Never more."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext

from consent import data_types, grant_changes
from consent.grant_changes import Narrower
from consent.models import Grant
from consent.scopes import ScopeSet, parse
from oauth.apps import connections
from oauth.apps.connections import Connection
from service.accounts import kept_form
from service.accounts.sessions import require_login
from service.accounts.stepping_up import require_recent_password
from service.clock import now
from service.member.acting import Actor, require_choice
from service.member.apps.console import get_actor_and_grant
from service.member.consent import consent_words, previewing
from service.member.schemas import NarrowerAccess
from service.web import db_session, load_form, settings

blueprint = Blueprint("app_narrowing", __name__)


@dataclass(frozen=True)
class Left:
    """What stands in the form: boxes ticked, the last day as written."""

    data: frozenset[str]
    parts: frozenset[str]
    sensitive: frozenset[str]
    offline: bool
    last_day: str


@blueprint.get("/apps/<uuid:grant_id>/narrow")
@require_login
@require_recent_password(5)
@require_choice
def show(grant_id: UUID) -> ResponseReturnValue:
    """What the app may see now, to be unticked; as it was left where the session ran out over it."""
    actor, grant = get_actor_and_grant(grant_id)
    connection = connections.of_grant(db_session(), actor.account, grant, settings().plan)
    if not connection.standing:
        return redirect(url_for("apps.ended", grant_id=grant.id), 303)
    kept = kept_form.find_kept()
    left = _all_of(connection) if kept is None else _typed(kept)
    page = _page(actor, connection, {}, left, was_kept=kept is not None)
    return kept_form.forget(page)


@blueprint.post("/apps/<uuid:grant_id>/narrow")
@kept_form.keeping(lambda grant_id: url_for("app_narrowing.show", grant_id=grant_id))
@require_login
def narrow(grant_id: UUID) -> ResponseReturnValue:
    """Leave what is ticked; wider tokens end with this answer. Asks for no password again, as Revoke does not."""
    actor, grant = get_actor_and_grant(grant_id)
    connection = connections.of_grant(db_session(), actor.account, grant, settings().plan)
    if not connection.standing:
        return redirect(url_for("apps.ended", grant_id=grant.id), 303)
    form, errors = load_form(NarrowerAccess())
    if errors:
        return _page(actor, connection, _shown(errors), _typed(request.form)), 400
    if problem := _problem_of_day(grant, form["last_day"]):
        return _page(actor, connection, {"last_day": [problem]}, _typed(request.form)), 400
    try:
        left = _left_of(connection, form)
        changed = grant_changes.narrow(db_session(), grant, left, actor.account, actor.choice)
    except grant_changes.NothingLeft:
        told = gettext("Leave at least one type checked. To stop all of it, go back and press Revoke or Pause.")
        return _page(actor, connection, {"data": [told]}, _typed(request.form)), 400
    return redirect(url_for("apps.index", done="narrowed" if changed else "unchanged"), 303)


def _left_of(connection: Connection, form: dict[str, Any]) -> Narrower:
    """What is left ticked of what the grant has: a tick for anything else counts for nothing.

    What had no box, because the app may not ask for it now, stays as it was agreed.
    """
    grant, shown = connection.grant, _all_of(connection)
    agreed = parse(grant.scopes)
    every = _keys_of(agreed)
    offline = grant.offline and form["offline"]
    scopes = data_types.ticked(
        agreed, {*form["data"], *(every[0] - shown.data)}, {*form["part"], *(every[1] - shown.parts)}
    )  # fmt: skip
    return Narrower(
        scopes=scopes if offline or not grant.offline else scopes.without("offline_access"),
        sensitive_classes=frozenset(grant.sensitive_classes) & frozenset(form["sensitive"]),
        offline=offline,
        expires_at=grant.expires_at if form["last_day"] == _last_day(grant) else _end_of(form["last_day"]),
    )


def _problem_of_day(grant: Grant, day: date) -> str:
    if day > _last_day(grant):
        return str(gettext("This is later than what you agreed to. Here the time can only be made shorter."))
    if day != _last_day(grant) and _end_of(day) <= now():
        return str(gettext("This day is over. To stop at once, go back and press Revoke."))
    return ""


def _last_day(grant: Grant) -> date:
    # The moment of the end is itself outside.
    return (grant.expires_at - timedelta(microseconds=1)).astimezone(settings().plan.timezone).date()


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), settings().plan.timezone)


def _all_of(connection: Connection) -> Left:
    keys, parts = _keys_of(connection.scopes)
    return Left(
        data=keys,
        parts=parts,
        sensitive=frozenset(connection.grant.sensitive_classes),
        offline=connection.grant.offline,
        last_day=_last_day(connection.grant).isoformat(),
    )


def _keys_of(scopes: ScopeSet) -> tuple[frozenset[str], frozenset[str]]:
    """The keys of the types of data, and of their parts that have boxes."""
    kinds = data_types.asked(scopes)
    boxes = (key for kind in kinds for key in data_types.boxes(scopes, kind))
    return frozenset(kind.key for kind in kinds), frozenset(boxes)


def _typed(given: Any) -> Left:
    several = {name: frozenset(given.getlist(name)) for name in ("data", "part", "sensitive")}
    return Left(
        several["data"],
        several["part"],
        several["sensitive"],
        bool(given.get("offline")),
        given.get("last_day", "")[:40],
    )


def _shown(errors: dict[str, list[str]]) -> dict[str, list[str]]:
    # Boxes hold no text: whatever is wrong with them was made by hand.
    return {name: told for name, told in errors.items() if name == "last_day"} or {
        "data": [gettext("We could not read what is checked. Please check the boxes again.")]
    }


def _page(
    actor: Actor, connection: Connection, errors: dict[str, list[str]], left: Left, *, was_kept: bool = False
) -> str:  # fmt: skip
    grant = connection.grant
    sensitive = frozenset(grant.sensitive_classes)
    return render_template(
        "member/app_narrow.html",
        actor=actor,
        connection=connection,
        groups=consent_words.groups_of(connection.scopes),
        sensitive=data_types.find_sensitive(sensitive),
        left=left,
        latest=format_date(_last_day(grant), "medium"),
        preview=previewing.preview(
            db_session(), actor, connection.scopes, client_id=grant.client_id, sensitive=sensitive, grant_id=grant.id
        ),
        errors=errors,
        was_kept=was_kept,
    )
