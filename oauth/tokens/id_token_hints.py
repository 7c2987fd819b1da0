"""ID tokens of ours that apps send back to say whom they mean (`id_token_hint`; OpenID Connect Core §3.1.2.1)."""

from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy.orm import Session

from oauth import keys
from service.clock import now
from service.settings import Settings

_UNREADABLE = (JoseError, ValueError, TypeError, KeyError, RecursionError)


@dataclass(frozen=True, slots=True)
class Hint:
    """What an ID token of ours says: for which app it was made, about whom, and whether its time is not over."""

    client_id: str
    subject: str
    in_time: bool


def read(session: Session, text: str, settings: Settings) -> Hint | None:
    """The hint in this text; None for what is no ID token that a key of ours, still published, has signed."""
    published = KeySet.import_key_set({"keys": keys.public_keys(session, settings.secret_key)})  # type: ignore[typeddict-item]
    try:
        claims = jwt.decode(text, published, algorithms=[keys.ALGORITHM]).claims
    except _UNREADABLE:
        return None
    if claims.get("iss") != settings.base_url or not isinstance(claims.get("exp"), int):
        return None
    return Hint(str(claims.get("aud", "")), str(claims.get("sub", "")), now().timestamp() < claims["exp"])
