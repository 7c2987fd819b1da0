"""The keys of the app that calls: those it registered, or those at its address, kept for all workers (SMART-65).

A set from an address is used as long as its server allows, five minutes at most, and so a key that is taken out there
is refused here soon after. A key that the kept set does not name is looked for once more, at most every 30 seconds. The
session is one in autocommit: nothing is locked while somebody else's server thinks.
"""

from datetime import timedelta
from typing import NamedTuple

import orjson
import structlog
from sqlalchemy.orm import Session

from oauth.apps import public_keys
from oauth.apps.public_keys import Key, KeysRefused, Named
from oauth.statements import (
    KeyFacts,
    claim_key_fetch,
    end_tokens_of_lost_key,
    find_keys,
    keep_fetched_keys,
    note_failed_fetch,
)
from service.clock import now
from service.db import microseconds
from service.settings import Settings

APART = timedelta(seconds=30)
"""Between two tries to find a key that is not in the kept set, and after a server that failed."""
_APART = APART // timedelta(microseconds=1)
log = structlog.get_logger("oauth.key_sets")


class FoundKey(NamedTuple):
    """A key, and the version of the app's credentials as it was when the key was found to be one of them."""

    key: Key
    credentials_version: int


def find_key(
    session: Session, client_id: str, facts: KeyFacts, named: Named, jku: object, settings: Settings
) -> FoundKey | None:  # fmt: skip
    """The one key of this name of the app with these facts; None where there is none, or its server does not tell.

    An assertion may repeat where its keys are (`jku`), but nothing is ever fetched from there unless it is the
    registered address to the letter (SMART-63).
    """
    if jku is not None and jku != facts.jwks_uri:
        return None
    current = facts if facts.jwks_uri is None else _fetched(session, client_id, named, facts, settings)
    return _find_named(current, named) if current else None


def _find_named(facts: KeyFacts, named: Named) -> FoundKey | None:
    jwks = facts.registered if facts.jwks_uri is None else facts.fetched
    key = public_keys.read_text(jwks).get(named) if jwks else None
    return FoundKey(key, facts.credentials_version) if key else None


def _fetched(session: Session, client_id: str, named: Named, facts: KeyFacts, settings: Settings) -> KeyFacts | None:
    """The facts with the set that counts now."""
    at = microseconds(now())
    if not _is_fresh(facts, at):
        failed_lately = facts.tried_at > facts.fetched_at and abs(at - facts.tried_at) < _APART
        return None if failed_lately else _fetch(session, client_id, facts, settings)
    if _names(facts.fetched, named) or not claim_key_fetch(session, client_id, at, _APART):
        return facts
    return _fetch(session, client_id, facts, settings)


def _is_fresh(facts: KeyFacts, at: int) -> bool:
    # What was read far in the future of this moment was read before a clock was set back; a little is another worker's.
    return facts.fetched is not None and facts.fetched_at - _APART < at < facts.fresh_until


def _names(jwks: str | None, named: Named) -> bool:
    return jwks is not None and named in public_keys.read_text(jwks)


def _fetch(session: Session, client_id: str, facts: KeyFacts, settings: Settings) -> KeyFacts | None:
    at = microseconds(now())
    try:
        published = public_keys.fetch(facts.jwks_uri or "", loopback=settings.reaches_loopback)
    except KeysRefused as refused:
        log.warning("key_set_refused", client=client_id, reason=refused.reason)
        note_failed_fetch(session, client_id, at)
        return None
    known = find_keys(session, client_id)
    if known is None or known.jwks_uri != facts.jwks_uri:
        # Replaced while its server was thinking: what stands there is the app's no more.
        return None
    fresh_until = at + published.fresh_for // timedelta(microseconds=1)
    keep_fetched_keys(session, client_id, orjson.dumps(published.jwks).decode(), at, fresh_until)
    if facts.fetched and public_keys.is_one_lost(orjson.loads(facts.fetched), published.jwks):
        end_tokens_of_lost_key(session, client_id, facts.jwks_uri or "", facts.credentials_version)
    # Read again, so that what is proven now is not taken for what the lost key proved.
    return find_keys(session, client_id)
