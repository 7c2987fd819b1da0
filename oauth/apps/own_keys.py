"""The public keys of developers' apps: taking others in place of those that are there."""

import json
from typing import Any

from sqlalchemy.orm import Session

from oauth.apps import clients, own_apps, public_keys, registration
from oauth.apps.clients import ClientRefused
from oauth.apps.models import Developer
from oauth.apps.public_keys import KeysRefused
from oauth.apps.reviews import WrongState
from oauth.models import AuthMethod, ClientStatus
from service.settings import Settings


def read(text: str) -> dict[str, Any]:
    """The key set that somebody pasted; raises ClientRefused with a sentence."""
    if not text:
        raise ClientRefused("Please paste the public keys of the app.", "jwks")
    try:
        jwks = json.loads(text)
        public_keys.read(jwks)
    except (ValueError, RecursionError):
        raise ClientRefused("The key set is not JSON.", "jwks") from None
    except KeysRefused as refused:
        raise ClientRefused(refused.reason, "jwks") from None
    return public_keys.alone(jwks)


def replace(
    session: Session, developer: Developer, client_id: str, *, jwks: str | None, jwks_uri: str | None,
    settings: Settings,
) -> None:  # fmt: skip
    """Let the app prove itself by these keys, or those at this address, and by no others from now on.

    An address is read at once, three seconds at most: the running transaction ends before, so that the database is not
    held meanwhile. Called before anything of the request is changed. Raises ClientRefused, WrongState, NoSuchClient.
    """
    client = own_apps.own(session, developer, client_id)
    if client.token_endpoint_auth_method is not AuthMethod.PRIVATE_KEY or client.status is ClientStatus.RETIRED:
        raise WrongState
    keys = read(jwks) if jwks is not None else None
    session.commit()
    registration.replace_keys(
        session, client_id, jwks=keys, jwks_uri=jwks_uri, settings=settings, by_account_id=developer.account_id
    )


def kids_of(session: Session, client_id: str) -> list[str]:
    """The names of the keys that the app gave here; none where it gave an address."""
    client = clients.find(session, client_id)
    return [str(key.get("kid")) for key in client.jwks["keys"]] if client is not None and client.jwks else []
