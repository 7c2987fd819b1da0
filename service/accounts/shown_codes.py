"""Recovery codes between the form that made them and the page that shows them: kept in the browser, sealed.

The page is asked for by GET, so that Reload, Back and Forward show the same codes for ten minutes and make no new ones
(decision 110). They open in the login session that made them alone, and as long as no newer ones were made.
"""

import msgspec
from flask import Response, request

from service import sealing
from service.accounts import second_factors
from service.accounts.sessions import Login
from service.clock import now_in_microseconds
from service.web import db_session, settings

LIFE = 600
_COOKIE, _PURPOSE, _PATH = "shown_codes", "shown-codes", "/settings/second-factor/recovery-codes"


class Shown(msgspec.Struct, array_like=True):
    """The codes, what was done when they were made (`app`, `passkey` or nothing), in which session, and until when."""

    codes: list[str]
    done: str
    session: str
    until: int


def keep(answer: Response, login: Login, codes: list[str], done: str) -> Response:
    """The answer, after which this browser can show these codes."""
    shown = Shown(codes, done, login.session.id, now_in_microseconds() + LIFE * 1_000_000)
    sealed = sealing.seal(settings().secret_key, _PURPOSE, msgspec.json.encode(shown).decode())
    answer.set_cookie(
        _COOKIE, sealed, max_age=LIFE, path=_PATH, httponly=True, secure=settings().https, samesite="Lax"
    )  # fmt: skip
    return answer


def find(login: Login) -> Shown | None:
    """What this browser can show to who is signed in; None where it is too old, somebody else's, or good no more."""
    try:
        opened = sealing.unseal(settings().secret_key, _PURPOSE, request.cookies.get(_COOKIE, ""))
        shown = msgspec.json.decode(opened, type=Shown)
    except (sealing.NotSealed, msgspec.DecodeError, UnicodeEncodeError):
        return None
    if shown.session != login.session.id or shown.until <= now_in_microseconds():
        return None
    are_theirs = second_factors.holds_codes(db_session(), settings().secret_key, login.account, shown.codes)
    return shown if are_theirs else None
