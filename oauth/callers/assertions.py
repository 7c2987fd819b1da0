"""Client assertions (private_key_jwt): a JWT that the app signed a moment ago, good once (SMART-60…68; RFC 7523 §3).

Every failure is one answer, which the caller of this module gives: nobody learns which check an assertion met.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from flask import request, url_for
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import CompactSignature, JWSRegistry
from sqlalchemy.orm import Session

from oauth.apps.public_keys import ALGORITHMS, KeysRefused
from oauth.callers import key_sets
from oauth.statements import KeyFacts
from service import single_use
from service.clock import now
from service.db import Row, digest
from service.settings import Settings

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SKEW = 60
"""How far an app's clock may be ahead of ours, for `nbf` and `iat`; here and below in seconds."""
FURTHEST = 310
"""How far ahead `exp` may lie: five minutes, and a little for clocks that differ."""
OLDEST = 300
_KINDS = {algorithm: kind for kind, algorithm in ALGORITHMS.items()}
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_LONGEST_TEXT = 8_000
_LONGEST_NAME = 255
# Keys come from the registration alone: nothing in the header says where else they might be, or changes its meaning.
_FOREIGN = frozenset({"jwk", "x5u", "x5c", "crit", "b64"})
_UNREADABLE = (JoseError, KeysRefused, ValueError, TypeError, KeyError, RecursionError)


class _Registry(JWSRegistry):
    # The address of a key set may be longer than the library's limit on headers, and the largest RSA key's signature
    # than that on signatures.
    max_header_length = max_signature_length = _LONGEST_TEXT


_REGISTRY = _Registry(algorithms=list(ALGORITHMS.values()))


@dataclass(frozen=True, slots=True)
class Proof:
    """An assertion that holds, unless it was used before."""

    client_id: str
    jti: str
    expires_at: datetime
    credentials_version: int
    """The app's, as it was when its key was found."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion taken apart, of which nothing is believed yet."""

    signed: CompactSignature
    claims: dict[str, Any]
    issuer: str
    """Whom it says it is from."""


def read(text: str) -> Assertion | None:
    """The assertion in this text; None for what is none."""
    if len(text) > _LONGEST_TEXT or not _COMPACT.fullmatch(text):
        return None
    try:
        signed = jws.extract_compact(text.encode(), registry=_REGISTRY)
        claims = json.loads(signed.payload or b"")
    except _UNREADABLE:
        return None
    named = claims.get("iss") if isinstance(claims, dict) else None
    return Assertion(signed, claims, named) if isinstance(named, str) else None


def prove(
    session: Session, client_id: str, keys: KeyFacts, assertion: Assertion, settings: Settings
) -> Proof | None:  # fmt: skip
    """The proof that the app of this id signed the assertion for us a moment ago; None when anything does not hold.

    `session` is in autocommit: the app's own server may be asked for its keys meanwhile.
    """
    try:
        header = assertion.signed.headers()
        if not _header_holds(header):
            return None
        named = header["kid"], _KINDS[header["alg"]]
        found = key_sets.find_key(session, client_id, keys, named, header.get("jku"), settings)
        if found is None or not jws.validate_compact(assertion.signed, found.key, registry=_REGISTRY):
            return None
    except _UNREADABLE:
        return None
    return _proof(assertion.claims, client_id, found.credentials_version, settings)


def spend(session: Session, proof: Proof, rows: Sequence[Row] = ()) -> bool:
    """Use the assertion up; False when it was used before, on whichever worker. Kept until it is over by any clock.

    `rows` are written with it, or not at all.
    """
    named, over = digest(f"{proof.client_id}\0{proof.jti}"), proof.expires_at + timedelta(seconds=SKEW)
    return single_use.claim(session, "client_assertion", named, expires_at=over, rows=rows)


def _header_holds(header: dict[str, Any]) -> bool:
    return (
        header.get("alg") in ALGORITHMS.values()
        # Left out by most libraries, as RFC 7515 §4.1.9 allows; another type is another token (SMART-60).
        and header.get("typ", "JWT") == "JWT"
        and isinstance(header.get("kid"), str)
        and _FOREIGN.isdisjoint(header)
    )


def _proof(claims: dict[str, Any], client_id: str, credentials_version: int, settings: Settings) -> Proof | None:
    at, jti = now(), claims.get("jti")
    named = claims.get("iss") == claims.get("sub") == client_id
    if not named or not _is_for_us(claims.get("aud"), settings) or not _is_of_now(claims, at.timestamp()):
        return None
    if not isinstance(jti, str) or not 1 <= len(jti) <= _LONGEST_NAME:
        return None
    expires_at = at + timedelta(seconds=claims["exp"] - at.timestamp())
    return Proof(client_id, jti, expires_at, credentials_version)


def _is_for_us(audience: object, settings: Settings) -> bool:
    """Whether the audience is the token endpoint (SMART), or the issuer as newer drafts ask; a list of it alone is it.

    Where a request is sent ahead, that endpoint's own address is right too (RFC 9126 §2).
    """
    ours = {_address_of(settings.base_url, "oauth.token"), settings.base_url}
    if request.endpoint == "oauth.par":
        ours.add(_address_of(settings.base_url, "oauth.par"))
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    return isinstance(audience, str) and audience in ours


@lru_cache(maxsize=64)
def _address_of(base_url: str, endpoint: str) -> str:
    return base_url + url_for(endpoint)


def _is_of_now(claims: dict[str, Any], at: float) -> bool:
    ends, made, begins = (_instant(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if ends is None or not at < ends <= at + FURTHEST:
        return False
    if "iat" in claims and (made is None or not at - OLDEST <= made <= at + SKEW):
        return False
    return "nbf" not in claims or (begins is not None and begins <= at + SKEW)


def _instant(value: object) -> float | None:
    """A NumericDate (RFC 7519 §2) in seconds since 1970; None for what is none."""
    # An int stays one: it may be larger than any float.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None
