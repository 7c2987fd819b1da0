"""The refresh grant on Authlib: every refresh token works once, for every app; a second use ends the family.

There is no grace period: a reply lost on the way ends the family too when the app repeats (RFC 9700 §4.14.2).
"""

from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import grants

from consent.scopes import ScopeSet, parse
from oauth.errors import InvalidGrant, InvalidScope
from oauth.exchanges import standing, theft
from oauth.exchanges.code_exchange import SpentAlready
from oauth.exchanges.standing import Recipient
from oauth.models import AuthMethod, FamilyEnd, RefreshToken, TokenFamily
from oauth.requests import OAuthRequest
from oauth.statements import CallerFacts
from oauth.tokens import token_rows
from oauth.trials.checks import Check, because, failed
from service import audit, web
from service.single_use import spend


@dataclass(frozen=True, slots=True)
class Presented:
    """A refresh token that came, with its family: Authlib's "credential" on this path."""

    token: RefreshToken
    family: TokenFamily

    def check_client(self, client: CallerFacts) -> bool:
        """Whether it was issued to this app."""
        return self.family.client_id == client.id

    def get_scope(self) -> str:
        """What the family was asked for; what of it may be given is computed anew at each refresh."""
        return self.family.scope


class RefreshExchange(grants.RefreshTokenGrant):  # type: ignore[misc]  # Authlib ships no types
    """RFC 6749 §6 with rotation and reuse detection."""

    TOKEN_ENDPOINT_AUTH_METHODS = [method.value for method in AuthMethod]
    INCLUDE_NEW_REFRESH_TOKEN = True
    request: OAuthRequest

    def authenticate_refresh_token(self, refresh_token: str) -> Presented | None:
        """The token, if it is this app's, unspent and in time, and its family lives."""
        found = token_rows.find_refresh_token(web.db_session(), refresh_token)
        if found is None:
            failed(Check.REFRESH_UNKNOWN)
            return None
        presented = Presented(*found)
        client: CallerFacts = self.request.client
        if not presented.check_client(client):
            _report_foreign(presented, client)
            failed(Check.REFRESH_FOREIGN)
            return None
        bound = token_rows.needs_key(presented.token, presented.family)
        if bound and presented.family.dpop_jkt != self.request.dpop_jkt:
            # Without the key nobody can use it, nor end the family by showing a spent one.
            failed(Check.KEY)
            return None
        if presented.token.spent_at is not None:
            _report_reuse(presented.family)
            failed(Check.REFRESH_SPENT)
            return None
        if not token_rows.refreshes(presented.token, presented.family):
            failed(Check.REFRESH_OVER)
            return None
        return presented

    def _validate_token_scope(self, token: Presented) -> None:
        """A wider ask is invalid_scope. Compared by meaning, so that `.r` is within `.rs` (Authlib compares words)."""
        asked = self.request.payload.scope
        if asked and not _readable(asked).within(parse(token.get_scope())):
            raise because(Check.REFRESH_SCOPE, InvalidScope())

    def authenticate_user(self, refresh_token: Presented) -> Recipient:
        """Spend the token and end the family's access tokens; raises InvalidGrant when the grant no longer stands."""
        session = web.db_session()
        if not spend(session, RefreshToken, RefreshToken.hash == refresh_token.token.hash):
            raise SpentAlready
        found = standing.find(session, refresh_token.family.grant_id, self.request.client)
        if found is None or not found.may_return(session, refresh_token.family):
            raise because(Check.GRANT, InvalidGrant())
        scopes = found.scopes(refresh_token.get_scope())
        if self.request.payload.scope:
            scopes = parse(self.request.payload.scope).meet(scopes)
        if not scopes:
            raise because(Check.REFRESH_SCOPE, InvalidScope())
        token_rows.end_access_tokens(session, refresh_token.family.id)
        return Recipient(found, refresh_token.family, scopes, first=False)

    def create_token_response(self) -> Any:
        """Spend and issue together, or nothing; the loser of a race reports a reuse."""
        session = web.db_session()
        presented: Presented = self.request.refresh_token
        try:
            with session.begin_nested():
                return super().create_token_response()
        except SpentAlready:
            _report_reuse(presented.family)
            raise InvalidGrant() from None

    def revoke_old_credential(self, refresh_token: Presented) -> None:
        """The old token was spent before the new one was made."""


def _readable(asked: str) -> ScopeSet:
    # Every word asked must be understood: an unknown one is more than was granted.
    parsed = parse(asked)
    if len(parsed.words) + len(parsed.resources) < len(set(asked.split())):
        raise InvalidScope()
    return parsed


def _report_reuse(family: TokenFamily) -> None:
    theft.report(
        web.db_session(), family.id, FamilyEnd.REFRESH_REUSED, client_id=family.client_id, grant_id=family.grant_id
    )


def _report_foreign(presented: Presented, client: CallerFacts) -> None:
    audit.record(
        web.db_session(), "oauth:refresh_token:foreign", outcome=audit.Outcome.REFUSED, client_id=client.id,
        grant_id=presented.family.grant_id, detail={"issued_to": presented.family.client_id},
    )  # fmt: skip
