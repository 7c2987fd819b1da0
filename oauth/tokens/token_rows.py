"""Tokens: random, kept as digests, compared on every use with all that they hang from."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

import orjson
from sqlalchemy import CursorResult, bindparam, select, update
from sqlalchemy.orm import Session

from consent.models import Basis, GrantStatus, LinkScope
from consent.policy import GrantFacts
from consent.scopes import parse
from oauth.models import (
    AccessToken,
    AuthorizationCode,
    ClientStatus,
    FamilyEnd,
    RefreshToken,
    SystemToken,
    TokenFamily,
)
from oauth.statements import (
    TokenFacts,
    ToldFacts,
    add_access_token,
    add_refresh_token,
    end_tokens,
    find_token,
    find_token_to_tell,
)
from oauth.tokens.token_problems import InvalidToken
from service import revocations
from service.accounts.models import AccountStatus
from service.clock import now, now_in_microseconds
from service.db import digest, from_microseconds, microseconds

ACCESS_LIFE = timedelta(hours=1)
REFRESH_IDLE_LIFE = timedelta(days=90)
CODE_LIFE = timedelta(seconds=60)
CLOCK_SKEW = timedelta(seconds=60)
"""How far the clocks of two workers may lie apart; what was made later than that is refused (a clock set back)."""
_REFRESH_TOKEN = (
    select(RefreshToken, TokenFamily)
    .join(TokenFamily, TokenFamily.id == RefreshToken.family_id)
    .where(RefreshToken.hash == bindparam("hash"))
)
_SKEW = CLOCK_SKEW // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A live access token: what the policy needs of it, and what introspection tells."""

    facts: GrantFacts
    family_id: str
    scope: str
    dpop_jkt: str | None
    created_at: datetime
    expires_at: datetime


def new_secret() -> str:
    """A fresh secret of 256 random bits, as text for URLs."""
    return secrets.token_urlsafe(32)


def check(session: Session, raw_access_token: str) -> TokenRow:
    """The live token; raises InvalidToken when it, or anything it hangs from, does not stand at this moment.

    Nothing is cached: what was revoked a moment ago is refused now, on every worker.
    """
    return _require_not_wider(_require_standing(find_token(session, digest(raw_access_token))))


@dataclass(frozen=True, slots=True)
class ToldRow:
    """The same with what only introspection and UserInfo tell."""

    row: TokenRow
    subject: str | None
    """The `sub` of its person where one is made already."""
    need_patient_banner: bool


def check_to_tell(session: Session, raw_access_token: str) -> ToldRow:
    """The live token and what is told of it; raises InvalidToken."""
    return require_to_tell(find_token_to_tell(session, digest(raw_access_token)))


def require_to_tell(found: tuple[TokenFacts, ToldFacts] | None) -> ToldRow:
    """The same of what a statement found just now; raises InvalidToken."""
    told = require_refresh_to_tell(found)
    _require_not_wider(told.row)
    return told


def require_refresh_to_tell(found: tuple[TokenFacts, ToldFacts] | None) -> ToldRow:
    """The same of a refresh token, which lives on with what its app may still ask for; raises InvalidToken."""
    if found is None:
        raise InvalidToken
    facts, told = found
    return ToldRow(_require_standing(facts), told.subject, bool(told.need_patient_banner))


def _require_standing(found: TokenFacts | None) -> TokenRow:
    at = now_in_microseconds()
    if found is None or not stands(found, at):
        raise InvalidToken
    return _row(found, found.link_narrows_at is not None and found.link_narrows_at <= at)


def _require_not_wider(row: TokenRow) -> TokenRow:
    if is_wider(row.scope, row.facts.client_scopes):
        raise InvalidToken
    return row


@lru_cache(maxsize=4096)
def _row(found: TokenFacts, narrowed: bool) -> TokenRow:
    # The same facts always make the same row: only the making of it is spared, the facts were read just now.
    return TokenRow(
        facts=GrantFacts(
            grant_id=found.grant_id,
            account_id=found.account_id,
            client_id=found.client_id,
            member_id=found.member_id,
            patient_id=found.patient_id,
            token_scopes=found.scope,
            grant_scopes=found.grant_scopes,
            client_scopes=found.client_scopes,
            sensitive_classes=frozenset(orjson.loads(found.sensitive_classes)),
            link_id=found.link_id,
            link_scope=LinkScope(found.link_scope).narrowed if narrowed and found.link_scope else found.link_scope,
            related_person_id=found.related_person_id,
            person_id=found.person_id,
        ),
        family_id=found.family_id,
        scope=found.scope,
        dpop_jkt=found.dpop_jkt,
        created_at=from_microseconds(found.created_at),
        expires_at=from_microseconds(min(found.expires_at, found.grant_expires_at)),
    )


@lru_cache(maxsize=4096)
def is_wider(scope: str, client_scopes: str) -> bool:
    """Whether a token was given more than its app may ask for now: what was taken from the app ended it.

    Both are read in one statement, so that it ends with the transaction in which they were taken (case 54).
    """
    return not parse(scope).within(parse(client_scopes))


