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
"""The one signature algorithm of each kind of key (`kty`)."""
MOST_KEYS = 10
MOST_FRESH = timedelta(seconds=300)
"""How long a set may be used without asking its address again, so that a key taken out there is soon refused here."""
CURVE = "P-384"
MOST_BITS = 8192
"""Of an RSA key."""
_BITS = range(2048, MOST_BITS + 1)
_LONGEST_NAME = 200
_NAMES = f"Each key has a kid of 1 to {_LONGEST_NAME} characters."
_KINDS = "Keys are RSA for RS384, or EC for ES384, and for signatures (use: sig)."
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_FORBIDDING = re.compile(r"\s*(?:no-store|no-cache)\s*", re.IGNORECASE)
_MAX_AGE = re.compile(r"\s*max-age\s*=\s*\"?([0-9]{1,9})\"?\s*", re.IGNORECASE)

Key = RSAKey | ECKey
Named = tuple[str, str]
"""A key's `kid` and `kty`: keys of two kinds may share a kid (RFC 7517 §4.5)."""


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


def read(jwks: object) -> dict[Named, Key]:
    """The keys of a JWK set that an app may prove itself by; others are passed over (RFC 7517 §5).

    Raises KeysRefused where none is left, where one is private or shared, and where two have one name (SMART-64).
    """
    every = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(every, list) or not 1 <= len(every) <= MOST_KEYS:
        raise KeysRefused(f'A key set is {{"keys": [...]}} with 1 to {MOST_KEYS} keys.')
    _require_public(every)
    found: dict[Named, Key] = {}
    unfit: list[_Unfit] = []
    for one in every:
        try:
            named = _require_named(one)
            found[named] = _import(one)
        except _Unfit as problem:
            unfit.append(problem)
    if not found:
        raise KeysRefused(unfit[0].reason)
    return found


@lru_cache(maxsize=256)
def read_text(jwks: str) -> Mapping[Named, Key]:
    """The same of a set that is kept as text. What was made of a text is kept: another text is another set."""
    return MappingProxyType(read(json.loads(jwks)))


def fetch(uri: str, *, loopback: bool) -> Published:
    """The key set at `uri`, read now and found fit; raises KeysRefused. Takes three seconds at most."""
    try:
        answer = outbound.get(uri, accept="application/json", loopback=loopback)
    except outbound.NotFetched as problem:
        raise KeysRefused(f"The key set could not be read: {problem.reason}") from None
    try:
        jwks = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise KeysRefused("The key set is not JSON.") from None
    return Published(alone(jwks), _fresh_for(answer.headers.get("Cache-Control", "")))


def alone(jwks: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a set: the keys that `read` finds, with what a key consists of (RFC 7517 §4, RFC 7518 §6).

    Another member may hold anything, nested deeper than a database or a page takes. Raises KeysRefused.
    """
    used = read(jwks)
    kept = (key for key in jwks["keys"] if _name_of(key) in used)
    return {"keys": [{name: value for name, value in key.items() if _is_plain(value)} for key in kept]}


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


class _Unfit(Exception):
    """Nobody proves themselves by this key here."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _require_public(keys: list[Any]) -> None:
    # What should never have been told refuses the whole set, whatever else is in it: its owner must learn of it.
    if not all(isinstance(key, dict) for key in keys):
        raise KeysRefused("Each key is a JSON object.")
    if any(not _PRIVATE.isdisjoint(key) or key.get("kty") == "oct" for key in keys):
        raise KeysRefused("The set holds a private or shared key. Make a new pair, and give its public part only.")
    names = [name for name in map(_name_of, keys) if name is not None]
    if len(set(names)) < len(names):
        raise KeysRefused("Two keys of one kind have the same kid.")


def _name_of(key: Mapping[str, Any]) -> Named | None:
    kid, kind = key.get("kid"), key.get("kty")
    return (kid, kind) if isinstance(kid, str) and isinstance(kind, str) else None


def _require_named(key: dict[str, Any]) -> Named:
    name = _name_of(key)
    if name is None or name[1] not in ALGORITHMS:
        raise _Unfit(_KINDS if isinstance(key.get("kid"), str) else _NAMES)
    if not 1 <= len(name[0]) <= _LONGEST_NAME:
        raise _Unfit(_NAMES)
    return name


def _import(key: dict[str, Any]) -> Key:
    algorithm = ALGORITHMS[key["kty"]]
    if key.get("alg", algorithm) != algorithm or key.get("use", "sig") != "sig":
        raise _Unfit(_KINDS)
    try:
        return _import_rsa(key) if algorithm == "RS384" else _import_ec(key)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise _Unfit("A key cannot be read.") from None


def _import_rsa(key: dict[str, Any]) -> RSAKey:
    if base64_to_int(key["n"]).bit_length() not in _BITS:
        raise _Unfit(f"RSA keys have {_BITS.start} to {_BITS.stop - 1} bits.")
    return RSAKey.import_key(key)


def _import_ec(key: dict[str, Any]) -> ECKey:
    if key.get("crv") != CURVE:
        raise _Unfit(f"EC keys are on the curve {CURVE} (ES384).")
    return ECKey.import_key(key)


def _fresh_for(cache_control: str) -> timedelta:
    """As long as its server allows (RFC 9111 §5.2.2), five minutes at most."""
    directives = cache_control.split(",")
    if any(_FORBIDDING.fullmatch(one) for one in directives):
        return timedelta(0)
    ages = [int(found[1]) for one in directives if (found := _MAX_AGE.fullmatch(one))]
    return min([MOST_FRESH, *(timedelta(seconds=age) for age in ages)])
