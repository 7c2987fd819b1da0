"""Tokens of backend clients: they hang from their client alone, live five minutes, are never refreshed (SMART-70, 71).

They begin with a sign that no token of a person has, so that the look-up of those costs nothing more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from consent.policy import BackendFacts, backend_scopes
from oauth.models import Client, ClientStatus, SystemToken
from oauth.statements import find_system_token, system_token
from oauth.tokens.token_problems import InvalidToken
from oauth.tokens.token_rows import CLOCK_SKEW, is_wider, new_secret
from service.clock import now
from service.db import Row, digest, from_microseconds, microseconds

PREFIX = "sys."
INTROSPECT = "__introspect"
"""The scope by which a token is the credential of an introspection caller (SMART-76); for who may introspect."""
LIFE = timedelta(seconds=300)
_LIFE = LIFE // timedelta(microseconds=1)
_SKEW = CLOCK_SKEW // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SystemTokenRow:
    """A live token of a backend client: what the policy needs of it, and what introspection tells."""

    facts: BackendFacts
    may_introspect: bool
    """Whether it asks about the tokens of any app: it has the scope, and its client has the right now."""
    created_at: datetime
    expires_at: datetime
    dpop_jkt: str | None
    """The key that it is bound to; None of a bearer token."""


def is_one(raw_access_token: str) -> bool:
    """Whether a token has the look of a backend client's."""
    return raw_access_token.startswith(PREFIX)


def make(client_id: str, scope: str, *, credentials_version: int, dpop_jkt: str | None) -> tuple[str, Row]:
    """A new token for a client that proved itself as of `credentials_version`, and its row, which holds its digest.

    `dpop_jkt` names the key it is bound to.
    """
    raw, at = PREFIX + new_secret(), microseconds(now())
    return raw, system_token(digest(raw), client_id, scope, credentials_version, at, at + _LIFE, dpop_jkt)


def check(session: Session, raw_access_token: str) -> SystemTokenRow:
    """The live token; raises InvalidToken when it or its client does not stand at this moment."""
    found, at = find_system_token(session, digest(raw_access_token)), microseconds(now())
    if found is None or found.ended_at is not None or found.client_status != ClientStatus.APPROVED:
        raise InvalidToken
    if found.credentials_version != found.client_credentials_version:
        raise InvalidToken
    if is_wider(found.scope, found.client_scopes):
        raise InvalidToken
    if not found.created_at <= at + _SKEW or not at < found.expires_at:
        raise InvalidToken
    return SystemTokenRow(
        BackendFacts(found.client_id, found.scope, found.client_scopes, found.organization_id),
        bool(found.may_introspect) and INTROSPECT in found.scope.split(),
        from_microseconds(found.created_at),
        from_microseconds(found.expires_at),
        found.dpop_jkt,
    )


def scopes_of(row: SystemTokenRow) -> str:
    """What the token is worth now, as scopes."""
    facts = row.facts
    of_system = str(backend_scopes(facts.token_scopes, facts.client_scopes, facts.organization_id))
    return " ".join(filter(None, (INTROSPECT if row.may_introspect else "", of_system)))


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
