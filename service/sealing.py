"""Sealing: secrets that must be read again lie encrypted in the database, under the installation's key.

Each purpose has a key of its own, so that what was sealed for one opens for no other.
"""

import base64
import hashlib
from functools import cache

from cryptography.fernet import Fernet, InvalidToken


class NotSealed(ValueError):
    """The text was not sealed here for this purpose, or was altered."""


def seal(key: bytes, purpose: str, secret: str) -> str:
    """`secret` as it may lie in the database; `purpose` has at most 16 ASCII characters."""
    return _box(key, purpose).encrypt(secret.encode()).decode("ascii")


def unseal(key: bytes, purpose: str, sealed: str) -> str:
    """What was sealed for `purpose`; raises NotSealed."""
    try:
        return _box(key, purpose).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise NotSealed from None


@cache
def _box(key: bytes, purpose: str) -> Fernet:
    derived = hashlib.blake2b(key, digest_size=32, person=purpose.encode("ascii")).digest()
    return Fernet(base64.urlsafe_b64encode(derived))
