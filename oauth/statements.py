"""The statements of this package kept by hand for both databases: a token with all it hangs from, a caller, its keys.

They run on the driver's own cursor (binary on PostgreSQL), inside the session's transaction.
"""

from datetime import date
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from oauth.models import ClientKind
from service.db import Insertion, Row, Statement

_HANGS_FROM = """
    f.id, f.ended_at,
    g.id, g.version, g.status, g.ended_at, g.expires_at, g.account_id, g.member_id, g.client_id, g.scopes,
    CAST(g.sensitive_classes AS TEXT), g.link_id, g.link_version,
    u.status, u.member_id,
    c.status, c.scopes,
    m.patient_id, m.deceased_on,
    l.version, l.scope, l.related_person_id, l.valid_from, l.valid_until, l.ended_at, l.safety_block, l.narrows_at,
    l.basis, r.account_id, r.person_id
"""
_COLUMNS = f"a.scope, a.expires_at, a.ended_at, a.grant_version, a.created_at, a.dpop_jkt, {_HANGS_FROM}"
# Scope and key of a refresh token are its family's; it outlives the narrowing of its grant, and gives what is left.
_OF_REFRESH = f"f.scope, a.expires_at, a.spent_at, g.version, a.created_at, f.dpop_jkt, {_HANGS_FROM}"
# What a token hangs from is always there; LEFT, so that whoever asks about a token that is not is found all the same.
_ABOVE = """
    LEFT JOIN token_family f ON f.id = a.family_id
    LEFT JOIN consent_grant g ON g.id = f.grant_id
    LEFT JOIN account u ON u.id = g.account_id
    LEFT JOIN client c ON c.id = f.client_id
    LEFT JOIN member m ON m.id = g.member_id
    LEFT JOIN representative_link l ON l.id = g.link_id
    LEFT JOIN personal_representative r ON r.id = l.representative_id
"""
_TOLD = "s.id, f.need_patient_banner"
_ABOVE_TOLD = f"{_ABOVE} LEFT JOIN subject s ON s.account_id = g.account_id AND s.member_id = g.member_id"
_TOKEN = Statement(f"SELECT {_COLUMNS} FROM access_token a {_ABOVE} WHERE a.hash = %s")  # noqa: S608
_TOKEN_TO_TELL = Statement(
    f"SELECT {_COLUMNS}, {_TOLD} FROM access_token a {_ABOVE_TOLD} WHERE a.hash = %s"  # noqa: S608
)
_REFRESH_TO_TELL = Statement(
    f"SELECT {_OF_REFRESH}, {_TOLD}, g.offline, g.duration, f.login_session_id"  # noqa: S608
    f" FROM refresh_token a {_ABOVE_TOLD} WHERE a.hash = %s"
)
_OF_CALLER = """
    w.id, w.status, w.kind, w.scopes, w.provider_organization_id, w.dpop_bound_access_tokens,
    w.token_endpoint_auth_method, w.secret_hash, w.secret_expires_at, w.previous_secret_hash,
    w.previous_secret_expires_at, w.may_introspect, w.credentials_version,
    coalesce((SELECT n.count FROM attempt_counter n WHERE n.key = %s AND n.expires_at > %s), 0)
"""
# Key sets as texts in both databases: what was made of a text before is not made again.
_OF_KEYS = """
    w.credentials_version, CAST(w.jwks AS TEXT), w.jwks_uri, CAST(k.jwks AS TEXT), coalesce(k.fetched_at, 0),
    coalesce(k.fresh_until, 0), coalesce(k.tried_at, 0)
"""
_WITH_KEYS = "FROM client w LEFT JOIN fetched_key_set k ON k.client_id = w.id WHERE w.id = %s"
_CALLER = Statement(f"SELECT {_OF_CALLER} FROM client w WHERE w.id = %s")  # noqa: S608
_CALLER_AND_TOKEN = Statement(
    f"SELECT {_OF_CALLER}, {_COLUMNS}, {_TOLD}"  # noqa: S608
    f" FROM client w LEFT JOIN access_token a ON a.hash = %s {_ABOVE_TOLD} WHERE w.id = %s"
)
_KEYED_CALLER = Statement(f"SELECT {_OF_CALLER}, {_OF_KEYS} {_WITH_KEYS}")
_KEYS = Statement(f"SELECT {_OF_KEYS} {_WITH_KEYS}")
_KEEP_KEYS = Statement(
    """
    INSERT INTO fetched_key_set (client_id, jwks, fetched_at, fresh_until, tried_at) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (client_id) DO UPDATE SET jwks = excluded.jwks, fetched_at = excluded.fetched_at,
        fresh_until = excluded.fresh_until, tried_at = excluded.tried_at
    """
)
_DROP_KEY = Statement(
    "UPDATE client SET credentials_version = credentials_version + 1"
    " WHERE id = %s AND jwks_uri = %s AND credentials_version = %s"
)
_TRIED = Statement("UPDATE fetched_key_set SET tried_at = %s WHERE client_id = %s")
_CLAIM_FETCH = Statement(
    "UPDATE fetched_key_set SET tried_at = %s WHERE client_id = %s AND (tried_at <= %s OR tried_at > %s)"
    " RETURNING client_id"
)
_SYSTEM_TOKEN = Statement(
    """
    SELECT a.scope, a.credentials_version, a.created_at, a.expires_at, a.ended_at, c.id, c.status, c.scopes,
        c.backend_basis, c.provider_organization_id, c.may_introspect, c.credentials_version, a.dpop_jkt
    FROM system_token a JOIN client c ON c.id = a.client_id WHERE a.hash = %s
    """
)

