"""What an app has read, day by day, in plain words and counts, from the audit stream; and all of it to download."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from io import StringIO
from typing import Any
from uuid import UUID

import orjson
from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _

from consent import activity, decisions, grant_changes
from consent.activity import Activity
from consent.data_types import DATA_TYPES
from consent.models import ConsentDecision
from oauth.apps import connections
from oauth.apps.connections import Connection
from service import audit
from service.accounts.page_files import as_download
from service.accounts.sessions import require_login
from service.accounts.stepping_up import require_recent_password
from service.days import read_day
from service.member.acting import Actor, get_actor, require_choice
from service.member.apps.console import get_actor_and_grant
from service.member.apps.grant_story import story_of
from service.spreadsheets import plain_cell
from service.web import db_session, settings

blueprint = Blueprint("app_activity", __name__)
KINDS: dict[str, LazyString] = {kind.key: kind.name for kind in DATA_TYPES} | {activity.OTHER: _("Other information")}
HEADER = (
    _("App"), _("Developer"), _("Connected by"), _("Status"), _("Shared since"), _("Shared until"), _("Ended"),
    _("Ended by"), _("Answered"), _("Decided by"), _("Day"), _("Types of information"), _("Records"), _("Requests"),
)  # fmt: skip


@blueprint.get("/apps/<uuid:grant_id>/activity")
@require_login
@require_recent_password(5)
@require_choice
def show(grant_id: UUID) -> ResponseReturnValue:
    """The latest days on which the app came, and the story of its connection."""
    actor, grant = get_actor_and_grant(grant_id)
    connection = connections.of_grant(db_session(), actor.account, grant, settings().plan)
    before = read_day(request.args.get("before", ""))
    return render_template(
        "member/app_activity.html",
        connection=connection,
        activity=activity.of_grant(db_session(), grant.id, settings().plan.timezone, before=before),
        before=before,
        kinds=KINDS,
        story_events=story_of(connection, grant_changes.of_grant(db_session(), grant), actor.account),
    )


@blueprint.get("/apps/<uuid:grant_id>/activity.<any(csv, json):form>")
@require_login
@require_recent_password(5)
@require_choice
def download_one(grant_id: UUID, form: str) -> ResponseReturnValue:
    """All that one app has done, and what else it asked for and was refused."""
    actor, grant = get_actor_and_grant(grant_id)
    refusals = decisions.refusals(db_session(), actor.account, actor.choice)
    of_app = [one for one in refusals if one.client_id == grant.client_id]
    return _download(actor, [connections.of_grant(db_session(), actor.account, grant, settings().plan)], of_app, form)


@blueprint.get("/apps/export.<any(csv, json):form>")
@require_login
@require_recent_password(5)
@require_choice
def download_all(form: str) -> ResponseReturnValue:
    """Every app of the console, former ones too, with all that it has done; and the requests that were refused."""
    actor = get_actor(for_file=True)
    every = connections.list_connections(db_session(), actor.account, actor.choice, settings().plan)
    return _download(actor, every, decisions.refusals(db_session(), actor.account, actor.choice), form)


def _download(actor: Actor, every: list[Connection], refusals: list[ConsentDecision], form: str) -> Response:
    done = activity.of_grants(db_session(), [one.grant.id for one in every], settings().plan.timezone)
    audit.record(
        db_session(), "member:apps:export", account_id=actor.account.id, member_id=actor.choice.member.id,
        link_id=actor.choice.link.id if actor.choice.link else None, count=len(every), detail={"form": form},
    )  # fmt: skip
    if form == "csv":
        body, kind = _as_csv(every, refusals, done).encode("utf-8-sig"), "text/csv; charset=utf-8"
    else:
        body, kind = _as_json(actor, every, refusals, done), "application/json"
    return as_download(actor.file_name("apps", form), kind, body)


def _as_csv(every: Iterable[Connection], refusals: Iterable[ConsentDecision], done: dict[str, Activity]) -> str:
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow([str(name) for name in HEADER])
    for one in every:
        writer.writerows(_rows(one, done.get(one.grant.id, Activity([]))))
    writer.writerows(map(_refusal_row, refusals))
    return out.getvalue()


def _rows(one: Connection, done: Activity) -> Iterator[list[str]]:
    grant = one.grant
    facts = [
        plain_cell(one.app.name), plain_cell(one.app.developer_name), plain_cell(one.connected_by), _status(one),
        _iso(grant.created_at), _iso(grant.expires_at), _iso(one.ended_at), plain_cell(one.ended_by),
        _iso(grant.decision.at), plain_cell(one.connected_by),
    ]  # fmt: skip
    days = [(day, key) for day in done.days for key in day.keys]
    for day, key in days:
        yield [*facts, day.day.isoformat(), str(KINDS[key]), str(day.records[key]), str(day.requests[key])]
    if not days:
        # An app that has never come stands in the table all the same.
        yield [*facts, "", "", "0", "0"]


def _refusal_row(refusal: ConsentDecision) -> list[str]:
    words = refusal.words
    named = [plain_cell(words[name]) for name in ("app", "developer")]
    answered = [_iso(refusal.at), plain_cell(words["decider"])]
    return [*named, "", str(gettext("Not allowed")), "", "", "", "", *answered, "", "", "0", "0"]


def _as_json(
    actor: Actor, every: Iterable[Connection], refusals: Iterable[ConsentDecision], done: dict[str, Activity]
) -> bytes:
    return orjson.dumps(
        {
            "member": actor.choice.member.full_name,
            "time_zone": settings().plan.timezone.key,
            "apps": [_app(one, done.get(one.grant.id, Activity([]))) for one in every],
            "not_allowed": [_refusal(one) for one in refusals],
        },
        option=orjson.OPT_INDENT_2,
    )


def _refusal(one: ConsentDecision) -> dict[str, Any]:
    return {
        "app": one.words["app"], "developer": one.words["developer"], "client_id": one.client_id,
        "receipt": one.id, "answered_at": _iso(one.at), "decided_by": one.words["decider"],
    }  # fmt: skip


def _app(one: Connection, done: Activity) -> dict[str, Any]:
    grant = one.grant
    return {
        "app": one.app.name, "developer": one.app.developer_name, "client_id": one.app.id, "grant": grant.id,
        "receipt": grant.decision_id, "connected_by": one.connected_by, "status": _status(one),
        "types": list(one.types), "sensitive_classes": list(grant.sensitive_classes), "scopes": str(one.scopes),
        "shared_since": _iso(grant.created_at), "shared_until": _iso(grant.expires_at),
        "ended_at": _iso(one.ended_at) or None, "ended_by": one.ended_by or None,
        "last_used": _iso(done.last_used) or None,
        "days": [
            {
                "day": day.day.isoformat(), "refused": day.refused,
                "read": [
                    {"type": key, "name": str(KINDS[key]), "records": day.records[key], "requests": day.requests[key]}
                    for key in day.keys
                ],
            }
            for day in done.days
        ],
    }  # fmt: skip


def _status(one: Connection) -> str:
    if one.live:
        return str(gettext("Shared"))
    return str(gettext("Paused") if one.paused else gettext("Ended"))


def _iso(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(settings().plan.timezone).isoformat(timespec="seconds")
