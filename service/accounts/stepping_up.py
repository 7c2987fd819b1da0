"""Stepping up: the password (and the second factor of who has one) once more before a deed that needs it fresh."""

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import ParamSpec
from urllib.parse import urlsplit

from flask import redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug import Response

from service import audit
from service.accounts.amr import Method, and_also
from service.accounts.next_page import here
from service.accounts.sessions import Login, Step, ask_to_sign_in, current_login
from service.clock import now
from service.web import rotate_browser_token

RECENT_MINUTES = 5
P = ParamSpec("P")


def password_is_recent(login: Login, minutes: int = RECENT_MINUTES) -> bool:
    """Whether the password was given within the last `minutes`."""
    return now() - login.session.authenticated_at < timedelta(minutes=minutes)


def step_up(session: Session, login: Login) -> None:
    """The password was given again: a new cookie, and the five minutes begin anew."""
    login.session.authenticated_at = now()
    login.session.amr = and_also(login.session.amr, Method.PASSWORD)
    login.session.token_hash = rotate_browser_token()
    session.flush()
    audit.record(session, "accounts:login_session:step_up", account_id=login.account.id)


def require_recent_password(
    minutes: int = RECENT_MINUTES,
) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Only for people who stepped up within the last `minutes`; others are asked and come back."""

    def decorate(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            login = current_login()
            if login is None:
                return ask_to_sign_in()
            return ask_to_step_up(login, minutes) or view(*args, **kwargs)

        return guarded

    return decorate


def ask_to_step_up(login: Login, minutes: int = RECENT_MINUTES) -> ResponseReturnValue | None:
    """The way to the page that asks, and back to this one; None for who stepped up within the last `minutes`.

    That is: gave the password, and showed the second factor where there is one; or showed a passkey, which is both.
    """
    if not password_is_recent(login, minutes):
        return redirect(url_for("sign_in.confirm_password", next=here()), 303)
    return None if login.factor_is_recent() else redirect(url_for(Step.FACTOR, next=here()), 303)


def step_up_asked_by(answer: ResponseReturnValue) -> str | None:
    """The endpoint of the page that asks for more, where `answer` leads there (`ask_to_step_up`); else None."""
    location = urlsplit(answer.location or "").path if isinstance(answer, Response) else ""
    return next((step for step in ("sign_in.confirm_password", Step.FACTOR) if url_for(step) == location), None)
