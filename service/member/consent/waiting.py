"""The app's request that waits for the answer of the page at hand: on the consent screen and on the way to it."""

from urllib.parse import parse_qs, urlsplit

from flask import g, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from oauth.authorization import flows
from oauth.authorization.flows import PendingView
from oauth.errors import RequestOver
from service.accounts.next_page import local_path
from service.web import browser_id, db_session


def find_waiting() -> PendingView | None:
    """The request that this browser began and that waits; looked up once. None where nothing waits, or it is over."""
    if "waiting" not in g:
        request_id = _find_id()
        g.waiting = _look_up(request_id) if request_id else None
    waiting: PendingView | None = g.waiting
    return waiting


def note_waiting(pending: PendingView) -> None:
    """Keep what a page has looked up itself, so that it is not looked up again for the frame around it."""
    g.waiting = pending


def _find_id() -> str | None:
    # In the form or address of the consent screen; inside `next` on the way there (sign-in, registration, password).
    if request.blueprint == "consent":
        return given("request")
    following = urlsplit(local_path(request.args.get("next")) or "")
    if following.path.startswith("/oauth/authorize/"):
        return following.path.rpartition("/")[2]
    return next(iter(parse_qs(following.query).get("request", [])), None)


def given(name: str) -> str | None:
    """A parameter of the address or the form; of the address alone where the form cannot be read."""
    try:
        return request.values.get(name)
    except HTTPException:
        # The page that says that a form is too long must not read it.
        return request.args.get(name)


def _look_up(request_id: str) -> PendingView | None:
    try:
        return flows.get_pending(db_session(), request_id, browser_id())
    except (RequestOver, OperationalError, PoolTimeout):
        # Asked for on every page: the page that tells of a fault must not fail on the same fault.
        return None