_ADD_ACCESS = Statement(
    "INSERT INTO access_token (hash, family_id, grant_version, scope, dpop_jkt, created_at, expires_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s)"
)
_ADD_REFRESH = Insertion("refresh_token", "hash", "family_id", "created_at", "expires_at", "key_bound")
_ADD_SYSTEM = Insertion(
    "system_token", "hash", "client_id", "scope", "credentials_version", "created_at", "expires_at", "dpop_jkt"
)  # fmt: skip
_END_TOKENS = Statement("UPDATE access_token SET ended_at = %s WHERE family_id = %s AND ended_at IS NULL")


class TokenFacts(NamedTuple):
    """The row: instants in microseconds since 1970, the fields in the order of the statement's columns.

    `sensitive_classes` is a JSON text in both databases, read once for each of its texts; a date is a text in SQLite.
    """

    scope: str
    expires_at: int
    ended_at: int | None
    grant_version: int
    created_at: int
    dpop_jkt: str | None
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
    sensitive_classes: str
    link_id: str | None
    grant_link_version: int | None
    account_status: str
    account_member_id: str | None
    client_status: str
    client_scopes: str
    patient_id: str
    member_deceased_on: date | str | None
    link_version: int | None
    link_scope: str | None
    related_person_id: str | None
    link_valid_from: int | None
    link_valid_until: int | None
    link_ended_at: int | None
    link_safety_block: bool | None
    link_narrows_at: int | None
    link_basis: str | None
    representative_account_id: str | None
    person_id: str | None


class ToldFacts(NamedTuple):
    """What is told of a token beside its facts: its `sub` where one is made, and whether its app needs a banner."""

    subject: str | None
    need_patient_banner: bool


class RefreshFacts(NamedTuple):
    """What a refresh token's grant says of refreshing, and the sign-in in which it was agreed, where that counts."""

    offline: bool
    duration: str
    login_session_id: str | None


class CallerFacts(NamedTuple):
    """The app that calls, as far as the endpoints need it: Authlib's "client" on our paths.

    Instants are microseconds since 1970; `failures` are those of the counter that was asked for.
    """

    id: str
    status: str
    kind: str
    scopes: str
    provider_organization_id: str | None
    dpop_bound_access_tokens: bool
    token_endpoint_auth_method: str
    secret_hash: str | None
    secret_expires_at: int | None
    previous_secret_hash: str | None
    previous_secret_expires_at: int | None
    may_introspect: bool
    credentials_version: int
    failures: int

    def check_grant_type(self, grant_type: str) -> bool:
        """Authlib asks whether this app may use a grant type: those of people, or the one without a person."""
        of_people = grant_type in {"authorization_code", "refresh_token"}
        return grant_type == "client_credentials" if self.kind == ClientKind.BACKEND else of_people


class KeyFacts(NamedTuple):
    """Where an app's keys are: those it registered, or those last read at its address and when (0: never).

    Key sets are JSON texts.
    """

    credentials_version: int
    registered: str | None
    jwks_uri: str | None
    fetched: str | None
    fetched_at: int
    fresh_until: int
    tried_at: int


class SystemTokenFacts(NamedTuple):
    """A backend client's token with its client: instants in microseconds since 1970."""

    scope: str
    credentials_version: int
    created_at: int
    expires_at: int
    ended_at: int | None
    client_id: str
    client_status: str
    client_scopes: str
    backend_basis: str
    organization_id: str | None
    may_introspect: bool
    client_credentials_version: int
    dpop_jkt: str | None


_OF_CALLER_ALONE, _OF_TOKEN_ALONE = len(CallerFacts._fields), len(TokenFacts._fields)
_OF_TOKEN_TOLD = _OF_TOKEN_ALONE + len(ToldFacts._fields)


def find_token(session: Session, token_hash: str) -> TokenFacts | None:
    """What is known now of the access token with this digest and of everything it hangs from; None if unknown."""
    rows = _TOKEN.run(session, token_hash).fetchall()
    return TokenFacts._make(rows[0]) if rows else None


def find_token_to_tell(session: Session, token_hash: str) -> tuple[TokenFacts, ToldFacts] | None:
    """The same, and what introspection and UserInfo tell beside it."""
    rows = _TOKEN_TO_TELL.run(session, token_hash).fetchall()
    return _told(rows[0]) if rows else None


