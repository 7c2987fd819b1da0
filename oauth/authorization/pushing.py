"""Authorization requests sent ahead by the app itself (RFC 9126): checked at once, kept a minute, used once.

What comes back in the browser is only their name, so that nobody reads or changes them on the way.
"""

from dataclasses import dataclass
from datetime import timedelta

from flask import request as flask_request
from sqlalchemy.orm import Session

from oauth.authorization import authorization_request
from oauth.authorization.authorization_request import Refusal
from oauth.callers import client_authentication
from oauth.errors import InvalidRequest, RequestOver, TooManyRequests
from oauth.models import AuthMethod, PushedRequest
from oauth.requests import OAuthRequest
from oauth.tokens import token_rows
from service import single_use
from service.accounts import throttling
from service.clock import now
from service.db import digest
from service.settings import Settings
from service.web import PageError

LIFE = timedelta(seconds=60)
PREFIX = "urn:ietf:params:oauth:request_uri:"
_METHODS = [method.value for method in AuthMethod]
_OF_THE_CALLER = frozenset({"client_secret", "client_assertion", "client_assertion_type"})
_LIMIT, _WINDOW = 300, 300
"""How many requests an app may push from one network within so many seconds: each keeps a row."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the app is told."""

    request_uri: str
    expires_in: int


def push(session: Session, request: OAuthRequest, settings: Settings) -> Pushed:
    """Keep a request that would be valid at the authorization endpoint; raises the OAuth error that it would meet."""
    caller = client_authentication.authenticate(session, request, _METHODS)
    _throttle(session, caller.id)
    given = {name: value for name, value in request.form.items() if name not in _OF_THE_CALLER}
    if "request_uri" in given:
        raise InvalidRequest()
    given |= {"client_id": caller.id} | _bound_key(session, request, given.get("dpop_jkt"))
    _require_valid(session, given, settings)
    raw, at = token_rows.new_secret(), now()
    session.add(
        PushedRequest(
            hash=digest(raw), client_id=caller.id, parameters=given, created_at=at, expires_at=at + LIFE
        )
    )  # fmt: skip
    session.flush()
    return Pushed(PREFIX + raw, int(LIFE.total_seconds()))


def is_pushed(given: dict[str, str]) -> bool:
    """Whether these parameters of the authorization endpoint name a request of this kind."""
    return given.get("request_uri", "").startswith(PREFIX)


def pull(session: Session, given: dict[str, str]) -> dict[str, str]:
    """The parameters that this app pushed, used up; raises RequestOver when they are unknown, over, or another's."""
    name, at = digest(given["request_uri"].removeprefix(PREFIX)), now()
    mine = (
        PushedRequest.hash == name,
        PushedRequest.client_id == given.get("client_id", ""),
        PushedRequest.created_at <= at + token_rows.CLOCK_SKEW,
        PushedRequest.expires_at > at,
    )
    if not single_use.spend(session, PushedRequest, *mine):
        raise RequestOver
    return session.get_one(PushedRequest, name).parameters


def _throttle(session: Session, client_id: str) -> None:
    here = throttling.hidden(client_id, throttling.network_of(flask_request.remote_addr))
    if not throttling.hit(session, f"pushed:{here}", _LIMIT, _WINDOW):
        raise TooManyRequests(throttling.seconds_left(session, f"pushed:{here}"))


def _bound_key(session: Session, request: OAuthRequest, named: str | None) -> dict[str, str]:
    # A proof that comes with the request binds its code as the parameter does (RFC 9449 §10.1).
    key = client_authentication.proven_key(session, request)
    if key is None:
        return {}
    if named not in {None, key}:
        raise InvalidRequest()
    return {"dpop_jkt": key}


def _require_valid(session: Session, given: dict[str, str], settings: Settings) -> None:
    try:
        authorization_request.validate(session, given, repeated=False, settings=settings, pushed=True)
    except Refusal as refusal:
        raise refusal.error from None
    except PageError:
        raise InvalidRequest() from None
