"""The client credentials grant on Authlib, for backend clients (SMART 2.2, backend services).

There is no person and so no consent: what the program may reach was agreed with the plan when it was registered.
It reads by hand-kept statements alone, and writes once: the claim of the assertion, the token and its audit row stand
or fall together.
"""

from functools import lru_cache
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import grants

from consent.policy import SYSTEM_TYPES, backend_scopes
from consent.scopes import REMEMBERED, parse
from oauth.callers import client_authentication
from oauth.callers.client_authentication import Caller
from oauth.errors import InvalidScope
from oauth.models import AuthMethod
from oauth.requests import OAuthRequest
from oauth.statements import CallerFacts
from oauth.tokens import system_tokens
from service import audit, web


class ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]  # Authlib ships no types
    """RFC 6749 §4.4, with every scope named. Who has no right to it learns so, however it proved itself."""

    TOKEN_ENDPOINT_AUTH_METHODS = [method.value for method in AuthMethod]
    request: OAuthRequest
    _caller: Caller | None = None
    _scope = ""

    def authenticate_token_endpoint_client(self) -> CallerFacts:
        """The calling program; its assertion is used up by the answer, whichever that is."""
        session = web.reading_session()
        self._caller = client_authentication.examine(session, self.request, self.TOKEN_ENDPOINT_AUTH_METHODS)
        client_authentication.require_within_limit(self._caller.facts)
        client_authentication.prove_possession(session, self.request, self._caller.facts)
        return self._caller.facts

    def validate_token_request(self) -> None:
        """Raise the OAuth error of what gets no token; InvalidClient first where an assertion was used before."""
        try:
            super().validate_token_request()
        except OAuth2Error:
            if self._caller is not None:
                client_authentication.spend(web.reading_session(), self._caller)
            raise

    def validate_requested_scope(self) -> None:
        """Raise InvalidScope unless something of every scope that is asked may be given (SMART-69, SMART-73).

        One of a type that is not served is left out beside others: bulk clients name every type that they know.
        """
        asked, client = self.request.payload.scope or "", self.request.client
        self._scope = _given(asked, client)
        if not self._scope or not all(_given(word, client) or _is_unserved(word) for word in asked.split()):
            raise InvalidScope()

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """The token: no refresh token, since the program can ask again by itself."""
        assert self._caller is not None, "Authlib asks who calls first"
        client = self._caller.facts
        key = self.request.dpop_jkt
        raw, token = system_tokens.make(
            client.id, self._scope, credentials_version=client.credentials_version, dpop_jkt=key
        )
        event = audit.row("oauth:token:issue", client_id=client.id, detail={"grant_type": self.GRANT_TYPE})
        with audit.written_together():
            client_authentication.spend(web.reading_session(), self._caller, (token, event))
        life = int(system_tokens.LIFE.total_seconds())
        kind = "Bearer" if key is None else "DPoP"
        answer = {"access_token": raw, "token_type": kind, "expires_in": life, "scope": self._scope}
        return 200, answer, self.TOKEN_RESPONSE_HEADER


def _given(asked: str, client: CallerFacts) -> str:
    """What of `asked` the client gets, `system/` scopes alone: a wildcard is narrowed to what is registered for it."""
    # A program asks for the same each time. What is asked at length is worked out and not remembered.
    made = _agreed if len(asked) <= REMEMBERED else _agreed.__wrapped__
    return made(asked, client.scopes, client.provider_organization_id, client.may_introspect)


@lru_cache(maxsize=REMEMBERED)
def _agreed(asked: str, allowed: str, organization_id: str | None, may_introspect: bool) -> str:
    may_introspect = may_introspect and system_tokens.INTROSPECT in asked.split()
    of_system = str(backend_scopes(asked, allowed, organization_id))
    return " ".join(filter(None, (system_tokens.INTROSPECT if may_introspect else "", of_system)))


def _is_unserved(word: str) -> bool:
    of_system = parse(word).limited_to_contexts({"system"})
    return bool(of_system) and not of_system.limited_to_types(SYSTEM_TYPES, SYSTEM_TYPES)
