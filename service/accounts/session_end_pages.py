"""The line at the foot of every signed-in page that says until when one stays signed in, and what its script asks.

Two minutes before the end static/session-end.js opens a dialog (identity.md ID-33, WCAG 2.2.1). It asks here first,
since another window may have been used meanwhile; that question is no use of the session.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Blueprint, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, ngettext
from flask_wtf.csrf import generate_csrf

from service import days
from service.accounts import kept_form, sessions
from service.accounts.next_page import came_from, local_path
from service.accounts.session_end import end_of
from service.accounts.sessions import Login, SignedOut, current_login
from service.accounts.throttling import hidden
from service.web import db_session, settings

blueprint = Blueprint("session_end", __name__)
_TO_SEND = timedelta(minutes=30)
"""For so long the dialog promises to keep what is sent after the end."""


@dataclass(frozen=True)
class Told:
    """The end of a session as its page tells it; `who` is a name for the account that says nothing else.

    `time` is said with its *at*, which other languages say otherwise before one o'clock.
    """

    seconds: int
    time: str
    is_last: bool
    who: str

    @classmethod
    def of(cls, login: Login) -> "Told":
        """As it stands now, in the plan's time zone and the page's language."""
        end, zone = end_of(login), settings().plan.timezone
        clock = days.clock_in_words(end.at, zone, get_locale() or "en")
        at = str(ngettext("at %(time)s", "at %(time)s", days.hour_read(end.at, zone), time=clock))
        return cls(end.seconds, at, end.is_last, hidden("session-end", login.account.id))


@blueprint.app_context_processor
def _frame() -> dict[str, Callable[[], Any]]:
    return {"session_end": _find, "is_kept_form": kept_form.is_kept}


@blueprint.get("/session/left")
def left() -> ResponseReturnValue:
    """How long this browser stays signed in, as whom, and the token that its forms want now.

    Where nobody is signed in any more: whether a form is still kept (`kept_form`) that is sent within half an hour.
    """
    return _answer(sessions.peek())


@blueprint.post("/session/keep")
def keep() -> ResponseReturnValue:
    """Stay signed in: whoever sends a form uses the session, so that the idle time begins anew."""
    login = current_login()
    if request.accept_mimetypes.best_match(("text/html", "application/json")) == "application/json":
        return _answer(login)
    if login is None:
        raise SignedOut
    return redirect(local_path(came_from().path) or url_for("landing.index"), 303)


def _find() -> Told | None:
    login = current_login()
    return Told.of(login) if login else None


def _answer(login: Login | None) -> ResponseReturnValue:
    if login is None:
        return jsonify(seconds=0, kept=sessions.is_kept_for(db_session(), _TO_SEND))
    told = Told.of(login)
    return jsonify(seconds=told.seconds, time=told.time, last=told.is_last, who=told.who, token=generate_csrf())
