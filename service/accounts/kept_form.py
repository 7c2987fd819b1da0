"""What somebody typed into a form whose session ran out, or that asks for the password first: kept for ten minutes in
their own browser, sealed.

They sign in (or step up) and find the form as they left it, to be sent again by themselves: nothing is done on their
behalf. Whoever else signs in at that browser does not see it. Files that were chosen are chosen again. What is too long
for a browser to keep is shown once more before the sign-in, to be copied (decision 128).
"""

import base64
import functools
import zlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from flask import Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from service import sealing
from service.accounts.models import Account
from service.accounts.sessions import SignedOut, current_login, find_run_out, sign_in_address
from service.accounts.stepping_up import step_up_asked_by
from service.clock import now
from service.web import browser_id, db_session, settings

LIFE = 600
_COOKIE = "kept_form"
_PURPOSE = "kept-form"
_LONGEST = 2_900
"""Characters of what is sealed: a browser keeps no longer cookie."""
_WORTH_COPYING = 100
View = Callable[..., ResponseReturnValue]


class _Kept(msgspec.Struct, array_like=True):
    browser: str
    account: str
    kept_at: float
    path: str
    fields: list[tuple[str, str]]


def keeping(names: Sequence[str], page: Callable[..., str]) -> Callable[[View], View]:
    """For a view that takes a form: keep these fields for the page it stood on where the session ran out over it, or
    where the view asks for the password again.

    `page` says which that is, of the view's own arguments. Outermost of all decorators: it looks before they refuse.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def kept(**arguments: Any) -> ResponseReturnValue:
            if request.method != "POST":
                return view(**arguments)
            login = current_login()
            if login is None:
                owner = find_run_out(db_session())
                if owner is None:
                    return view(**arguments)
                following = page(**arguments)
                return keep(names, following, owner, sign_in_address(following))
            answer = view(**arguments)
            step = step_up_asked_by(answer)
            if step is None:
                return answer
            following = page(**arguments)
            return keep(names, following, login.account, url_for(step, next=following))

        return kept

    return decorate


def keep(names: Sequence[str], page: str, owner: Account, way: str) -> ResponseReturnValue:
    """Keep these fields of the form at hand for `page`, and send the browser on its way (an address of ours)."""
    # An empty field is as good as none, and a long form has many.
    fields = [(name, value) for name in names for value in request.form.getlist(name) if value]
    path = urlsplit(page).path
    content = _pack(_Kept(browser_id(), owner.id, now().timestamp(), path, fields))
    if len(content) > _LONGEST:
        return _show_once_more([value for _name, value in fields], way)
    answer = make_response(redirect(way, 303))
    answer.set_cookie(
        _COOKIE, sealing.seal(settings().secret_key, _PURPOSE, content), max_age=LIFE, path=path,
        httponly=True, secure=settings().https, samesite="Lax",
    )  # fmt: skip
    return answer


def _show_once_more(values: list[str], way: str) -> ResponseReturnValue:
    texts = [value for value in values if len(value) >= _WORTH_COPYING] or values
    return render_template("accounts/not_kept.html", texts=texts, way=way), SignedOut.status


def _pack(kept: _Kept) -> str:
    return base64.b85encode(zlib.compress(msgspec.json.encode(kept), 9)).decode("ascii")


def _unpack(content: str) -> _Kept:
    return msgspec.json.decode(zlib.decompress(base64.b85decode(content)), type=_Kept)


def find_kept() -> "MultiDict[str, str] | None":
    """The fields kept in this browser for the page at hand; None where there are none, or they are too old."""
    sealed = request.cookies.get(_COOKIE)
    if sealed is None:
        return None
    try:
        kept = _unpack(sealing.unseal(settings().secret_key, _PURPOSE, sealed))
    except (sealing.NotSealed, msgspec.DecodeError, ValueError, zlib.error):
        return None
    login = current_login()
    if login is None or login.account.id != kept.account:
        return None
    # A browser sends it to the pages beneath, too.
    if kept.path != request.path:
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
