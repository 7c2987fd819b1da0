"""Page links: opaque, sealed with a key of the installation, good for one grant (or person, or program) and one hour.

A link holds the whole search and where its next page starts, so that it works by GET alone and cannot be bent.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from consent.policy import Access
from fhir.outcomes import BadRequest, NotFound, PageExpired
from fhir.search.ordering import Place
from fhir.storage.results import Cursor
from service import sealing
from service.clock import now
from service.db import microseconds

LIFE = timedelta(hours=1)
_SEAL = 16
_PURPOSE = b"fhir-page"


class _Content(msgspec.Struct, array_like=True):
    """What a link says."""

    resource_type: str
    given: list[tuple[str, str]]
    place: Place
    last_id: str
    made_at: int


@dataclass(frozen=True, slots=True)
class PageLink:
    """A page asked for: the search's parameters and where to start."""

    given: tuple[tuple[str, str], ...]
    start: Cursor
    text: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Content)


def seal(key: bytes, access: Access, resource_type: str, given: Sequence[tuple[str, str]], start: Cursor) -> str:
    """The text of a link to the page that starts after `start`."""
    content = _Content(resource_type, list(given), start.place, start.id, microseconds(now()))
    packed = _encoder.encode(content)
    return base64.urlsafe_b64encode(_mac(key, access, packed) + packed).rstrip(b"=").decode()


def unseal(key: bytes, access: Access, resource_type: str, text: str) -> PageLink:
    """What a link says; raises BadRequest, NotFound (made for somebody else, or bent) and PageExpired."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest("The page link is not one of ours.") from None
    if not any(hmac.compare_digest(raw[:_SEAL], _mac(one, access, raw[_SEAL:])) for one in sealing.each(key)):
        raise NotFound("The page link is not valid for this access token.")
    content = _decoder.decode(raw[_SEAL:])
    if content.resource_type != resource_type:
        raise NotFound("The page link belongs to another type.")
    if content.made_at + LIFE // timedelta(microseconds=1) < microseconds(now()):
        raise PageExpired
    return PageLink(tuple(content.given), Cursor(content.place, content.last_id), text)


def _mac(key: bytes, access: Access, packed: bytes) -> bytes:
    bound = f"{access.grant_id}/{access.account_id}/{access.patient_id}/{access.client_id}/{access.basis}\0".encode()
    return hashlib.blake2b(bound + packed, key=key[:64], person=_PURPOSE, digest_size=_SEAL).digest()
