"""Why a request with (or without) an access token is refused at the API: RFC 6750 §3 and RFC 9449 §7, one class each.

The API renders them in its own format (FHIR: OperationOutcome) with `status` and `challenge`.
"""

import re

from oauth.tokens import dpop

REALM = "fhir"
_UNSAFE = re.compile(r"[^\x21\x23-\x5b\x5d-\x7e ]")


class TokenProblem(Exception):
    """A request that its token does not carry. `code` is the OAuth error, None when no token came at all."""

    status = 401
    scheme = "Bearer"
    code: str | None = "invalid_token"
    sentence = "The access token is not valid."

    def __init__(self, scope: str | None = None) -> None:
        super().__init__(self.code or "no token")
        self.scope = scope

    def challenge(self, authorization: str = "") -> str:
        """The WWW-Authenticate header, in the scheme of the Authorization header that came."""
        scheme = "DPoP" if authorization[:5].lower() == "dpop " else self.scheme
        parts = [f'{scheme} realm="{REALM}"']
        if self.code:
            parts += [f'error="{self.code}"', f'error_description="{self.sentence}"']
        if self.scope:
            safe = _UNSAFE.sub("", self.scope)
            parts.append(f'scope="{safe}"')
        if scheme == "DPoP":
            parts.append(f'algs="{" ".join(dpop.ALGORITHMS)}"')
        return ", ".join(parts)


class MissingToken(TokenProblem):
    """No token came. The challenge names no error (RFC 6750 §3.1)."""

    code = None
    sentence = "An access token is needed."


class TokenInQuery(TokenProblem):
    """A token in the URL is refused unread: URLs end up in logs and histories (RFC 9700 §4.3.2).

    401 with `invalid_token`: as sent it is invalid, and `invalid_request` goes with 400 (RFC 6750 §3.1).
    """

    sentence = "Send the access token in the Authorization header only."


class InvalidToken(TokenProblem):
    """The token is unknown, over, ended, or something it hangs from no longer stands; all look the same."""


class BoundToken(InvalidToken):
    """A token bound to a key came as a bearer token, or a bearer token as a bound one."""

    scheme = "DPoP"


class InvalidProof(TokenProblem):
    """The DPoP proof is missing, malformed, not for this request and token, too old, or used before."""

    scheme = "DPoP"
    code = "invalid_dpop_proof"
    sentence = "The DPoP proof is not valid for this request."


class InsufficientScope(TokenProblem):
    """The token is good, but does not reach this. `scope` names what would."""

    status = 403
    code = "insufficient_scope"
    sentence = "The access token does not cover this request."
