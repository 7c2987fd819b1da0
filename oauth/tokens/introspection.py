"""Introspection for registered resource servers, and for apps about their own access tokens (RFC 7662; SMART 2.2).

A resource server asks on each of its own requests, so this endpoint reads like the API: by hand-kept statements alone.
"""

from typing import Any

from sqlalchemy.orm import Session

from consent.policy import Access, access_for_grant
from oauth.callers import client_authentication
from oauth.errors import InvalidRequest
from oauth.models import AuthMethod
from oauth.requests import OAuthRequest
from oauth.tokens import token_rows
from oauth.tokens.token_problems import InvalidToken
from oauth.tokens.token_rows import ToldRow
from oauth.tokens.userinfo import fhir_user, new_subject
from service.settings import Settings

_METHODS = (AuthMethod.BASIC, AuthMethod.POST)


def tell(session: Session, request: OAuthRequest, settings: Settings) -> dict[str, Any]:
    """What is told about the token; raises InvalidRequest, InvalidClient or TooManyAttempts.

    Anything that is not a live access token, or not the caller's to ask about, is `{"active": false}` alone.
    Refresh tokens are inactive here for everybody: only the token endpoint judges them.
    """
    caller = client_authentication.authenticate(session, request, _METHODS)
    raw = request.form.get("token")
    if not raw:
        raise InvalidRequest()
    try:
        found = token_rows.check_to_tell(session, raw)
    except InvalidToken:
        return {"active": False}
    if not caller.may_introspect and found.row.facts.client_id != caller.id:
        return {"active": False}
    access = access_for_grant(found.row.facts)
    described = _describe(found, access, settings)
    if "openid" in access.scopes:
        described |= {"iss": settings.base_url, "sub": found.subject or new_subject(session, access)}
    return described


def _describe(found: ToldRow, access: Access, settings: Settings) -> dict[str, Any]:
    """What the token response said, as it stands now (SMART-47, SMART-74)."""
    token = found.row
    described: dict[str, Any] = {
        "active": True,
        "scope": str(access.scopes),
        "client_id": token.facts.client_id,
        "token_type": "Bearer" if token.dpop_jkt is None else "DPoP",
        "exp": int(token.expires_at.timestamp()),
        "iat": int(token.created_at.timestamp()),
        "patient": token.facts.patient_id,
        "need_patient_banner": found.need_patient_banner,
    }
    if token.dpop_jkt is not None:
        described["cnf"] = {"jkt": token.dpop_jkt}
    if "fhirUser" in access.scopes:
        described["fhirUser"] = fhir_user(access, settings.fhir_base)
    return described
