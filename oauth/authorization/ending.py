"""Signing out at the word of an app (OpenID Connect RP-Initiated Logout 1.0): what is believed without a question.

Only an ID token of ours, in time, for an app that stands, with a return address that this app registered, is believed.
For everything else the person is asked on a page of ours, and nobody is sent anywhere (case 66).
What an app posted is judged at once and told to the GET that follows in sealed form: an ID token in its address would
stay in histories and logs (case 33).
"""

import msgspec
from sqlalchemy.orm import Session

from consent import subjects
from oauth.apps import clients, redirects
from oauth.models import Client, ClientStatus
from oauth.tokens import id_token_hints
from service import sealing
from service.clock import now_in_microseconds
from service.settings import Settings

PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
POSTED = "posted"
"""The parameter under which `find` takes what `sealed` made."""
_PURPOSE = "posted-sign-out"
_LIFE = 60 * 1_000_000


class Ending(msgspec.Struct, frozen=True):
    """Whose sign-in an app may end, and where the browser goes then; None for a page of ours."""

    account_id: str
    return_to: str | None


class _Posted(msgspec.Struct, array_like=True):
    """What an address says of an Ending, and until when it counts (microseconds)."""

    ending: Ending
    until: int


def sealed(asked: Ending, settings: Settings) -> str:
    """What was posted, for the address of a GET within a minute."""
    posted = msgspec.json.encode(_Posted(asked, now_in_microseconds() + _LIFE)).decode()
    return sealing.seal(settings.secret_key, _PURPOSE, posted)


def find(session: Session, given: dict[str, str], settings: Settings) -> Ending | None:
    """What the app may have done; None where the person has to be asked."""
    if POSTED in given:
        return _unsealed(given[POSTED], settings)
    text = given.get("id_token_hint", "")
    hint = id_token_hints.read(session, text, settings) if text else None
    if hint is None or not hint.in_time or given.get("client_id", hint.client_id) != hint.client_id:
        return None
    client = clients.find(session, hint.client_id)
    account_id = subjects.account_of(session, hint.subject)
    wanted = given.get("post_logout_redirect_uri")
    if client is None or account_id is None or not _may_return(client, wanted):
        return None
    return Ending(account_id, redirects.with_parameters(wanted, state=given.get("state")) if wanted else None)


def _unsealed(text: str, settings: Settings) -> Ending | None:
    try:
        posted = msgspec.json.decode(sealing.unseal(settings.secret_key, _PURPOSE, text), type=_Posted)
    except (sealing.NotSealed, UnicodeEncodeError):
        return None
    return posted.ending if now_in_microseconds() < posted.until else None


def _may_return(client: Client, wanted: str | None) -> bool:
    stands = client.status is ClientStatus.APPROVED
    # Byte for byte, as every address that a browser is sent to (OA-1).
    return stands and (wanted is None or wanted in client.post_logout_redirect_uris)
