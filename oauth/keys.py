"""Keys that sign ID tokens: RSA, kept sealed in the database, published before they sign, never reused (OA-64).

All workers find the same keys; each parses a private key once (that costs tens of milliseconds).
"""

import json
import os
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import RSAKey
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from oauth.models import SigningKey
from service import audit, sealing
from service.clock import now
from service.db import Statement, microseconds
from service.resealing import Sealed

ALGORITHM = "RS256"
BITS = 3072
JWKS_CACHE = timedelta(hours=1)
"""How long others may keep our key set; a new key signs only when every older copy has gone."""
ID_TOKEN_LIFE = timedelta(minutes=15)
_ROOM = timedelta(minutes=1)
"""Between making a key and its being seen: an older set may still be given out, and cached, until the commit."""
_NONCE = 12
_parsed: dict[str, RSAKey] = {}
_SIGNING_NOW = Statement("SELECT kid FROM signing_key WHERE signs_from <= %s ORDER BY number DESC LIMIT 1")


class NextKeyWaits(Exception):
    """A new key is published and has not begun to sign: another one now would never be met in time."""

    sentence = "A new key is published already. It signs within the hour; rotate again after that."


def signing_key(session: Session, secret_key: bytes) -> RSAKey:
    """The key that signs now, with its `kid`; the first one is made at first need."""
    found = _SIGNING_NOW.run(session, microseconds(now())).fetchall()
    if found and found[0][0] in _parsed:
        return _parsed[found[0][0]]
    row = _current(session) or _add_first(session, secret_key)
    if row.kid not in _parsed:
        _parsed[row.kid] = RSAKey.import_key(json.loads(_open(secret_key, row.kid, row.sealed_private_key)))
    return _parsed[row.kid]


def rotate(session: Session, secret_key: bytes) -> str:
    """Publish a new key that signs after one cache period; the present one stays published until its tokens end.

    Returns the new key's id; raises NextKeyWaits when the one before has not begun to sign.
    """
    present = _current(session) or _add_first(session, secret_key)
    # Held, so that two who rotate at one moment do not both make the next key.
    session.refresh(present, with_for_update=True)
    if session.scalar(select(SigningKey.number).where(SigningKey.number > present.number).limit(1)) is not None:
        raise NextKeyWaits
    # Making it takes a while: what counts is when it is published.
    made = _make(present.number + 1, secret_key, signs_from=now())
    made["signs_from"] = now() + JWKS_CACHE + _ROOM
    session.add(SigningKey(**made))
    present.published_until = made["signs_from"] + ID_TOKEN_LIFE + _ROOM
    audit.record(session, "oauth:signing_key:rotate", detail={"kid": made["kid"]})
    return str(made["kid"])


def public_keys(session: Session, secret_key: bytes) -> list[dict[str, str]]:
    """Every key whose signatures may still be met, the coming one included, as bare public JWKs."""
    rows = list(session.scalars(select(SigningKey).where(_published()).order_by(SigningKey.number.desc())))
    rows = rows or [_add_first(session, secret_key)]
    return [row.public_jwk for row in rows]


def _published() -> ColumnElement[bool]:
    return or_(SigningKey.published_until.is_(None), SigningKey.published_until > now())


def _current(session: Session) -> SigningKey | None:
    begun = select(SigningKey).where(SigningKey.signs_from <= now())
    first = select(SigningKey)
    newest = session.scalar(begun.order_by(SigningKey.number.desc()).limit(1))
    # A clock set back leaves no key that has begun: the oldest is the one that others know.
    return newest or session.scalar(first.order_by(SigningKey.number).limit(1))


def _add_first(session: Session, secret_key: bytes) -> SigningKey:
    # Two workers may both find none: the number decides which key it is.
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert(SigningKey) if on_postgresql else sqlite.insert(SigningKey)
    session.execute(insert.values(**_make(1, secret_key, signs_from=now())).on_conflict_do_nothing())
    return session.scalars(select(SigningKey).where(SigningKey.number == 1)).one()


def _make(number: int, secret_key: bytes, *, signs_from: datetime) -> dict[str, Any]:
    key = RSAKey.generate_key(BITS)
    kid = key.thumbprint()
    public = {name: str(key.as_dict(private=False)[name]) for name in ("kty", "n", "e")}
    private = json.dumps({**key.as_dict(private=True), "kid": kid}).encode()
    return {
        "number": number,
        "kid": kid,
        "sealed_private_key": _seal(secret_key, kid, private),
        "public_jwk": {**public, "kid": kid, "use": "sig", "alg": ALGORITHM},
        "created_at": now(),
        "signs_from": signs_from,
        "published_until": None,
    }


def _seal(secret_key: bytes, kid: str, private: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + _cipher(secret_key).encrypt(nonce, private, kid.encode())


def _open(secret_key: bytes, kid: str, sealed: bytes) -> bytes:
    for one in sealing.each(secret_key):
        try:
            return _cipher(one).decrypt(sealed[:_NONCE], sealed[_NONCE:], kid.encode())
        except InvalidTag:
            continue
    raise sealing.NotSealed


def _resealed(secret_key: bytes, kid: str, sealed: bytes) -> bytes | None:
    private = _open(secret_key, kid, sealed)
    try:
        _cipher(secret_key).decrypt(sealed[:_NONCE], sealed[_NONCE:], kid.encode())
    except InvalidTag:
        return _seal(secret_key, kid, private)
    return None


def _cipher(secret_key: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"latchstring: signing keys").derive(secret_key))


SEALED = Sealed("signing keys", SigningKey.kid, SigningKey.sealed_private_key, _resealed, where=lambda: (_published(),))
