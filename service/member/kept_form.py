"""What somebody typed into a form after their session had run out: kept for ten minutes in their own browser, sealed.

They sign in and find the form as they left it, to be sent again by themselves: nothing is done on their behalf.
"""

from collections.abc import Sequence

import msgspec
from flask import Response, make_response, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from service import sealing
from service.accounts.sessions import sign_in_address
from service.clock import now
from service.web import browser_id, settings

LIFE = 600
_COOKIE = "kept_form"
_PURPOSE = "kept-form"
_LONGEST = 3_000


class _Kept(msgspec.Struct, array_like=True):
    browser: str
    kept_at: float
    fields: list[tuple[str, str]]


def keep(names: Sequence[str], page: str) -> ResponseReturnValue:
    """Send the person to sign in and back to `page` (a local path), keeping these fields of the form for it."""
    fields = [(name, value) for name in names for value in request.form.getlist(name)]
    answer = make_response(redirect(sign_in_address(page), 303))
    content = msgspec.json.encode(_Kept(browser_id(), now().timestamp(), fields)).decode()
    # A browser keeps no longer cookie; whoever sends more than the form holds starts anew.
    if len(content) <= _LONGEST:
        answer.set_cookie(
            _COOKIE, sealing.seal(settings().secret_key, _PURPOSE, content), max_age=LIFE, path=page, httponly=True,
            secure=settings().https, samesite="Lax",
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
    if kept.browser != browser_id() or not 0 <= now().timestamp() - kept.kept_at < LIFE:
        return None
    return MultiDict(kept.fields)


def forget(page: str, path: str) -> Response:
    """The page, after which the browser forgets what was kept for the form at `path`."""
    answer = make_response(page)
    if _COOKIE in request.cookies:
        answer.delete_cookie(_COOKIE, path=path)
    return answer
