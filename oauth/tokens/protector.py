"""What a request to the API may see: its bearer token, checked, turned into an Access. The one door for apps."""

from flask.globals import request_ctx
from sqlalchemy.orm import Session

from consent.policy import Access, access_for_backend, access_for_grant
from oauth.tokens import system_tokens, token_rows
from oauth.tokens.token_problems import InsufficientScope, InvalidToken, MissingToken, TokenInQuery, TokenProblem

__all__ = [
    "Access", "InsufficientScope", "InvalidToken", "MissingToken", "TokenInQuery", "TokenProblem", "access_for_request",
]  # fmt: skip
_MAX_TOKEN = 512


def access_for_request(session: Session) -> Access:
    """The Access of the current request; raises a TokenProblem (401) without a live token in the right place."""
    raw = bearer_token()
    if system_tokens.is_one(raw):
        return access_for_backend(session, system_tokens.check(session, raw).facts)
    return access_for_grant(token_rows.check(session, raw).facts)


def bearer_token() -> str:
    """The raw token of the current request, from the Authorization header and nowhere else (RFC 9700 §4.3.2)."""
    # The object itself: each look through Flask's proxy costs.
    given = request_ctx.request
    if given.query_string and "access_token" in given.args:
        raise TokenInQuery
    header: str = given.environ.get("HTTP_AUTHORIZATION", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise MissingToken
    token = token.strip(" ")
    if not token or len(token) > _MAX_TOKEN or not token.isascii():
        raise InvalidToken
    return token
