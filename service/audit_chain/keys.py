"""The key that signs checkpoints and stubs: Ed25519, derived from SECRET_KEY, so that it never lies in the database.

Whoever has the whole database, and the folder of checkpoints too, cannot sign. A key's id is its public half in
hexadecimal.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service import sealing


class AuditKey:
    """The key of this installation; `known` are the ids of it and of those of SECRET_KEY_PREVIOUS."""

    def __init__(self, secret_key: bytes) -> None:
        self._private, *earlier = (_derived(one) for one in sealing.each(secret_key))
        self.id = _id(self._private)
        self.known = frozenset({self.id, *map(_id, earlier)})

    def sign(self, told: bytes) -> bytes:
        """The signature of these bytes, 64 bytes."""
        return self._private.sign(told)


def _derived(secret_key: bytes) -> Ed25519PrivateKey:
    seed = HKDF(SHA256(), 32, salt=None, info=b"latchstring: audit checkpoints").derive(secret_key)
    return Ed25519PrivateKey.from_private_bytes(seed)


def _id(private: Ed25519PrivateKey) -> str:
    return private.public_key().public_bytes_raw().hex()


def is_signed(key_id: str, told: bytes, signature: bytes) -> bool:
    """Whether the key of that id signed these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_id)).verify(signature, told)
    except (InvalidSignature, ValueError):
        return False
    return True
