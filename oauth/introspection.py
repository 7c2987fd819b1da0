"""Introspection for registered resource servers, and for apps about their own access tokens (RFC 7662; SMART 2.2)."""

from typing import Any

from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from consent import grants
from consent.policy import access_for_grant
from oauth import tokens
from oauth.errors import InvalidRequest
from oauth.models import AuthMethod, Client
from oauth.requests import OAuthRequest
from oauth.token_problems import InvalidToken
from oauth.tokens import TokenRow
from oauth.userinfo import fhir_user
from service import web


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # Authlib ships no types
    """Anything that is not a live access token, or not the caller's to ask about, is `{"active": false}` alone.

    Refresh tokens are inactive here for everybody: only the token endpoint judges them.
    """

    CLIENT_AUTH_METHODS = [AuthMethod.BASIC.value, AuthMethod.POST.value]

    def authenticate_token(self, request: OAuthRequest, client: Client) -> TokenRow | None:
        """The live token, if the caller may know."""
        raw = request.form.get("token")
        if not raw:
            raise InvalidRequest()
        try:
            row = tokens.check(web.db_session(), raw)
        except InvalidToken:
            return None
        return row if client.may_introspect or row.facts.client_id == client.id else None

    def create_introspection_payload(self, token: TokenRow | None) -> dict[str, Any]:
        """What the token response said, as it stands now (SMART-47, SMART-74)."""
        if token is None:
            return {"active": False}
        settings, access = web.settings(), access_for_grant(token.facts)
        payload: dict[str, Any] = {
            "active": True,
            "scope": str(access.scopes),
            "client_id": token.facts.client_id,
            "token_type": "Bearer",
            "exp": int(token.expires_at.timestamp()),
            "iat": int(token.created_at.timestamp()),
            "patient": token.facts.patient_id,
            "need_patient_banner": True,
        }
        if "openid" in access.scopes:
            subject = grants.subject_for(web.db_session(), token.facts.account_id, token.facts.member_id)
            payload |= {"iss": settings.base_url, "sub": subject}
        if "fhirUser" in access.scopes:
            payload["fhirUser"] = fhir_user(access, settings.fhir_base)
        return payload
