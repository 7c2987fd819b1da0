"""What somebody typed into a form after their session had run out: kept for ten minutes in their own browser, sealed.

They sign in and find the form as they left it, to be sent again by themselves: nothing is done on their behalf. Whoever
else signs in at that browser does not see it. Files that were chosen are chosen again.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from flask import Response, make_response, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from service import sealing
from service.accounts.models import Account
from service.accounts.sessions import current_login, find_run_out, sign_in_address
from service.clock import now
from service.web import browser_id, db_session, settings

LIFE = 600
_COOKIE = "kept_form"
_PURPOSE = "kept-form"
_LONGEST = 2_900
View = Callable[..., ResponseReturnValue]


class _Kept(msgspec.Struct, array_like=True):
    browser: str
    account: str
    kept_at: float
    fields: list[tuple[str, str]]


def keeping(names: Sequence[str], page: Callable[..., str]) -> Callable[[View], View]:
    """For a view that takes a form: where the session ran out over it, keep these fields for the page it stood on.

    `page` says which that is, of the view's own arguments. Outermost of all decorators: it looks before they refuse.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def kept(**arguments: Any) -> ResponseReturnValue:
            if request.method == "POST" and current_login() is None:
                owner = find_run_out(db_session())
                if owner is not None:
                    return _keep(names, page(**arguments), owner)
            return view(**arguments)

        return kept

    return decorate


def _keep(names: Sequence[str], page: str, owner: Account) -> ResponseReturnValue:
    fields = [(name, value) for name in names for value in request.form.getlist(name)]
    answer = make_response(redirect(sign_in_address(page), 303))
    content = msgspec.json.encode(_Kept(browser_id(), owner.id, now().timestamp(), fields)).decode()
    # A browser keeps no longer cookie; whoever sends more than the form holds starts anew.
    if len(content.encode()) <= _LONGEST:
        answer.set_cookie(
            _COOKIE, sealing.seal(settings().secret_key, _PURPOSE, content), max_age=LIFE, path=urlsplit(page).path,
            httponly=True, secure=settings().https, samesite="Lax",
        )  # fmt: skip
    return answer


def find_kept() -> "MultiDict[str, str] | None":
    """The fields kept in this browser for the page at hand; None where there are none, or they are too old."""
    sealed = request.cookies.get(_COOKIE)
    if sealed is None:
        return None
    try:
        kept = msgspec.json.decode(sealing.unseal(settings().secret_key, _PURPOSE, sealed), type=_Kept)
    except (sealing.NotSealed, msgspec.DecodeError, UnicodeEncodeError):
        return None
    login = current_login()
    if login is None or login.account.id != kept.account:
        return None
    if kept.browser != browser_id() or not 0 <= now().timestamp() - kept.kept_at < LIFE:
        return None
    return MultiDict(kept.fields)


def forget(page: str) -> Response:
    """The page, after which the browser forgets what was kept for its form."""
    answer = make_response(page)
    if _COOKIE in request.cookies:
        answer.delete_cookie(_COOKIE, path=request.path)
    return answer
