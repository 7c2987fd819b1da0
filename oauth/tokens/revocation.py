"""Revocation by the app itself (RFC 7009): silent about what it found, whatever the hint says."""

from dataclasses import dataclass

from authlib.oauth2.rfc7009 import RevocationEndpoint

from oauth.errors import InvalidRequest
from oauth.models import AccessToken, AuthMethod, FamilyEnd, RefreshToken, SystemToken, TokenFamily
from oauth.requests import OAuthRequest
from oauth.statements import CallerFacts
from oauth.tokens import system_tokens, token_rows
from service import audit, web


@dataclass(frozen=True, slots=True)
class Found:
    """A token and its family; a backend client's has none."""

    token: AccessToken | RefreshToken | SystemToken
    family: TokenFamily | None


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib ships no types
    """A refresh token ends its family, an access token only itself (OA-53)."""

    CLIENT_AUTH_METHODS = [method.value for method in AuthMethod]

    def authenticate_token(self, request: OAuthRequest, client: CallerFacts) -> Found | None:
        """The app's own token of either kind; another app's is treated like an unknown one (OA-52)."""
        raw = request.form.get("token")
        if not raw:
            raise InvalidRequest()
        session = web.db_session()
        if system_tokens.is_one(raw):
            of_system = system_tokens.find(session, raw)
            return Found(of_system, None) if of_system and of_system.client_id == client.id else None
        found = token_rows.find_refresh_token(session, raw) or token_rows.find_access_token(session, raw)
        return Found(*found) if found and found[1].client_id == client.id else None

    def revoke_token(self, token: Found, request: OAuthRequest) -> None:
        """End it."""
        session, family = web.db_session(), token.family
        if isinstance(token.token, RefreshToken):
            token_rows.end_family(session, token.token.family_id, FamilyEnd.REVOKED_BY_APP)
        else:
            token_rows.end_access_token(token.token)
        detail = {"kind": token.token.__tablename__} | ({"family": family.id} if family else {})
        audit.record(
            session, "oauth:token:revoke", client_id=request.client.id, grant_id=family.grant_id if family else None,
            detail=detail,
        )  # fmt: skip
