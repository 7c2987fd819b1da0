"""Public keys of apps that prove themselves by one: what a key set must be, and reading one from its address.

RS384 and ES384 are offered (SMART 2.2, asymmetric authentication), so a key is RSA, or EC on P-384.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import base64_to_int

from oauth.models import FetchedKeySet
from service import outbound
from service.clock import now

ALGORITHMS = {"RSA": "RS384", "EC": "ES384"}
"""The one signature algorithm of each kind of key."""
MOST_KEYS = 10
MOST_FRESH = timedelta(seconds=300)
"""How long a set may be used without asking its address again, so that a key taken out there is soon refused here."""
CURVE = "P-384"
MOST_BITS = 8192
"""Of an RSA key."""
_BITS = range(2048, MOST_BITS + 1)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_FORBIDDING = re.compile(r"\s*(?:no-store|no-cache)\s*", re.IGNORECASE)
_MAX_AGE = re.compile(r"\s*max-age\s*=\s*\"?([0-9]{1,9})\"?\s*", re.IGNORECASE)

Key = RSAKey | ECKey


class KeysRefused(Exception):
    """These are no keys that an app may prove itself by. `reason` is a sentence for the developer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Published:
    """A key set as its server gave it a moment ago, and how long it may be kept."""

    jwks: dict[str, Any]
    fresh_for: timedelta


def read(jwks: object) -> dict[str, Key]:
    """The keys of a JWK set (RFC 7517 §5) by their `kid`; raises KeysRefused for a set with any unfit key."""
    every = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(every, list) or not 1 <= len(every) <= MOST_KEYS:
        raise KeysRefused(f'A key set is {{"keys": [...]}} with 1 to {MOST_KEYS} keys.')
    found: dict[str, Key] = {}
    for one in every:
        kid = _require_named(one)
        if kid in found:
            raise KeysRefused("Two keys have the same kid.")
        found[kid] = _import(one)
    return found


@lru_cache(maxsize=256)
def read_text(jwks: str) -> Mapping[str, Key]:
    """The same of a set that is kept as text. What was made of a text is kept: another text is another set."""
    return MappingProxyType(read(json.loads(jwks)))


def fetch(uri: str, *, sandbox: bool) -> Published:
    """The key set at `uri`, read now and found fit; raises KeysRefused. Takes three seconds at most."""
    try:
        answer = outbound.get(uri, accept="application/json", sandbox=sandbox)
    except outbound.NotFetched as problem:
        raise KeysRefused(f"The key set could not be read: {problem.reason}") from None
    try:
        jwks = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise KeysRefused("The key set is not JSON.") from None
    read(jwks)
    return Published(alone(jwks), _fresh_for(answer.headers.get("Cache-Control", "")))


def alone(jwks: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a set that was `read`: its keys, with what a key consists of (RFC 7517 §4, RFC 7518 §6).

    Another member may hold anything, nested deeper than a database or a page takes.
    """
    return {"keys": [{name: value for name, value in key.items() if _is_plain(value)} for key in jwks["keys"]]}


def is_one_lost(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    """Whether a key of the set before is not in the one after: more keys beside it are an overlap, no loss."""
    kept = {_identity(key) for key in (after or {}).get("keys", ())}
    return any(_identity(key) not in kept for key in (before or {}).get("keys", ()))


def row(client_id: str, published: Published) -> FetchedKeySet:
    """The row that keeps what was read a moment ago for all workers."""
    at = now()
    return FetchedKeySet(
        client_id=client_id, jwks=published.jwks, fetched_at=at, fresh_until=at + published.fresh_for, tried_at=at
    )


def _is_plain(value: object) -> bool:
    several = value if isinstance(value, list) else [value]
    return all(isinstance(one, str | bool) for one in several)


def _identity(key: Mapping[str, Any]) -> tuple[Any, ...]:
    # All of these are texts; what else a set holds under such a name in a key of another type means nothing.
    members = (key.get(member) for member in ("kid", "kty", "n", "e", "crv", "x", "y"))
    return tuple(member if isinstance(member, str) else None for member in members)


def _require_named(key: object) -> str:
    if not isinstance(key, dict):
        raise KeysRefused("Each key is a JSON object.")
    if not _PRIVATE.isdisjoint(key) or key.get("kty") == "oct":
        raise KeysRefused("The set holds a private or shared key. Make a new pair, and give its public part only.")
    kid = key.get("kid")
    if not isinstance(kid, str) or not 1 <= len(kid) <= 200:
        raise KeysRefused("Each key has a kid of 1 to 200 characters.")
    return kid


def _import(key: dict[str, Any]) -> Key:
    kind = key.get("kty")
    algorithm = ALGORITHMS.get(kind) if isinstance(kind, str) else None
    if algorithm is None or key.get("alg", algorithm) != algorithm or key.get("use", "sig") != "sig":
        raise KeysRefused("Keys are RSA for RS384, or EC for ES384, and for signatures (use: sig).")
    try:
        return _import_rsa(key) if algorithm == "RS384" else _import_ec(key)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise KeysRefused("A key cannot be read.") from None


def _import_rsa(key: dict[str, Any]) -> RSAKey:
    if base64_to_int(key["n"]).bit_length() not in _BITS:
        raise KeysRefused(f"RSA keys have {_BITS.start} to {_BITS.stop - 1} bits.")
    return RSAKey.import_key(key)


def _import_ec(key: dict[str, Any]) -> ECKey:
    if key.get("crv") != CURVE:
        raise KeysRefused(f"EC keys are on the curve {CURVE} (ES384).")
    return ECKey.import_key(key)


def _fresh_for(cache_control: str) -> timedelta:
    """As long as its server allows (RFC 9111 §5.2.2), five minutes at most."""
    directives = cache_control.split(",")
    if any(_FORBIDDING.fullmatch(one) for one in directives):
        return timedelta(0)
    ages = [int(found[1]) for one in directives if (found := _MAX_AGE.fullmatch(one))]
    return min([MOST_FRESH, *(timedelta(seconds=age) for age in ages)])
