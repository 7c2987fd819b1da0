"""Introspection for registered resource servers, and for apps about their own tokens (RFC 7662; SMART 2.2).

A caller proves itself as at the token endpoint, or shows a token that was given out for this (SMART-76).
A resource server asks on each of its own requests, so this endpoint reads like the API: by hand-kept statements alone.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from consent.policy import Access, access_for_grant
from oauth.callers import client_authentication
from oauth.errors import InvalidRequest
from oauth.exchanges import standing
from oauth.models import AuthMethod
from oauth.requests import OAuthRequest
from oauth.statements import (
    CallerFacts,
    TokenFacts,
    ToldFacts,
    find_caller,
    find_caller_and_token,
    find_refresh_to_tell,
)
from oauth.tokens import protector, system_tokens, token_rows
from oauth.tokens.token_problems import InsufficientScope, InvalidToken
from oauth.tokens.token_rows import ToldRow
from oauth.tokens.userinfo import fhir_user, new_subject
from service.db import digest
from service.settings import Settings

_METHODS = (AuthMethod.BASIC, AuthMethod.POST, AuthMethod.PRIVATE_KEY)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and whether it may ask about the tokens of any app."""

    id: str
    may_introspect: bool
    client: CallerFacts | None = None
    """None for who shows a token."""

    def may_ask_about(self, client_id: str) -> bool:
        """Whether it may ask about a token of this app."""
        return self.may_introspect or client_id == self.id


def tell(session: Session, request: OAuthRequest, settings: Settings) -> dict[str, Any]:
    """What is told about the token; raises InvalidRequest, InvalidClient, TooManyAttempts, or a TokenProblem where the
    token of the caller is over or was not given out for this.

    Anything that is no live token, or not the caller's to ask about, is `{"active": false}` alone. A refresh token is
    told to its own app alone, and never to a resource server, which would take it for an access token (OA-55).
    """
    raw = request.form.get("token", "")
    beside = _BesideCaller(raw)
    caller = _caller(session, request, beside)
    if not raw:
        raise InvalidRequest()
    if system_tokens.is_one(raw):
        return _tell_of_system(session, caller, raw)
    try:
        found = beside.require() if beside.was_looked_for else token_rows.check_to_tell(session, raw)
    except InvalidToken:
        return _tell_of_refresh(session, caller, raw, settings)
    if not caller.may_ask_about(found.row.facts.client_id):
        return {"active": False}
    access = access_for_grant(found.row.facts)
    described = _describe(found, access, settings)
    if "openid" in access.scopes:
        described |= {"iss": settings.base_url, "sub": found.subject or new_subject(session, access)}
    return described


class _BesideCaller:
    """The token that is asked about, found by the very statement that finds an app with a secret."""

    def __init__(self, raw: str) -> None:
        self._raw = raw
        self._found: tuple[TokenFacts, ToldFacts] | None = None
        self.was_looked_for = False

    def look(self, session: Session, client_id: str, counter: str, at: int) -> CallerFacts | None:
        """Both, where the token may be an access token of a person's grant."""
        if not self._raw or system_tokens.is_one(self._raw):
            return find_caller(session, client_id, counter, at)
        self.was_looked_for = True
        caller, self._found = find_caller_and_token(session, client_id, counter, at, digest(self._raw))
        return caller

    def require(self) -> ToldRow:
        """The live token that was found; raises InvalidToken."""
        return token_rows.require_to_tell(self._found)


def _caller(session: Session, request: OAuthRequest, beside: _BesideCaller) -> Caller:
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    if scheme.lower() not in {"bearer", "dpop"}:
        client = client_authentication.authenticate(session, request, _METHODS, beside.look)
        return Caller(client.id, client.may_introspect, client)
    if "client_secret" in request.form or "client_assertion" in request.form:
        raise InvalidRequest()
    given = protector.presented()
    if not system_tokens.is_one(given.raw):
        # A person's consent lets nobody ask about the tokens of others; a live one learns what it lacks.
        token_rows.check(session, given.raw)
        raise InsufficientScope(system_tokens.INTROSPECT)
    row = system_tokens.check(session, given.raw)
    protector.require_possession(session, given, row.dpop_jkt)
    if not row.may_introspect:
        raise InsufficientScope(system_tokens.INTROSPECT)
    return Caller(row.facts.client_id, may_introspect=True)


def _tell_of_system(session: Session, caller: Caller, raw: str) -> dict[str, Any]:
    try:
        row = system_tokens.check(session, raw)
    except InvalidToken:
        return {"active": False}
    facts = row.facts
    if not caller.may_ask_about(facts.client_id):
        return {"active": False}
    return {
        "active": True,
        "scope": system_tokens.scopes_of(row),
        "client_id": facts.client_id,
        "exp": int(row.expires_at.timestamp()),
        "iat": int(row.created_at.timestamp()),
    } | _kind(row.dpop_jkt)


def _tell_of_refresh(session: Session, caller: Caller, raw: str, settings: Settings) -> dict[str, Any]:
    """What the app's own refresh token would get it now; asking spends nothing, and about a spent one ends nothing.

    Of a paused grant's nothing is told either: it works again one day, which is the token endpoint's own answer.
    """
    if caller.client is None or caller.may_introspect:
        return {"active": False}
    facts = find_refresh_to_tell(session, digest(raw))
    try:
        found = token_rows.require_refresh_to_tell(facts[0] if facts else None)
    except InvalidToken:
        return {"active": False}
    token, access = found.row, access_for_grant(found.row.facts)
    if facts is None or token.facts.client_id != caller.id:
        return {"active": False}
    agreed = facts[1]
    scopes = standing.as_agreed(access.scopes, offline=agreed.offline, duration=agreed.duration)
    if not standing.may_refresh(session, scopes, token.facts.account_id, agreed.login_session_id):
        return {"active": False}
    # No token_type: it is none of those that open the API.
    described: dict[str, Any] = {
        "active": True,
        "scope": str(scopes),
        "client_id": caller.id,
        "exp": int(token.expires_at.timestamp()),
        "iat": int(token.created_at.timestamp()),
        "patient": token.facts.patient_id,
        "need_patient_banner": found.need_patient_banner,
    }
    if token.dpop_jkt is not None:
        described["cnf"] = {"jkt": token.dpop_jkt}
    if "openid" in scopes:
        described |= {"iss": settings.base_url, "sub": found.subject or new_subject(session, access)}
    return described


def _describe(found: ToldRow, access: Access, settings: Settings) -> dict[str, Any]:
    """What the token response said, as it stands now (SMART-47, SMART-74)."""
    token = found.row
    described: dict[str, Any] = {
        "active": True,
        "scope": str(access.scopes),
        "client_id": token.facts.client_id,
        "exp": int(token.expires_at.timestamp()),
        "iat": int(token.created_at.timestamp()),
        "patient": token.facts.patient_id,
        "need_patient_banner": found.need_patient_banner,
    } | _kind(token.dpop_jkt)
    if "fhirUser" in access.scopes:
        described["fhirUser"] = fhir_user(access, settings.fhir_base)
    return described


def _kind(dpop_jkt: str | None) -> dict[str, Any]:
    """How a token is sent: alone, or with a proof of the key that it is bound to (RFC 9449 §6.2)."""
    return {"token_type": "Bearer"} if dpop_jkt is None else {"token_type": "DPoP", "cnf": {"jkt": dpop_jkt}}
