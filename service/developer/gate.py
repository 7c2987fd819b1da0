"""Who may open a page of developers: people of a developer organisation. For everybody else it does not exist."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import g
from flask.typing import ResponseReturnValue

from oauth.apps import developers, own_apps
from oauth.apps.clients import ClientView, NoSuchClient
from oauth.apps.models import Developer
from service.accounts.sessions import current_login, require_login
from service.web import NotFoundPage, db_session

P = ParamSpec("P")
Page = Callable[P, ResponseReturnValue]


def require_developer(view: Page[P]) -> Page[P]:
    """Only for people of a developer organisation; strangers are sent to sign in, others find no such page."""

    @require_login
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if find_current() is None:
            raise NotFoundPage
        return view(*args, **kwargs)

    return guarded


def current_developer() -> Developer:
    """The person whose page this is."""
    found = find_current()
    assert found is not None, "the page requires a developer"
    return found


def find_current() -> Developer | None:
    """The developer who is signed in; None for everybody else."""
    session, login = db_session(), current_login()
    held = g.get("developer")
    if held is None or held[0] is not session:
        g.developer = held = (session, developers.find(session, login.account.id) if login else None)
    developer: Developer | None = held[1]
    return developer


def own_app(client_id: str) -> ClientView:
    """An app of the developer's own organisation; another's is not there (404)."""
    try:
        return own_apps.get(db_session(), current_developer(), client_id)
    except NoSuchClient:
        raise NotFoundPage from None
