"""Revocation by the app itself (RFC 7009): silent about what it found, whatever the hint says."""

from dataclasses import dataclass

from authlib.oauth2.rfc7009 import RevocationEndpoint

from oauth.errors import InvalidRequest
from oauth.models import AccessToken, AuthMethod, Client, FamilyEnd, RefreshToken, TokenFamily
from oauth.requests import OAuthRequest
from oauth.tokens import token_rows
from service import audit, web


@dataclass(frozen=True, slots=True)
class Found:
    """A token and its family."""

    token: AccessToken | RefreshToken
    family: TokenFamily


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib ships no types
    """A refresh token ends its family, an access token only itself (OA-53)."""

    CLIENT_AUTH_METHODS = [method.value for method in AuthMethod]

    def authenticate_token(self, request: OAuthRequest, client: Client) -> Found | None:
        """The app's own token of either kind; another app's is treated like an unknown one (OA-52)."""
        raw = request.form.get("token")
        if not raw:
            raise InvalidRequest()
        session = web.db_session()
        found = token_rows.find_refresh_token(session, raw) or token_rows.find_access_token(session, raw)
        return Found(*found) if found and found[1].client_id == client.id else None

    def revoke_token(self, token: Found, request: OAuthRequest) -> None:
        """End it."""
        session = web.db_session()
        if isinstance(token.token, RefreshToken):
            token_rows.end_family(session, token.family.id, FamilyEnd.REVOKED_BY_APP)
        else:
            token_rows.end_access_token(session, token.token)
        audit.record(
            session, "oauth:token:revoke", client_id=token.family.client_id, grant_id=token.family.grant_id,
            detail={"family": token.family.id, "kind": token.token.__tablename__},
        )  # fmt: skip
