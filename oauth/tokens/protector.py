"""What a request to the API may see: its token, checked, turned into an Access. The one door for apps."""

from typing import NamedTuple
from urllib.parse import quote

from sqlalchemy.orm import Session

from consent.policy import Access, access_for_backend, access_for_grant
from oauth.tokens import dpop, system_tokens, token_rows
from oauth.tokens.token_problems import (
    BoundToken,
    InsufficientScope,
    InvalidProof,
    InvalidToken,
    MissingToken,
    TokenInQuery,
    TokenProblem,
)
from service import web

__all__ = [
    "Access", "BoundToken", "InsufficientScope", "InvalidProof", "InvalidToken", "MissingToken", "TokenInQuery",
    "TokenProblem", "access_for_request",
]  # fmt: skip
_MAX_TOKEN = 512


class Presented(NamedTuple):
    """What stands in the Authorization header: an access token, with the promise of a proof (DPoP) or without."""

    raw: str
    with_proof: bool


def access_for_request(session: Session) -> Access:
    """The Access of the current request; raises a TokenProblem (401) without a live token in the right place."""
    given = presented()
    if system_tokens.is_one(given.raw):
        of_program = system_tokens.check(session, given.raw)
        require_possession(session, given, of_program.dpop_jkt)
        return access_for_backend(session, of_program.facts)
    row = token_rows.check(session, given.raw)
    require_possession(session, given, row.dpop_jkt)
    return access_for_grant(row.facts)


def presented() -> Presented:
    """The token of the current request, from the Authorization header and nowhere else (RFC 9700 §4.3.2)."""
    given = web.request_itself()
    if given.query_string and "access_token" in given.args:
        raise TokenInQuery
    header: str = given.environ.get("HTTP_AUTHORIZATION", "")
    scheme, _, token = header.partition(" ")
    scheme = scheme.lower()
    if scheme not in {"bearer", "dpop"}:
        raise MissingToken
    token = token.strip(" ")
    if not token or len(token) > _MAX_TOKEN or not token.isascii():
        raise InvalidToken
    return Presented(token, scheme == "dpop")


def require_possession(session: Session, given: Presented, dpop_jkt: str | None) -> None:
    """Raise unless a token bound to `dpop_jkt` came with a proof of that key, and a bearer token (None) as one.

    RFC 9449 §7.
    """
    if dpop_jkt is None and not given.with_proof:
        return
    if dpop_jkt is None or not given.with_proof:
        raise BoundToken
    request = web.request_itself()
    # Escaped again: the server tells the path decoded, as latin-1 (PEP 3333).
    uri = web.settings().base_url + quote(request.environ["PATH_INFO"].encode("latin-1"))
    proof = request.environ.get("HTTP_DPOP", "")
    try:
        key = dpop.prove(session, proof, method=request.method, uri=uri, access_token=given.raw)
    except dpop.ProofRefused:
        raise InvalidProof from None
    if key != dpop_jkt:
        raise InvalidToken
