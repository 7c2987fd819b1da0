"""Who somebody says they are while they ask for a new password: kept in their own browser, sealed, for ten minutes.

The page that takes the code is asked for by GET after the form was sent, and has to know whose code it takes; neither
name nor e-mail address may stand in an address.
"""

import msgspec
from flask import Response, request

from service import sealing
from service.accounts.password_reset import Claim
from service.accounts.usernames import LONGEST, LONGEST_EMAIL
from service.clock import now_in_microseconds
from service.web import browser_id, settings

LIFE = 600
_LONGEST, _LONGEST_EMAIL = 2 * LONGEST, LONGEST_EMAIL
_COOKIE, _PURPOSE, _PATH = "reset_claim", "reset-claim", "/password-reset"


class _Kept(msgspec.Struct, array_like=True):
    """What the cookie holds: the claim, whose browser it is in, and until when it counts (microseconds)."""

    username: str
    email: str
    browser: str
    until: int


def keep(answer: Response, claim: Claim) -> Response:
    """The answer, after which this browser is asked for the code of this claim.

    No account has a name so long that it were cut here; a browser refuses cookies of more than 4 kB.
    """
    until = now_in_microseconds() + LIFE * 1_000_000
    kept = _Kept(claim.username[:_LONGEST], claim.email[:_LONGEST_EMAIL], browser_id(), until)
    sealed = sealing.seal(settings().secret_key, _PURPOSE, msgspec.json.encode(kept).decode())
    answer.set_cookie(
        _COOKIE, sealed, max_age=LIFE, path=_PATH, httponly=True, secure=settings().https, samesite="Lax"
    )  # fmt: skip
    return answer


def find() -> Claim | None:
    """The claim of this browser; None where none was made lately."""
    try:
        opened = sealing.unseal(settings().secret_key, _PURPOSE, request.cookies.get(_COOKIE, ""))
        kept = msgspec.json.decode(opened, type=_Kept)
    except (sealing.NotSealed, msgspec.DecodeError, UnicodeEncodeError):
        return None
    # The browser keeps it no longer than we say, and for itself: a copy is held to the same.
    if kept.until <= now_in_microseconds() or kept.browser != browser_id():
        return None
    return Claim(kept.username, kept.email)


def forget(answer: Response) -> Response:
    """The answer, after which the browser knows of no claim."""
    answer.delete_cookie(_COOKIE, path=_PATH)
    return answer