def find_refresh_to_tell(session: Session, token_hash: str) -> tuple[tuple[TokenFacts, ToldFacts], RefreshFacts] | None:
    """The same of a refresh token, alive or not (`ended_at`: when it was spent), and what decides on its refreshing."""
    rows = _REFRESH_TO_TELL.run(session, token_hash).fetchall()
    return (_told(rows[0][:_OF_TOKEN_TOLD]), RefreshFacts._make(rows[0][_OF_TOKEN_TOLD:])) if rows else None


def find_caller(session: Session, client_id: str, counter: str, at: int) -> CallerFacts | None:
    """The app with this id, and what the counter of that key holds at the instant `at`; None if there is no app."""
    rows = _CALLER.run(session, counter, at, client_id).fetchall()
    return CallerFacts._make(rows[0]) if rows else None


def find_caller_and_token(
    session: Session, client_id: str, counter: str, at: int, token_hash: str
) -> tuple[CallerFacts | None, tuple[TokenFacts, ToldFacts] | None]:
    """The same, and the access token with this digest, as one statement."""
    rows = _CALLER_AND_TOKEN.run(session, counter, at, token_hash, client_id).fetchall()
    if not rows:
        return None, None
    caller, token = CallerFacts._make(rows[0][:_OF_CALLER_ALONE]), rows[0][_OF_CALLER_ALONE:]
    # Every access token has a scope.
    return caller, None if token[0] is None else _told(token)


def find_keyed_caller(
    session: Session, client_id: str, counter: str, at: int
) -> tuple[CallerFacts, KeyFacts] | tuple[None, None]:
    """The same, and where the app's keys are."""
    rows = _KEYED_CALLER.run(session, counter, at, client_id).fetchall()
    if not rows:
        return None, None
    return CallerFacts._make(rows[0][:_OF_CALLER_ALONE]), KeyFacts._make(rows[0][_OF_CALLER_ALONE:])


def find_keys(session: Session, client_id: str) -> KeyFacts | None:
    """Where the keys of the app with this id are; None if there is no app."""
    rows = _KEYS.run(session, client_id).fetchall()
    return KeyFacts._make(rows[0]) if rows else None


def keep_fetched_keys(session: Session, client_id: str, jwks: str, at: int, fresh_until: int) -> None:
    """Keep a key set (JSON) that was read at its address at that instant."""
    _KEEP_KEYS.run(session, client_id, jwks, at, fresh_until, at)


def end_tokens_of_lost_key(session: Session, client_id: str, jwks_uri: str, credentials_version: int) -> None:
    """Raise the version of the credentials, once for all who found out: a key stands at its address no more."""
    _DROP_KEY.run(session, client_id, jwks_uri, credentials_version)


def note_failed_fetch(session: Session, client_id: str, at: int) -> None:
    """Note that the address was asked at that instant and gave nothing."""
    _TRIED.run(session, at, client_id)


def claim_key_fetch(session: Session, client_id: str, at: int, apart: int) -> bool:
    """Be the one who asks the address now, if nobody did within `apart` microseconds; False for everybody else."""
    # Within on either side: who looked at the clock first may come second.
    return bool(_CLAIM_FETCH.run(session, at, client_id, at - apart, at + apart).fetchall())


def find_system_token(session: Session, token_hash: str) -> SystemTokenFacts | None:
    """What is known now of the backend client's token with this digest and of its client; None if unknown."""
    rows = _SYSTEM_TOKEN.run(session, token_hash).fetchall()
    return SystemTokenFacts._make(rows[0]) if rows else None


def add_access_token(
    session: Session, token_hash: str, family_id: str, grant_version: int, scope: str, dpop_jkt: str | None,
    created_at: int, expires_at: int,
) -> None:  # fmt: skip
    """Keep an access token of a family that is in the database."""
    _ADD_ACCESS.run(session, token_hash, family_id, grant_version, scope, dpop_jkt, created_at, expires_at)


def add_refresh_token(
    session: Session, token_hash: str, family_id: str, created_at: int, expires_at: int, key_bound: bool
) -> None:  # fmt: skip
    """Keep a refresh token of a family that is in the database."""
    _ADD_REFRESH.run(session, token_hash, family_id, created_at, expires_at, key_bound)


def system_token(
    token_hash: str, client_id: str, scope: str, credentials_version: int, created_at: int, expires_at: int,
    dpop_jkt: str | None,
) -> Row:  # fmt: skip
    """The row of a token of a backend client that is in the database."""
    return Row(_ADD_SYSTEM, (token_hash, client_id, scope, credentials_version, created_at, expires_at, dpop_jkt))


def end_tokens(session: Session, family_id: str, at: int) -> None:
    """End the access tokens of a family that have not ended; none of them may be held by the session."""
    _END_TOKENS.run(session, at, family_id)


def _told(row: tuple[Any, ...]) -> tuple[TokenFacts, ToldFacts]:
    return TokenFacts._make(row[:_OF_TOKEN_ALONE]), ToldFacts._make(row[_OF_TOKEN_ALONE:])
