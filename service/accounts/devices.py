"""Known devices: browsers that have signed in to an account before, remembered by a cookie of their own.

Such a browser's wrong tries are counted apart, so that a stranger who guesses cannot lock the owner out (ID-9).
"""

import re
import secrets
from datetime import timedelta

from flask import Response, after_this_request, g, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts.models import Account, KnownDevice
from service.db import Statement, digest
from service.web import settings

_LIFE = timedelta(days=400)
# By hand: each sign-in asks.
_KNOWN = Statement("SELECT id FROM known_device WHERE token_hash = %s AND account_id = %s LIMIT 1")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def find(session: Session, account: Account) -> str | None:
    """The id under which this browser is a known device of `account`; None where it is not."""
    token = _given()
    if token is None:
        return None
    # A sign-in asks before the password is compared and after: a request keeps the answer.
    asked_before: dict[str, str | None] = g.setdefault("known_devices", {})
    if account.id not in asked_before:
        session.flush()
        rows = _KNOWN.run(session, digest(token), account.id).fetchall()
        asked_before[account.id] = str(rows[0][0]) if rows else None
    return asked_before[account.id]


def given() -> str | None:
    """Digest of the token that names this browser as somebody's known device, or does not; None without one."""
    token = _given()
    return None if token is None else digest(token)


def any_known(session: Session, account: Account) -> bool:
    """Whether the account has signed in anywhere before."""
    return session.scalar(select(KnownDevice.id).where(KnownDevice.account_id == account.id).limit(1)) is not None


def remember(session: Session, account: Account) -> str:
    """Make this browser a known device of `account`, and its id; the cookie is ours or new, never a planted one."""
    token = _given()
    ours = token is not None and session.scalar(
        select(KnownDevice.id).where(KnownDevice.token_hash == digest(token)).limit(1)
    )  # fmt: skip
    if token is None or not ours:
        token = secrets.token_urlsafe(32)
    made = KnownDevice(token_hash=digest(token), account_id=account.id)
    session.add(made)
    session.flush()
    g.pop("known_devices", None)
    after_this_request(lambda response: _set_cookie(response, token))
    return made.id


def forget_all(session: Session, account: Account) -> None:
    """Forget every device of `account`, after its password was reset."""
    for device in session.scalars(select(KnownDevice).where(KnownDevice.account_id == account.id)):
        session.delete(device)
    g.pop("known_devices", None)


def _given() -> str | None:
    token = request.cookies.get(_cookie_name(), "")
    return token if _TOKEN.fullmatch(token) else None


def _cookie_name() -> str:
    return "__Host-device" if settings().https else "device"


def _set_cookie(response: Response, token: str) -> Response:
    response.set_cookie(
        _cookie_name(), token, max_age=_LIFE, path="/", httponly=True, secure=settings().https, samesite="Lax"
    )
    return response
