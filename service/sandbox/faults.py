"""The fault simulator: answers an app as its developers asked for, before its request is looked at.

Installed in the sandbox only, and in front of the endpoints, which know nothing of it. A fault changes nothing: no
token is ended, no code spent.
"""

import threading
import time

from authlib.oauth2 import OAuth2Error
from flask import Flask, Response, current_app, request
from werkzeug.exceptions import TooManyRequests

from fhir.answers import responses
from oauth.callers import client_authentication
from oauth.errors import InvalidGrant, InvalidScope, TooManyAttempts, as_json
from oauth.requests import Duplicated, current_request
from oauth.tokens.token_problems import InsufficientScope, InvalidToken
from oauth.trials import faults, tracing
from oauth.trials.checks import Check, claimed, failed
from oauth.trials.known_apps import KnownApps
from oauth.trials.models import Fault
from service import web
from service.db import Statement

RETRY_AFTER = 30
SLOW_SECONDS = 4.0
_API_PATH = "/fhir/r4/"
_EXTENSION = "latchstring.faults"
_FAULTY = Statement("SELECT client_id FROM app_fault WHERE until > %s")
# Whoever waits holds a thread of the server: two at once, and others are answered as ever.
_waiting = threading.BoundedSemaphore(2)


def install(app: Flask) -> None:
    """Look at requests first, in the sandbox only."""
    if app.extensions["latchstring"].settings.sandbox:
        app.extensions[_EXTENSION] = KnownApps(_FAULTY)
        app.before_request(_disturb)


def _disturb() -> Response | None:
    given = web.request_itself()
    at_token_endpoint = given.endpoint == "oauth.token"
    if not at_token_endpoint and not given.path.startswith(_API_PATH):
        return None
    apps: KnownApps = current_app.extensions[_EXTENSION]
    known = apps.ids()
    if given.method == "OPTIONS" or not known:
        return None
    client_id = _caller() if at_token_endpoint else _bearer()
    if client_id not in known:
        return None
    with web.latchstring().sessions.begin() as session:
        fault = faults.take(session, client_id, at_token_endpoint=at_token_endpoint)
    claimed(client_id)
    return _answer(fault, at_token_endpoint=at_token_endpoint) if fault else None


def _caller() -> str:
    try:
        return client_authentication.read(current_request()).client_id
    except (OAuth2Error, Duplicated):
        return ""


def _bearer() -> str:
    _scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    with web.latchstring().sessions() as session:
        return tracing.app_of_token(session, raw.strip())[0] if raw.strip() else ""


def _answer(fault: Fault, *, at_token_endpoint: bool) -> Response | None:
    if fault is Fault.SLOW:
        _wait()
        return None
    failed(Check.FAULT)
    if fault is Fault.TOO_MANY:
        answer = as_json(TooManyAttempts()) if at_token_endpoint else responses.of_http_error(TooManyRequests())
        answer.headers["Retry-After"] = str(RETRY_AFTER)
        return answer
    if fault is Fault.DENIED_SCOPE:
        return as_json(InvalidScope()) if at_token_endpoint else responses.of_token_problem(InsufficientScope())
    return as_json(InvalidGrant()) if at_token_endpoint else responses.of_token_problem(InvalidToken())


def _wait() -> None:
    if _waiting.acquire(blocking=False):
        try:
            time.sleep(SLOW_SECONDS)
        finally:
            _waiting.release()
