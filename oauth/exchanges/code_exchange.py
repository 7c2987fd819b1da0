"""The authorization code grant on Authlib: made when a member says yes, exchanged once within 60 seconds.

Authlib calls, in this order: validate_token_request (client, code, redirect address, then PKCE), create_token_response
(authenticate_user, generate_token, save_token, then the ID token). The latter runs in a SAVEPOINT: code spent and
tokens kept, or neither, although Authlib returns its errors instead of raising them.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import grants

from oauth.apps import redirects
from oauth.errors import InvalidGrant, InvalidRequest, UntrustedClient, UntrustedRedirect
from oauth.exchanges import standing, theft
from oauth.exchanges.standing import Recipient, Standing
from oauth.models import AuthMethod, AuthorizationCode, ClientStatus, FamilyEnd, PendingAuthorization
from oauth.requests import OAuthRequest
from oauth.statements import CallerFacts
from oauth.tokens import token_rows
from oauth.trials.checks import Check, because, failed
from service import audit, web
from service.accounts.models import LoginSession
from service.clock import now
from service.db import digest, new_id
from service.single_use import spend

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Approval:
    """Who said yes: the standing grant, the login session in which it was said, and the scopes that it was about."""

    standing: Standing
    login_session: LoginSession
    asked: str


class SpentAlready(Exception):
    """Another request spent this code or refresh token first."""


class CodeExchange(grants.AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib ships no types
    """RFC 6749 §4.1 with one-time codes, families, and the checks that SMART adds."""

    TOKEN_ENDPOINT_AUTH_METHODS = [method.value for method in AuthMethod]
    request: OAuthRequest

    def validate_authorization_request(self) -> str:
        """The address of the kept request, if its app may still connect and still returns there."""
        pending = _pending(self.request)
        if pending.client.status is not ClientStatus.APPROVED:
            raise UntrustedClient
        if not redirects.matches(pending.client.redirect_uris, pending.redirect_uri):
            raise UntrustedRedirect
        return pending.redirect_uri

    def create_authorization_response(self, redirect_uri: str, grant_user: "Approval") -> tuple[int, str, Headers]:
        """The answer to the app: code, state and `iss` (RFC 9207) added to its address, whose own bytes stay."""
        raw = token_rows.new_secret()
        pending, found, at = _pending(self.request), grant_user.standing, now()
        web.db_session().add(
            AuthorizationCode(
                hash=digest(raw), client_id=pending.client_id, grant_id=found.grant.id,
                grant_version=found.grant.version, account_id=found.account.id,
                credentials_version=found.account.credentials_version, redirect_uri=redirect_uri,
                scope=grant_user.asked, nonce=pending.nonce,
                code_challenge=pending.code_challenge, dpop_jkt=pending.dpop_jkt,
                need_patient_banner=pending.need_patient_banner, login_session_id=grant_user.login_session.id,
                authenticated_at=grant_user.login_session.authenticated_at, amr=grant_user.login_session.amr,
                created_at=at, expires_at=at + token_rows.CODE_LIFE,
            )
        )  # fmt: skip
        location = redirects.with_parameters(redirect_uri, code=raw, state=pending.state, iss=web.settings().base_url)
        return 303, "", [("Location", location)]

    def query_authorization_code(self, code: str, client: CallerFacts) -> AuthorizationCode | None:
        """The code, if it is this app's and unspent. A spent one ends its family, whoever stole it (OA-22)."""
        session = web.db_session()
        found = session.get(AuthorizationCode, digest(code))
        if found is None:
            failed(Check.CODE_UNKNOWN)
            return None
        if found.client_id != client.id:
            _report_foreign(found, client)
            failed(Check.CODE_FOREIGN)
            return None
        if found.spent_at is not None:
            _report_replay(found)
            failed(Check.CODE_SPENT)
            return None
        if found.dpop_jkt not in {None, self.request.dpop_jkt}:
            failed(Check.KEY)
            return None
        if not _in_time(found):
            failed(Check.CODE_LATE)
            return None
        if self.request.payload.redirect_uri != found.redirect_uri:
            # Authlib compares them next, and says only that the grant is not valid.
            failed(Check.REDIRECT_DIFFERS)
        return found

    def authenticate_user(self, authorization_code: AuthorizationCode) -> Recipient:
        """Spend the code and found the family; raises InvalidGrant when anything it hangs from fell meanwhile."""
        session = web.db_session()
        family_id = new_id()
        mine = AuthorizationCode.hash == authorization_code.hash
        if not spend(session, AuthorizationCode, mine, family_id=family_id):
            raise SpentAlready
        found = standing.find(session, authorization_code.grant_id, self.request.client)
        if found is None or not _agrees(found, authorization_code):
            raise because(Check.GRANT, InvalidGrant())
        scopes = found.scopes(authorization_code.scope)
        if not scopes:
            raise because(Check.SCOPE, InvalidGrant())
        family = token_rows.found_family(session, authorization_code, family_id)
        return Recipient(found, family, scopes, first=True)

    def create_token_response(self) -> Any:
        """Spend and issue together, or nothing; the loser of a race reports a replay."""
        session = web.db_session()
        code: AuthorizationCode = self.request.authorization_code
        try:
            with session.begin_nested():
                return super().create_token_response()
        except SpentAlready:
            session.refresh(code)
            _report_replay(code)
            raise InvalidGrant() from None

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """Spent codes are kept, so that a second use is known as one."""


class S256:
    """PKCE for every client, S256 only (RFC 7636; SMART-18): an extension of CodeExchange."""

    def __call__(self, grant: CodeExchange) -> None:
        grant.register_hook("after_validate_token_request", self.require_verifier)

    def require_verifier(self, grant: CodeExchange, _result: None) -> None:
        """Raise unless the verifier has the challenge of the code. `fullmatch`: `$` lets a trailing newline pass."""
        verifier = grant.request.form.get("code_verifier")
        if not verifier:
            raise because(Check.VERIFIER_MISSING, InvalidRequest())
        code: AuthorizationCode = grant.request.authorization_code
        if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(challenge_of(verifier), code.code_challenge):
            raise because(Check.VERIFIER, InvalidGrant())


def challenge_of(verifier: str) -> str:
    """BASE64URL(SHA256(verifier)) (RFC 7636 §4.6)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _pending(request: OAuthRequest) -> PendingAuthorization:
    assert request.pending is not None, "an authorization is answered from its kept request only"
    return request.pending


def _in_time(code: AuthorizationCode) -> bool:
    at = now()
    if code.created_at - token_rows.CLOCK_SKEW <= at < code.expires_at:
        return True
    # Spent for good, so that a clock set back afterwards revives nothing (case 26).
    code.spent_at = at
    return False


def _agrees(found: Standing, code: AuthorizationCode) -> bool:
    """Whether nothing about the grant and the login changed since the code was made (case 27)."""
    return (
        found.grant.version == code.grant_version
        and found.account.id == code.account_id
        and found.account.credentials_version == code.credentials_version
    )


def _report_replay(code: AuthorizationCode) -> None:
    if code.family_id is not None:
        theft.report(
            web.db_session(), code.family_id, FamilyEnd.CODE_REPLAYED, client_id=code.client_id, grant_id=code.grant_id
        )


def _report_foreign(code: AuthorizationCode, client: CallerFacts) -> None:
    audit.record(
        web.db_session(), "oauth:authorization_code:foreign", outcome=audit.Outcome.REFUSED, client_id=client.id,
        grant_id=code.grant_id, detail={"issued_to": code.client_id},
    )  # fmt: skip
