"""Sealing: secrets that must be read again lie encrypted in the database, under the installation's key.

Each purpose has a key of its own, so that what was sealed for one opens for no other. While SECRET_KEY is changed there
are several keys: the present one seals, and all of them open.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache

from cryptography.fernet import Fernet, InvalidToken


class SecretKey(bytes):
    """The installation's key, which seals and signs. `previous` are older ones, under which things still open.

    Being bytes, it goes wherever a key goes.
    """

    previous: tuple[bytes, ...]

    def __new__(cls, present: bytes, previous: Sequence[bytes] = ()) -> "SecretKey":
        made = super().__new__(cls, present)
        made.previous = tuple(previous)
        return made


class NotSealed(ValueError):
    """The text was not sealed here for this purpose, or was altered."""


def each(key: bytes) -> tuple[bytes, ...]:
    """The keys under which something may open or be verified: the present one, then those from before."""
    return (key, *key.previous) if isinstance(key, SecretKey) else (key,)


def name_of(key: bytes) -> str:
    """By what a key is told from others, 16 hexadecimal digits that tell nothing of it."""
    return hashlib.blake2b(key, digest_size=8, person=b"name of a key").hexdigest()


def seal(key: bytes, purpose: str, secret: str) -> str:
    """`secret` as it may lie in the database; `purpose` has at most 16 ASCII characters."""
    return _box(key, purpose).encrypt(secret.encode()).decode("ascii")


def unseal(key: bytes, purpose: str, sealed: str) -> str:
    """What was sealed for `purpose`; raises NotSealed."""
    return _opened(key, purpose, sealed)[1]


def reseal(key: bytes, purpose: str, sealed: str) -> str | None:
    """The same under the present key; None where it is already. Raises NotSealed."""
    opened_by, secret = _opened(key, purpose, sealed)
    return None if opened_by is key else seal(key, purpose, secret)


def _opened(key: bytes, purpose: str, sealed: str) -> tuple[bytes, str]:
    for one in each(key):
        try:
            return one, _box(one, purpose).decrypt(sealed.encode()).decode()
        except InvalidToken:
            continue
    raise NotSealed


@cache
def _box(key: bytes, purpose: str) -> Fernet:
    derived = hashlib.blake2b(key, digest_size=32, person=purpose.encode("ascii")).digest()
    return Fernet(base64.urlsafe_b64encode(derived))
