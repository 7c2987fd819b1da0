"""Tokens of backend clients: they hang from their client alone, live five minutes, are never refreshed (SMART-70, 71).

They begin with a sign that no token of a person has, so that the look-up of those costs nothing more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from consent.policy import BackendFacts
from oauth.models import Client, ClientStatus, SystemToken
from oauth.statements import find_system_token
from oauth.tokens.token_problems import InvalidToken
from oauth.tokens.token_rows import CLOCK_SKEW, new_secret
from service.clock import now
from service.db import digest, from_microseconds, microseconds

PREFIX = "sys."
LIFE = timedelta(seconds=300)
_SKEW = CLOCK_SKEW // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SystemTokenRow:
    """A live token of a backend client: what the policy needs of it, and what introspection tells."""

    facts: BackendFacts
    created_at: datetime
    expires_at: datetime


def is_one(raw_access_token: str) -> bool:
    """Whether a token has the look of a backend client's."""
    return raw_access_token.startswith(PREFIX)


def issue(session: Session, client_id: str, scope: str) -> str:
    """A new token for a client, kept as digest."""
    raw, at = PREFIX + new_secret(), now()
    session.add(
        SystemToken(hash=digest(raw), client_id=client_id, scope=scope, created_at=at, expires_at=at + LIFE)
    )  # fmt: skip
    session.flush()
    return raw


def check(session: Session, raw_access_token: str) -> SystemTokenRow:
    """The live token; raises InvalidToken when it or its client does not stand at this moment."""
    found, at = find_system_token(session, digest(raw_access_token)), microseconds(now())
    if found is None or found.ended_at is not None or found.client_status != ClientStatus.APPROVED:
        raise InvalidToken
    if not found.created_at <= at + _SKEW or not at < found.expires_at:
        raise InvalidToken
    return SystemTokenRow(
        BackendFacts(found.client_id, found.scope, found.client_scopes, found.organization_id),
        from_microseconds(found.created_at),
        from_microseconds(found.expires_at),
    )


def standing(session: Session, client_id: str, scope: str) -> BackendFacts:
    """What stands now of a right that a token had, for work that goes on after the token is over.

    Raises InvalidToken where the client was suspended, retired or is none of its kind.
    """
    client = session.get(Client, client_id, populate_existing=True)
    if client is None or client.status is not ClientStatus.APPROVED or client.backend_basis is None:
        raise InvalidToken
    return BackendFacts(client.id, scope, client.scopes, client.provider_organization_id)


def find(session: Session, raw_access_token: str) -> SystemToken | None:
    """The row of a token, alive or not."""
    return session.get(SystemToken, digest(raw_access_token))


def end_all(session: Session, client_id: str) -> None:
    """End every token of a client that has not ended."""
    alive = (SystemToken.client_id == client_id, SystemToken.ended_at.is_(None))
    session.execute(update(SystemToken).where(*alive).values(ended_at=now()))
