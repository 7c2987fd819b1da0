"""Who somebody says they are while they ask for a new password: kept in their own browser, sealed, for ten minutes.

The page that takes the code is asked for by GET after the form was sent, and has to know whose code it takes; neither
name nor e-mail address may stand in an address.
"""

import msgspec
from flask import Response, request

from service import sealing
from service.accounts.password_reset import Claim
from service.web import settings

LIFE = 600
_COOKIE, _PURPOSE, _PATH = "reset_claim", "reset-claim", "/password-reset"


def keep(answer: Response, claim: Claim) -> Response:
    """The answer, after which this browser is asked for the code of this claim."""
    sealed = sealing.seal(settings().secret_key, _PURPOSE, msgspec.json.encode([claim.username, claim.email]).decode())
    answer.set_cookie(
        _COOKIE, sealed, max_age=LIFE, path=_PATH, httponly=True, secure=settings().https, samesite="Lax"
    )  # fmt: skip
    return answer


def find() -> Claim | None:
    """The claim of this browser; None where none was made lately."""
    try:
        kept = sealing.unseal(settings().secret_key, _PURPOSE, request.cookies.get(_COOKIE, ""))
        return Claim(*msgspec.json.decode(kept, type=tuple[str, str]))
    except (sealing.NotSealed, msgspec.DecodeError, UnicodeEncodeError):
        return None


def forget(answer: Response) -> Response:
    """The answer, after which the browser knows of no claim."""
    answer.delete_cookie(_COOKIE, path=_PATH)
    return answer
