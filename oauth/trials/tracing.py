"""Writes down what an app does in the sandbox, while its developers want it: after each request, in its own session.

A request that was rolled back has its step too: a refused one is what a developer wants to understand. In production
nothing of this is installed.
"""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog
from flask import Flask, Response, current_app, g, has_request_context, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from consent.models import Grant
from oauth.tokens import token_rows
from oauth.trials import trace
from oauth.trials.checks import Check
from oauth.trials.known_apps import KnownApps
from oauth.trials.models import Seen, TraceStep
from service import web
from service.clock import now
from service.db import Statement

# By hand: a session of its own would lock SQLite for the look.
_TRACED = Statement("SELECT client_id FROM app_trial WHERE traced_until > %s")
_EXTENSION = "latchstring.trials"
_API_PATH = "/fhir/"
_TYPE = re.compile(r"/([A-Z][A-Za-z]{1,38})(?:/|$)")
_TOKEN_STEPS = {"authorization_code": Seen.EXCHANGE, "refresh_token": Seen.REFRESH}
log = structlog.get_logger("oauth.trials")


def install(app: Flask) -> None:
    """Write steps after requests, in the sandbox only."""
    if app.extensions["latchstring"].settings.sandbox:
        app.extensions[_EXTENSION] = KnownApps(_TRACED)
        app.after_request(_write)


def note(step: Seen, client_id: str, error: str = "") -> None:
    """Keep a step of this request; it is written afterwards, where anything is."""
    if has_request_context():
        g.setdefault("trace_notes", []).append((step, client_id, error))


def app_of_token(session: Session, raw: str) -> tuple[str, Check | None]:
    """The app that an access token belongs to, and why it opens nothing, if it does not."""
    found = token_rows.find_access_token(session, raw)
    if found is None:
        return "", None
    token, family = found
    grant = session.get_one(Grant, family.grant_id)
    if token.ended_at is not None or family.ended_at is not None:
        return family.client_id, Check.TOKEN_ENDED
    if grant.ended_at is not None or grant.version != token.grant_version:
        return family.client_id, Check.GRANT
    return family.client_id, Check.TOKEN_LATE if token.expires_at <= now() else None


def forget_known() -> None:
    """Ask the database again at the next request: a developer has just begun or ended a trace here."""
    _known().forget()


def _write(response: Response) -> Response:
    try:
        known = _known().ids()
        steps = _steps(response, known) if known else []
        if steps:
            # The page that told a person of the refusal has read: on SQLite nobody else writes until that ends.
            web.drop_transaction()
            with web.latchstring().sessions.begin() as session:
                session.add_all(steps)
                session.flush()
                for client_id in {step.client_id for step in steps}:
                    trace.cut(session, client_id)
    except web.outages(DBAPIError) as problem:
        # The app's own request went as it went.
        log.warning("trace_not_written", problem=type(problem).__name__)
    return response


def _known() -> KnownApps:
    known: KnownApps = current_app.extensions[_EXTENSION]
    return known


def _steps(response: Response, known: frozenset[str]) -> list[TraceStep]:
    made = [
        _step(client_id, step, failed=bool(error), error=error)
        for step, client_id, error in g.get("trace_notes", [])
        if client_id in known
    ]
    if request.endpoint == "oauth.authorize":
        made = _asked(response, known) + made
    elif request.endpoint in {"oauth.token", "oauth.par"}:
        made += _called(response, known)
    elif request.path.startswith(_API_PATH) and request.method != "OPTIONS":
        made += _read(response, known)
    return made


def _step(client_id: str, step: Seen, **given: Any) -> TraceStep:
    return TraceStep(client_id=client_id, at=now(), step=step, **given)


def _asked(response: Response, known: frozenset[str]) -> list[TraceStep]:
    client_id = _sent("client_id")
    if client_id not in known:
        return []
    check = g.get("failed_check")
    address = response.location or g.get("held_back", "")
    error = parse_qs(urlsplit(address).query).get("error", [""])[0] if check else ""
    return [_step(client_id, Seen.AUTHORIZE, failed=check is not None, failed_check=check, error=error[:60])]


def _called(response: Response, known: frozenset[str]) -> list[TraceStep]:
    client_id = g.get("claimed_client") or _named()
    if client_id not in known or request.method != "POST":
        return []
    # Whatever else is asked for, or nothing that can be read, is a code's exchange gone wrong.
    step = Seen.PUSH if request.endpoint == "oauth.par" else _TOKEN_STEPS.get(_sent("grant_type"), Seen.EXCHANGE)
    failed = response.status_code >= 400
    error = str((response.get_json(silent=True) or {}).get("error", ""))[:60] if failed else ""
    check = g.get("failed_check") if failed else None
    return [_step(client_id, step, failed=failed, failed_check=check, error=error, status=response.status_code)]


def _named() -> str:
    """The app that a request names which was refused unread: in its form, its header, or by mistake as JSON."""
    if found := _sent("client_id"):
        return found
    if request.authorization is not None:
        return request.authorization.username or ""
    said = request.get_json(silent=True) if request.is_json else None
    return str(said.get("client_id", "")) if isinstance(said, dict) else ""


def _sent(name: str) -> str:
    """A parameter as it was sent; empty where there is none, or the body cannot be read."""
    try:
        return request.values.get(name, "")
    except HTTPException:
        return ""


def _read(response: Response, known: frozenset[str]) -> list[TraceStep]:
    _scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    if not raw.strip():
        return []
    with web.latchstring().sessions() as session:
        client_id, check = app_of_token(session, raw.strip())
    if client_id not in known:
        return []
    failed = response.status_code >= 400
    why = g.get("failed_check") or (check if response.status_code == 401 else None)
    found = _TYPE.search(request.path)
    return [
        _step(
            client_id, Seen.READ, failed=failed, failed_check=why,
            status=response.status_code, resource_type=found[1] if found else "",
        )
    ]  # fmt: skip
