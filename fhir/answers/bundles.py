"""Bundles made by joining stored bytes: no body is parsed on its way out."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

import orjson

from fhir.answers import subset
from fhir.outcomes import Issue, TooCostly, outcome_bytes
from fhir.search.history_asked import PAGE
from fhir.search.query import Search
from fhir.storage.projections import instant_text
from fhir.storage.results import Page, Resource, Versions
from service.clock import now
from service.db import microseconds, new_id

_MATCH, _INCLUDE, _OUTCOME = b"match", b"include", b"outcome"
LARGEST = 32 * 1024 * 1024
"""Bytes of the answer to a batch after which no further entry is read into it."""
_Pieces = tuple[bytes, ...]
"""An entry, still in pieces."""


class AnswerTooLong(TooCostly):
    """An entry of a batch whose answer has grown too long already."""

    sentence = "The answer grew too long: ask for the rest in another batch."


def searchset(base: str, asked: Search, page: Page, *, own_link: str, next_link: str | None) -> bytes:
    """The answer of a search: matches, then what they include, then what was left out of the question."""
    links = [{"relation": "self", "url": own_link}]
    if next_link is not None:
        links.append({"relation": "next", "url": next_link})
    cut = subset.is_subset(asked)
    entries = [
        _entry(base, one, subset.cut(one.body, one.type, asked) if cut else one.body, _MATCH) for one in page.matches
    ]
    entries += [_entry(base, one, one.body, _INCLUDE) for one in page.included]
    if asked.ignored:
        entries.append(_warning(asked.ignored))
    return _bundle("searchset", links, page.total, entries)


def history(base: str, name: str, versions: Versions, used: Sequence[tuple[str, str]]) -> bytes:
    """Versions of the resource `Type/id`, newest first; a deletion has no resource."""
    address = f"{name}/_history"
    links = [{"relation": "self", "url": search_link(base, address, used)}]
    if versions.following is not None:
        page = [*(one for one in used if one[0] != PAGE), (PAGE, str(versions.following))]
        links.append({"relation": "next", "url": search_link(base, address, page)})
    return _bundle("history", links, versions.total, [_version(base, one) for one in versions.page])


def search_link(base: str, resource_type: str, given: Iterable[tuple[str, str]]) -> str:
    """The address of a search."""
    query = "&".join(f"{quote(name, safe=':')}={quote(value, safe=',:|/')}" for name, value in given)
    return f"{base}/{resource_type}" + (f"?{query}" if query else "")


def _bundle(kind: str, links: list[dict[str, str]], total: int | None, entries: Sequence[_Pieces]) -> bytes:
    head = {
        "resourceType": "Bundle",
        "id": new_id(),
        "meta": {"lastUpdated": instant_text(microseconds(now()))},
        "type": kind,
    } | ({} if total is None else {"total": total})
    start = orjson.dumps(head | {"link": links})[:-1]
    # FHIR forbids empty arrays.
    if not entries:
        return start + b"}"
    # Joined once: bodies are most of the work, and each further join would copy them all again.
    pieces = [start]
    for number, entry in enumerate(entries):
        pieces.append(b"," if number else b',"entry":[')
        pieces += entry
    pieces.append(b"]}")
    return b"".join(pieces)


def _entry(base: str, one: Resource, body: bytes, mode: bytes) -> _Pieces:
    # Types and ids have no character that JSON would escape.
    address = f"{base}/{one.type}/{one.id}".encode()
    return b'{"fullUrl":"', address, b'","resource":', body, b',"search":{"mode":"', mode, b'"}}'


def _warning(ignored: Sequence[str]) -> _Pieces:
    sentence = "Not supported and left out: " + ", ".join(dict.fromkeys(ignored))
    body = outcome_bytes(Issue.NOT_SUPPORTED, sentence, severity="warning")
    return b'{"resource":', body, b',"search":{"mode":"', _OUTCOME, b'"}}'


def _version(base: str, one: Resource) -> _Pieces:
    method = "DELETE" if one.deleted else "POST" if one.version == 1 else "PUT"
    status = "204" if one.deleted else "201" if one.version == 1 else "200"
    url = one.type if method == "POST" else f"{one.type}/{one.id}"
    request = orjson.dumps({"method": method, "url": url})
    moment = instant_text(one.last_updated)
    response = orjson.dumps({"status": status, "etag": f'W/"{one.version}"', "lastModified": moment})
    address = f"{base}/{one.type}/{one.id}".encode()
    resource = () if one.deleted else (b',"resource":', one.body)
    return b'{"fullUrl":"', address, b'"', *resource, b',"request":', request, b',"response":', response, b"}"
