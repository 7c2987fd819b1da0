"""The one cookie: a random id for every browser, signed in or not, under which the server keeps all else.

Its first part stays through sign-in, so that a waiting request keeps its browser; its second is drawn anew at sign-in
and every step up, so that an id from before names no login afterwards.
"""

import re
import secrets
from collections.abc import Iterator
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin

from service.db import keyed_digest
from service.settings import Settings

_SID = re.compile(r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}")


class BrowserSession(SessionMixin):
    """The browser's random id as Flask's session: it holds nothing but the CSRF token derived from that id."""

    def __init__(self, key: bytes, sid: str | None) -> None:
        self.key = key
        """Under which the CSRF token is derived: the guard of forms tries those from before as well."""
        self.stored = self._sid = sid
        self.wanted = False
        self.accessed = True

    @property
    def sid(self) -> str:
        """The id; one is drawn for a browser without when it is first asked for, since most requests never do."""
        if self._sid is None:
            self._sid = f"{secrets.token_urlsafe(16)}.{secrets.token_urlsafe(32)}"
        return self._sid

    @property
    def stable(self) -> str:
        """The part that outlives sign-in."""
        self.wanted = True
        return self.sid.partition(".")[0]

    def replace_secret(self) -> None:
        """A new secret part, so that an id from before sign-in names nothing afterwards."""
        self._sid = f"{self.stable}.{secrets.token_urlsafe(32)}"

    def __getitem__(self, key: str) -> Any:
        if key != "csrf_token":
            raise KeyError(key)
        self.wanted = True
        return keyed_digest(self.key, "csrf", self.sid)

    def __setitem__(self, key: str, value: Any) -> None:
        raise TypeError("nothing is kept in the browser's cookie but its id")

    def __delitem__(self, key: str) -> None:
        raise TypeError("nothing is kept in the browser's cookie but its id")

    def __iter__(self) -> Iterator[str]:
        return iter(("csrf_token",))

    def __len__(self) -> int:
        return 1


class BrowserCookies(SessionInterface):
    """Reads and writes the one cookie: `__Host-sid` under https, `sid` in the http sandbox."""

    def open_session(self, app: Flask, request: Request) -> BrowserSession:
        configured: Settings = app.extensions["latchstring"].settings
        given = request.cookies.get(configured.cookie_name, "") if "HTTP_COOKIE" in request.environ else ""
        return BrowserSession(configured.secret_key, given if _SID.fullmatch(given) else None)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not isinstance(session, BrowserSession) or not session.wanted or session.sid == session.stored:
            return
        configured: Settings = app.extensions["latchstring"].settings
        response.set_cookie(
            configured.cookie_name, session.sid, path="/", httponly=True, secure=configured.https, samesite="Lax"
        )