def stands(found: TokenFacts, at: int) -> bool:
    """Whether the token and each thing it hangs from stand at the instant `at` (microseconds)."""
    return (
        found.created_at <= at + _SKEW
        and at < found.expires_at
        and found.ended_at is None
        and found.family_ended_at is None
        and found.grant_version == found.grant_current_version
        and found.grant_status == GrantStatus.ACTIVE
        and found.grant_ended_at is None
        and at < found.grant_expires_at
        and found.account_status == AccountStatus.ACTIVE
        and found.client_status == ClientStatus.APPROVED
        and _right_stands(found, at)
    )


def end_family(session: Session, family_id: str, reason: FamilyEnd) -> bool:
    """End a family: every token of it is refused from the next use on. False when it had ended before."""
    statement = (
        update(TokenFamily)
        .where(TokenFamily.id == family_id, TokenFamily.ended_at.is_(None))
        .values(ended_at=now(), end_reason=reason)
    )
    revocations.note(session, "token_family", family_id)
    return cast(CursorResult[Any], session.execute(statement)).rowcount == 1


def end_access_tokens(session: Session, family_id: str) -> None:
    """End the access tokens of a family that are still alive, so that a refresh leaves exactly one (case 47)."""
    end_tokens(session, family_id, microseconds(now()))


def end_access_token(token: AccessToken | SystemToken) -> None:
    """End this one token."""
    token.ended_at = token.ended_at or now()


def found_family(session: Session, code: AuthorizationCode, family_id: str) -> TokenFamily:
    """The new family that grows from the exchange of `code`."""
    family = TokenFamily(
        id=family_id, grant_id=code.grant_id, client_id=code.client_id, scope=code.scope, nonce=code.nonce,
        need_patient_banner=code.need_patient_banner, login_session_id=code.login_session_id,
        authenticated_at=code.authenticated_at, amr=code.amr, created_at=now(),
    )  # fmt: skip
    session.add(family)
    session.flush()
    return family


def keep_access_token(
    session: Session, raw: str, *, family: TokenFamily, grant_version: int, scope: str, life: timedelta,
    dpop_jkt: str | None,
) -> None:  # fmt: skip
    """Keep the digest of a new access token; `dpop_jkt` names the key it is bound to."""
    at = now()
    add_access_token(
        session, digest(raw), family.id, grant_version, scope, dpop_jkt, microseconds(at), microseconds(at + life)
    )  # fmt: skip


def keep_refresh_token(session: Session, raw: str, *, family: TokenFamily) -> None:
    """Keep the digest of a new refresh token: 90 days without use end it; the grant's end is absolute."""
    at = now()
    over = microseconds(at + REFRESH_IDLE_LIFE)
    add_refresh_token(session, digest(raw), family.id, microseconds(at), over, family.dpop_jkt is not None)


def bind(family: TokenFamily, thumbprint: str) -> None:
    """From here on only who has this key refreshes."""
    if family.dpop_jkt is None:
        family.dpop_bound_at = now()
    family.dpop_jkt = thumbprint


def needs_key(token: RefreshToken, family: TokenFamily) -> bool:
    """Whether the token was given to who had proven the family's key: one of before its binding was anybody's."""
    if family.dpop_jkt is None or token.key_bound is not None:
        return family.dpop_jkt is not None and token.key_bound is True
    # An older release did not say so. One token of a family is unspent, the last; all of before the binding are spent.
    return token.spent_at is None or family.dpop_bound_at is None or token.created_at >= family.dpop_bound_at


def find_access_token(session: Session, raw: str) -> tuple[AccessToken, TokenFamily] | None:
    """An access token and its family by the raw token, alive or not."""
    token = session.get(AccessToken, digest(raw))
    return (token, session.get_one(TokenFamily, token.family_id)) if token else None


def find_refresh_token(session: Session, raw: str) -> tuple[RefreshToken, TokenFamily] | None:
    """A refresh token and its family by the raw token, alive or not."""
    found = session.execute(_REFRESH_TOKEN, {"hash": digest(raw)}).one_or_none()
    return (found[0], found[1]) if found else None


def refreshes(token: RefreshToken, family: TokenFamily) -> bool:
    """Whether the token is unspent and in time, and its family lives; what its grant hangs from is asked apart."""
    in_time = token.created_at - CLOCK_SKEW <= now() < token.expires_at
    return token.spent_at is None and in_time and family.ended_at is None


def _right_stands(found: TokenFacts, at: int) -> bool:
    """Whether the account may still act for the member: as the member, or by the link as it was when agreed."""
    if found.link_id is None:
        return found.account_member_id == found.member_id
    return (
        found.representative_account_id == found.account_id
        and found.link_version == found.grant_link_version
        and found.link_ended_at is None
        and not found.link_safety_block
        and (found.member_deceased_on is None) is (found.link_basis != Basis.EXECUTOR)
        and found.link_valid_from is not None
        and found.link_valid_from <= at
        and (found.link_valid_until is None or at < found.link_valid_until)
    )
