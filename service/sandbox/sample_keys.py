"""Keys of the sandbox's apps that prove themselves by one: derived from the installation's key, so that they stay."""

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from service.db import keyed_digest
from service.settings import Settings

_COORDINATE = 48
# The order of the group of P-384 (SP 800-186, 3.2.1.4).
_ORDER = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
)  # fmt: skip


def private_jwk(client_id: str, settings: Settings) -> dict[str, str]:
    """The app's key (ES384), for the hand-out."""
    seed = keyed_digest(settings.secret_key, "sandbox program", client_id)
    # 512 bits for an order of 384: no scalar is noticeably likelier than another.
    scalar = int.from_bytes(hashlib.sha512(seed.encode()).digest()) % (_ORDER - 1) + 1
    point = ec.derive_private_key(scalar, ec.SECP384R1()).public_key().public_numbers()
    return {
        "kty": "EC", "crv": "P-384", "kid": f"{client_id}-1", "alg": "ES384", "use": "sig", "x": _number(point.x),
        "y": _number(point.y), "d": _number(scalar),
    }  # fmt: skip


def public_set(client_id: str, settings: Settings) -> dict[str, Any]:
    """The key set that the app registers."""
    return {"keys": [{name: value for name, value in private_jwk(client_id, settings).items() if name != "d"}]}


def _number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(_COORDINATE)).rstrip(b"=").decode()
