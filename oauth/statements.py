"""The hot statement of this package, kept by hand for both databases: a token with all that it hangs from.

It runs on the driver's own cursor (binary on PostgreSQL), inside the session's transaction. Both twins name the same
columns in the same order; a test runs both and compares.
"""

from typing import Any, NamedTuple

import orjson
from sqlalchemy.orm import Session

from service.db import driver_cursor

_COLUMNS = """
    a.scope, a.expires_at, a.ended_at, a.grant_version, a.created_at,
    f.id, f.ended_at,
    g.id, g.version, g.status, g.ended_at, g.expires_at, g.account_id, g.member_id, g.client_id, g.scopes,
    g.sensitive_classes, g.link_id, g.link_version,
    u.status, u.member_id,
    c.status, c.scopes,
    m.patient_id,
    l.version, l.scope, l.related_person_id, l.valid_from, l.valid_until, l.ended_at, l.safety_block,
    r.account_id
"""
_TABLES = """
    FROM access_token a
    JOIN token_family f ON f.id = a.family_id
    JOIN consent_grant g ON g.id = f.grant_id
    JOIN account u ON u.id = g.account_id
    JOIN client c ON c.id = f.client_id
    JOIN member m ON m.id = g.member_id
    LEFT JOIN representative_link l ON l.id = g.link_id
    LEFT JOIN personal_representative r ON r.id = l.representative_id
"""
POSTGRESQL = f"SELECT {_COLUMNS} {_TABLES} WHERE a.hash = %s"
SQLITE = f"SELECT {_COLUMNS} {_TABLES} WHERE a.hash = ?"


class TokenFacts(NamedTuple):
    """The row: instants in microseconds since 1970, the fields in the order of the statement's columns."""

    scope: str
    expires_at: int
    ended_at: int | None
    grant_version: int
    created_at: int
    family_id: str
    family_ended_at: int | None
    grant_id: str
    grant_current_version: int
    grant_status: str
    grant_ended_at: int | None
    grant_expires_at: int
    account_id: str
    member_id: str
    client_id: str
    grant_scopes: str
    sensitive_classes: tuple[str, ...]
    link_id: str | None
    grant_link_version: int | None
    account_status: str
    account_member_id: str | None
    client_status: str
    client_scopes: str
    patient_id: str
    link_version: int | None
    link_scope: str | None
    related_person_id: str | None
    link_valid_from: int | None
    link_valid_until: int | None
    link_ended_at: int | None
    link_safety_block: bool | None
    representative_account_id: str | None


_CLASSES = TokenFacts._fields.index("sensitive_classes")


def find_token(session: Session, token_hash: str) -> TokenFacts | None:
    """What is known now of the access token with this digest and of everything it hangs from; None if unknown."""
    text = POSTGRESQL if session.get_bind().dialect.name == "postgresql" else SQLITE
    rows = driver_cursor(session).execute(text, (token_hash,)).fetchall()
    return _facts(rows[0]) if rows else None


def _facts(row: tuple[Any, ...]) -> TokenFacts:
    classes = row[_CLASSES]
    found = tuple(orjson.loads(classes) if isinstance(classes, str) else classes)
    return TokenFacts._make((*row[:_CLASSES], found, *row[_CLASSES + 1 :]))
