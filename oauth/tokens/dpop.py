"""Proofs of possession (RFC 9449): with each request a statement, signed by the key to which its token is bound.

No nonce of ours is asked for: the window of a minute and the one use of each proof stand for it (decision 46).
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry
from sqlalchemy.orm import Session

from service import single_use
from service.clock import now
from service.db import digest, from_microseconds

ALGORITHMS = ("ES256", "ES384", "RS256", "PS256")
WINDOW = timedelta(seconds=60)
_MAX_PROOF = 4096
_MAX_JTI = 256
_CURVES = {"ES256": "P-256", "ES384": "P-384"}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_RSA_BITS = range(2048, 4097)
_PORTS = {"https": 443, "http": 80}
# What a header has beside the parameters that count is none of our business.
_REGISTRY = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
# The library's own bound is too small for the public half of an RSA key.
_REGISTRY.max_header_length = _MAX_PROOF

Key = ECKey | RSAKey


class ProofRefused(Exception):
    """The proof does not prove anything for this request; why is told to nobody."""


def prove(session: Session, proof: str, *, method: str, uri: str, access_token: str | None = None) -> str:
    """The thumbprint (RFC 7638) of the key whose possession `proof` shows; raises ProofRefused.

    `uri` is the address asked for, with its path escaped. With an `access_token` the proof must name it. A proof is
    good once.
    """
    key, claims = _opened(proof)
    issued = _issued(claims)
    named = _plain(claims.get("htu"))
    if claims.get("htm") != method or named is None or named != _plain(uri):
        raise ProofRefused
    if access_token is not None and claims.get("ath") != _hash_of(access_token):
        raise ProofRefused
    thumbprint = str(key.thumbprint())
    _claim(session, thumbprint, claims.get("jti"), issued)
    return thumbprint


def _opened(proof: str) -> tuple[Key, dict[str, Any]]:
    if len(proof) > _MAX_PROOF or proof.count(".") != 2 or not proof.isascii():
        raise ProofRefused
    try:
        header = orjson.loads(_decoded(proof.partition(".")[0]))
        key = _key(header)
        signed = jws.deserialize_compact(proof, key, algorithms=[header["alg"]], registry=_REGISTRY)
        claims = orjson.loads(signed.payload)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise ProofRefused from None
    if not isinstance(claims, dict):
        raise ProofRefused
    return key, claims


def _key(header: Any) -> Key:
    if not isinstance(header, dict) or header.get("typ") != "dpop+jwt" or "crit" in header:
        raise ProofRefused
    jwk, algorithm = header.get("jwk"), header.get("alg")
    if not isinstance(jwk, dict) or not _PRIVATE.isdisjoint(jwk) or algorithm not in ALGORITHMS:
        raise ProofRefused
    if algorithm in _CURVES:
        return _elliptic_key(jwk, _CURVES[algorithm])
    return _rsa_key(jwk)


def _elliptic_key(jwk: dict[str, Any], curve: str) -> ECKey:
    if jwk.get("kty") != "EC" or jwk.get("crv") != curve:
        raise ProofRefused
    return ECKey.import_key({"kty": "EC", "crv": curve, "x": jwk["x"], "y": jwk["y"]})


def _rsa_key(jwk: dict[str, Any]) -> RSAKey:
    # Longer ones cost more than they are worth, shorter ones are no protection.
    if jwk.get("kty") != "RSA" or int.from_bytes(_decoded(jwk["n"])).bit_length() not in _RSA_BITS:
        raise ProofRefused
    return RSAKey.import_key({"kty": "RSA", "n": jwk["n"], "e": jwk["e"]})


def _issued(claims: dict[str, Any]) -> datetime:
    issued, at, window = claims.get("iat"), now().timestamp(), WINDOW.total_seconds()
    # A NumericDate may have a fraction (RFC 7519 §2).
    if not isinstance(issued, int | float) or isinstance(issued, bool):
        raise ProofRefused
    # Compared as numbers: most of them are no moment of any calendar.
    if not at - window <= issued <= at + window:
        raise ProofRefused
    return from_microseconds(int(issued * 1_000_000))


def _plain(uri: Any) -> tuple[str, str | None, int | None, bytes] | None:
    """What of an address is compared: scheme, host, port and path, normalised (RFC 9449 §4.3; RFC 3986 §6.2.2, §6.2.3).

    Every escape of the path is undone: the server tells no path but the decoded one, and by that one it is routed.
    None for what is no address, or has a name or password in it.
    """
    if not isinstance(uri, str):
        return None
    try:
        parts = urlsplit(uri)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return None if "@" in parts.netloc else (parts.scheme, parts.hostname, port, _plain_path(parts.path))


def _plain_path(path: str) -> bytes:
    segments = unquote_to_bytes(path or "/").split(b"/")
    kept: list[bytes] = []
    for segment in segments:
        if segment == b"..":
            # The root has nothing above it.
            kept = kept[:1] if len(kept) < 2 else kept[:-1]
        elif segment != b".":
            kept.append(segment)
    # A path that ends in dots names a folder.
    return b"/".join([*kept, b""] if segments[-1] in {b".", b".."} else kept)


def _claim(session: Session, thumbprint: str, jti: Any, issued: datetime) -> None:
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
        raise ProofRefused
    # Kept longer than it would be taken, so that clocks that lie apart do not meet a gap.
    over = issued + 3 * WINDOW
    if not single_use.claim(session, "dpop", digest(f"{thumbprint} {jti}"), expires_at=over):
        raise ProofRefused


def _hash_of(access_token: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
