"""The gate of pages whose readers must have a second factor: delegates and the plan's own staff (architecture 7.4).

An account that has one is asked for it at every sign-in, before any page; left here are those who have none yet.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from service.accounts.next_page import here
from service.accounts.sessions import SignedOut, current_login, require_login

P = ParamSpec("P")


def require_factor(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Only for people who showed a second factor in this session; others go to show or to set up one, and back."""

    @require_login
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        return ask_for_factor() or view(*args, **kwargs)

    return guarded


def ask_for_factor() -> ResponseReturnValue | None:
    """The way to the set-up page for a signed-in person without a factor; None for one who has shown theirs.

    A form is refused (401): what it would do must wait until the factor was shown.
    """
    login = current_login()
    if login is not None and login.session.factor_at is not None and login.has_factor:
        return None
    if request.method not in {"GET", "HEAD"}:
        raise SignedOut
    return redirect(url_for("second_factor.set_up", next=here()), 303)
