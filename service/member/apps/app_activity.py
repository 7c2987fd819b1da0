"""What an app has read, day by day, in plain words and counts, from the audit stream; and all of it to download."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
from service.member.apps.grant_story import Event, changes_of, for_programs, story_of
from service.spreadsheets import plain_cell
from service.web import db_session, settings

blueprint = Blueprint("app_activity", __name__)
KINDS: dict[str, LazyString] = {kind.key: kind.name for kind in DATA_TYPES} | {activity.OTHER: _("Other information")}
HEADER = (
    _("App"), _("Developer"), _("Connected by"), _("Status"), _("Shared since"), _("Shared until"), _("Ended"),
    _("Ended by"), _("Answered"), _("Decided by"), _("Day"), _("Types of information"), _("Records"), _("Requests"),
    _("Refused requests"), _("What was shared"), _("Very personal topics"), _("Privacy policy"), _("Last used"),
    _("What happened since"),
)  # fmt: skip
"""Columns of the table; what is new goes to the end, since programs count them."""


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


@dataclass(frozen=True)
class Told:
    """An app with all that it did, and what people did to its connection, the first first."""

    connection: Connection
    done: Activity
    changes: list[Event]


def _download(actor: Actor, every: list[Connection], refusals: list[ConsentDecision], form: str) -> Response:
    apps = _told(actor, every)
    audit.record(
        db_session(), "member:apps:export", account_id=actor.account.id, member_id=actor.choice.member.id,
        link_id=actor.choice.link.id if actor.choice.link else None, count=len(every), detail={"form": form},
    )  # fmt: skip
    if form == "csv":
        body, kind = _as_csv(apps, refusals).encode("utf-8-sig"), "text/csv; charset=utf-8"
    else:
        body, kind = _as_json(actor, apps, refusals), "application/json"
    return as_download(actor.file_name("apps", form), kind, body)


def _told(actor: Actor, every: list[Connection]) -> list[Told]:
    ids = [one.grant.id for one in every]
    done = activity.of_grants(db_session(), ids, settings().plan.timezone)
    changed = grant_changes.of_grants(db_session(), ids)
    return [
        Told(one, done.get(one.grant.id, Activity([])), changes_of(one, changed.get(one.grant.id, []), actor.account))
        for one in every
    ]


def _as_csv(apps: Iterable[Told], refusals: Iterable[ConsentDecision]) -> str:
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow([str(name) for name in HEADER])
    for told in apps:
        writer.writerows(_rows(told))
    writer.writerows(map(_refusal_row, refusals))
    return out.getvalue()


def _rows(told: Told) -> Iterator[list[str]]:
    """A row for each type of each day, then one for what was refused on it; one at least for each app."""
    one, grant = told.connection, told.connection.grant
    facts = [
        plain_cell(one.app.name), plain_cell(one.app.developer_name), plain_cell(one.connected_by), _status(one),
        _iso(grant.created_at), _iso(grant.expires_at), _iso(one.ended_at), plain_cell(one.ended_by),
        _iso(grant.decision.at), plain_cell(one.connected_by),
    ]  # fmt: skip
    terms = [
        plain_cell("; ".join(one.types)), plain_cell("; ".join(one.sensitive)), plain_cell(one.attestation),
        _iso(told.done.last_used), plain_cell("; ".join(map(_in_a_line, told.changes))),
    ]  # fmt: skip
    for day in told.done.days:
        on = day.day.isoformat()
        for key in day.keys:
            yield [*facts, on, str(KINDS[key]), str(day.records[key]), str(day.requests[key]), "0", *terms]
        if day.refused:
            yield [*facts, on, "", "0", "0", str(day.refused), *terms]
    if not told.done.days:
        # An app that has never come stands in the table all the same.
        yield [*facts, "", "", "0", "0", "0", *terms]


def _in_a_line(event: Event) -> str:
    left = f": {', '.join([*event.left.names, *event.left.terms])}" if event.left else ""
    return f"{_iso(event.at)} {event.what} ({event.by}){left}"


def _refusal_row(refusal: ConsentDecision) -> list[str]:
    words = refusal.words
    named = [plain_cell(words[name]) for name in ("app", "developer")]
    answered = [_iso(refusal.at), plain_cell(words["decider"])]
    nothing = ["", "", "0", "0", "0", "", "", "", "", ""]
    return [*named, "", str(gettext("Not allowed")), "", "", "", "", *answered, *nothing]


def _as_json(actor: Actor, apps: Iterable[Told], refusals: Iterable[ConsentDecision]) -> bytes:
    return orjson.dumps(
        {
            "member": actor.choice.member.full_name,
            "time_zone": settings().plan.timezone.key,
            "apps": list(map(_app, apps)),
            "not_allowed": [_refusal(one) for one in refusals],
        },
        option=orjson.OPT_INDENT_2,
    )


def _refusal(one: ConsentDecision) -> dict[str, Any]:
    return {
        "app": one.words["app"], "developer": one.words["developer"], "client_id": one.client_id,
        "receipt": one.id, "answered_at": _iso(one.at), "decided_by": one.words["decider"],
    }  # fmt: skip


def _app(told: Told) -> dict[str, Any]:
    one, grant, done = told.connection, told.connection.grant, told.done
    return {
        "app": one.app.name, "developer": one.app.developer_name, "client_id": one.app.id, "grant": grant.id,
        "receipt": grant.decision_id, "connected_by": one.connected_by, "status": _status(one),
        "types": list(one.types), "sensitive_classes": list(grant.sensitive_classes), "scopes": str(one.scopes),
        "shared_since": _iso(grant.created_at), "shared_until": _iso(grant.expires_at),
        "ended_at": _iso(one.ended_at) or None, "ended_by": one.ended_by or None,
        "attestation": one.attestation, "last_used": _iso(done.last_used) or None,
        "changes": [for_programs(event, _iso) for event in told.changes],
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
