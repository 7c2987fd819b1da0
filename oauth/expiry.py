"""What the janitor deletes of OAuth: rows that are refused anyway, some hundred at a time.

Spent codes and refresh tokens stay as long as their grant may be alive: a second use must be known as theft.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, exists, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from consent.models import Grant
from oauth.apps import refusals
from oauth.apps.models import DeveloperInvitation, PendingDeveloper
from oauth.models import (
    AccessToken,
    AuthorizationCode,
    LaunchHandle,
    PendingAuthorization,
    PushedRequest,
    RefreshToken,
    SystemToken,
    TokenFamily,
)
from oauth.trials import trace
from oauth.webhooks import outbox
from service.clock import now

_BATCH = 500
# Long enough that a clock set back by hours never meets a row that is not there to be refused.
_KEEP = timedelta(days=2)
# A grant lives 13 months at most; after that nothing of its families can be used or stolen.
_KEEP_EVIDENCE = timedelta(days=400)


def _delete_pending(session: Session) -> int:
    return _delete(session, PendingAuthorization.id, PendingAuthorization.expires_at < now() - _KEEP)


def _delete_pushed(session: Session) -> int:
    return _delete(session, PushedRequest.hash, PushedRequest.expires_at < now() - _KEEP)


def _delete_launches(session: Session) -> int:
    return _delete(session, LaunchHandle.hash, LaunchHandle.expires_at < now() - _KEEP)


def _delete_sign_ups(session: Session) -> int:
    return _delete(session, PendingDeveloper.id, PendingDeveloper.expires_at < now() - _KEEP)


def _delete_invitations(session: Session) -> int:
    return _delete(session, DeveloperInvitation.id, DeveloperInvitation.expires_at < now() - _KEEP)


def _delete_access_tokens(session: Session) -> int:
    return _delete(session, AccessToken.hash, AccessToken.expires_at < now() - _KEEP)


def _delete_system_tokens(session: Session) -> int:
    return _delete(session, SystemToken.hash, SystemToken.expires_at < now() - _KEEP)


def _delete_codes(session: Session) -> int:
    unused = AuthorizationCode.family_id.is_(None), AuthorizationCode.expires_at < now() - _KEEP
    return _delete(session, AuthorizationCode.hash, *unused) or _delete(
        session, AuthorizationCode.hash, AuthorizationCode.expires_at < now() - _KEEP_EVIDENCE
    )


def _delete_refresh_tokens(session: Session) -> int:
    dead = exists().where(
        TokenFamily.id == RefreshToken.family_id,
        Grant.id == TokenFamily.grant_id,
        Grant.expires_at < now() - _KEEP,
    )
    return _delete(session, RefreshToken.hash, RefreshToken.expires_at < now() - _KEEP, dead)


def _delete(session: Session, key: InstrumentedAttribute[str], *over: ColumnElement[bool]) -> int:
    some = select(key).where(*over).limit(_BATCH)
    result = session.execute(delete(key.class_).where(key.in_(some)).execution_options(synchronize_session=False))
    return cast(CursorResult[Any], result).rowcount


SWEEPS: tuple[Callable[[Session], int], ...] = (
    _delete_pending,
    _delete_pushed,
    _delete_launches,
    _delete_sign_ups,
    _delete_invitations,
    _delete_access_tokens,
    _delete_system_tokens,
    _delete_codes,
    _delete_refresh_tokens,
    outbox.delete_old,
    trace.delete_old,
    refusals.delete_old,
)
"""The sweeps for `service.jobs.janitor`."""
