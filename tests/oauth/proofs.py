"""DPoP proofs as an app makes them, and as it should not."""

import hashlib
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from service.clock import now

_ANY = JWSRegistry(algorithms=["none", "HS256", "ES256", "ES384", "RS256", "PS256"], strict_check_header=False)
TOKEN = "http://localhost/oauth/token"


def make_key(algorithm: str) -> ECKey | RSAKey:
    """A key fit for the algorithm."""
    if algorithm.startswith("ES"):
        return ECKey.generate_key("P-256" if algorithm == "ES256" else "P-384")
    return RSAKey.generate_key(2048)


@dataclass
class Prover:
    """An app with a key."""

    algorithm: str = "ES256"
    key: ECKey | RSAKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = make_key(self.algorithm)

    @property
    def jkt(self) -> str:
        """What its tokens are bound to."""
        return str(self.key.thumbprint())

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half."""
        return dict(self.key.as_dict(private=False))

    def proof(
        self, uri: str = TOKEN, method: str = "POST", *, token: str | None = None, header: dict[str, Any] | None = None,
        signed_by: ECKey | RSAKey | OctKey | None = None, **claims: Any,
    ) -> str:  # fmt: skip
        """A fresh proof; claims and header members may be changed, or left out by None."""
        said = {
            "jti": str(uuid4()), "htm": method, "htu": uri, "iat": int(now().timestamp()), "ath": ath_of(token),
        } | claims  # fmt: skip
        top = {"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.jwk} | (header or {})
        body = json.dumps({name: value for name, value in said.items() if value is not None})
        kept = {name: value for name, value in top.items() if value is not None}
        return jws.serialize_compact(kept, body, signed_by or self.key, registry=_ANY)

    def headers(self, token: str, uri: str, method: str = "GET", **claims: Any) -> dict[str, str]:
        """The headers of a call with a bound token."""
        return {"Authorization": f"DPoP {token}", "DPoP": self.proof(uri, method, token=token, **claims)}


def ath_of(token: str | None) -> str | None:
    """The hash of an access token in a proof (RFC 9449 §4.2)."""
    return urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode() if token else None
