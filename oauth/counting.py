"""Counts what the authorization and token endpoints, and the API, refused an app, after the request, in a session of
its own.

The request's own transaction may have been rolled back. A count can be lost (a database that is busy); the request
cannot.
"""

from functools import partial
from urllib.parse import parse_qs, urlsplit

import structlog
from flask import Response, after_this_request, g, request
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from oauth.apps import clients, refusals
from oauth.trials.checks import Check
from service import web
from service.databases.driver_errors import every_error

_MACHINES = frozenset({"oauth.token", "oauth.par"})
_NOT_HERE = frozenset(
    {Check.CREDENTIAL, Check.METHOD, Check.CODE_SPENT, Check.REFRESH_SPENT, Check.CLIENT, Check.FAULT}
)
"""What the audit tells of, what is no app's, and what its developers ordered."""
_LONGEST = 60
log = structlog.get_logger("oauth.counting")


def count(response: Response) -> Response:
    """Count after a request of these endpoints, if it was refused."""
    endpoint = web.request_itself().endpoint
    if endpoint not in _MACHINES and endpoint != "oauth.authorize":
        return response
    found = _refusal(response)
    return response if found is None else _add(found, response)


def count_later(client_id: str, reason: str) -> None:
    """Count a refusal of the API once this request's answer is made; of several in a batch the first."""
    if "counts_later" not in g:
        g.counts_later = True
        after_this_request(partial(_add, (client_id, reason)))


def _add(found: tuple[str, str], response: Response) -> Response:
    try:
        web.drop_transaction()
        with web.latchstring().sessions.begin() as session:
            refusals.count(session, *found)
    except every_error(DBAPIError, *web.outages()) as problem:
        log.warning("refusal_not_counted", problem=type(problem).__name__)
    return response


def _refusal(response: Response) -> tuple[str, str] | None:
    """The app, and the word for its refusal; None where nothing was refused, or the audit tells of it."""
    check = g.get("failed_check")
    if check in _NOT_HERE:
        return None
    if request.endpoint == "oauth.authorize":
        reason = f"authorize:{_told(response) or check}" if check else ""
    else:
        reason = _refused_machine(response)
    client_id = (g.get("claimed_client") or _named()) if reason else ""
    # Whoever knows the id of an app may be counted under it; nothing is counted for what is no app.
    return (client_id, reason[:_LONGEST]) if clients.is_possible(client_id) else None


def _named() -> str:
    """The app that the request says it is; none where its body cannot be read."""
    try:
        return request.values.get("client_id", "")
    except HTTPException:
        return ""


def _told(response: Response) -> str:
    """The error that the authorization endpoint told the app, or would have, had the person not to be asked first."""
    address = response.location or g.get("held_back", "")
    return parse_qs(urlsplit(address).query).get("error", [""])[0]


def _refused_machine(response: Response) -> str:
    if response.status_code != 400:
        return ""
    error = (response.get_json(silent=True) or {}).get("error", "")
    place = "authorize" if request.endpoint == "oauth.par" else "token"
    return f"{place}:{error}" if error else ""
