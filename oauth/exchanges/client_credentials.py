"""The client credentials grant on Authlib, for backend clients (SMART 2.2, backend services).

There is no person and so no consent: what the program may reach was agreed with the plan when it was registered.
"""

from typing import Any

from authlib.oauth2.rfc6749 import grants

from consent.policy import backend_scopes
from consent.scopes import parse
from oauth.errors import InvalidScope
from oauth.models import AuthMethod, Client
from oauth.requests import OAuthRequest
from oauth.tokens import system_tokens
from service import audit, web


class ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]  # Authlib ships no types
    """RFC 6749 §4.4, with every scope named. Who has no right to it learns so, however it proved itself."""

    TOKEN_ENDPOINT_AUTH_METHODS = [method.value for method in AuthMethod]
    request: OAuthRequest

    def validate_requested_scope(self) -> None:
        """Raise InvalidScope unless something of every scope that is asked may be given (SMART-69, SMART-73)."""
        asked, client = (self.request.payload.scope or "").split(), self.request.client
        if not asked or not all(_given(word, client) for word in asked):
            raise InvalidScope()

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """The token: no refresh token, since the program can ask again by itself."""
        client: Client = self.request.client
        scope, session = _given(self.request.payload.scope, client), web.db_session()
        raw = system_tokens.issue(session, client.id, scope, credentials_version=self.request.credentials_version)
        audit.record(session, "oauth:token:issue", client_id=client.id, detail={"grant_type": self.GRANT_TYPE})
        life = int(system_tokens.LIFE.total_seconds())
        token = {"access_token": raw, "token_type": "Bearer", "expires_in": life, "scope": scope}
        return 200, token, self.TOKEN_RESPONSE_HEADER


def _given(asked: str, client: Client) -> str:
    """What of `asked` the client gets: a wildcard is narrowed to what is registered for it."""
    if any(scope.context != "system" for scope in parse(asked).resources):
        return ""
    may_introspect = client.may_introspect and system_tokens.INTROSPECT in asked.split()
    of_system = str(backend_scopes(asked, client.scopes, client.provider_organization_id))
    return " ".join(filter(None, (system_tokens.INTROSPECT if may_introspect else "", of_system)))
