"""The key that signs checkpoints and stubs: Ed25519, derived from SECRET_KEY, so that it never lies in the database.

Whoever has the whole database, and the folder of checkpoints too, cannot sign. A key's id is its public half in
hexadecimal.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class AuditKey:
    """The key of this installation."""

    def __init__(self, secret_key: bytes) -> None:
        seed = HKDF(SHA256(), 32, salt=None, info=b"latchstring: audit checkpoints").derive(secret_key)
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.id = self._private.public_key().public_bytes_raw().hex()

    def sign(self, told: bytes) -> bytes:
        """The signature of these bytes, 64 bytes."""
        return self._private.sign(told)


def is_signed(key_id: str, told: bytes, signature: bytes) -> bool:
    """Whether the key of that id signed these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_id)).verify(signature, told)
    except (InvalidSignature, ValueError):
        return False
    return True
