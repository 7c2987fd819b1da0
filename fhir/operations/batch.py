"""A Bundle of type batch (FHIR R4, http): reads and searches in one request, each judged and recorded by itself.

An entry is answered by the view that answers its address alone. Only GET is taken: the member API is read-only
(decision 13), and what begins something or is itself a batch has no place in one.
"""

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

import orjson
from flask import Response, current_app, g
from werkzeug.test import EnvironBuilder

from fhir.answers.bundles import LARGEST, AnswerTooLong
from fhir.interactions import EVERY_ADDRESS
from fhir.outcomes import BadRequest, FhirProblem, Issue, NotSupported, TooCostly, outcome
from fhir.storage.projections import instant_text
from service import web
from service.db import microseconds, new_id

MOST = 30
"""Entries of one batch."""
_READING = frozenset({"read", "vread", "history-instance", "search-type", "capabilities", "operation"})
_ENDPOINTS = frozenset(
    f"fhir.{address.endpoint}"
    for address in EVERY_ADDRESS
    if address.heads and address.offered.get("GET") in _READING
)  # fmt: skip


class NotABatch(BadRequest):
    """The body is no Bundle of type batch."""

    issue = Issue.STRUCTURE
    sentence = "Send a Bundle of type batch as application/fhir+json."


class TransactionRefused(NotSupported):
    """Nothing is written here, so that there is nothing to do all or nothing."""

    sentence = "Transactions are not offered: the member API is read-only. Send a batch of GET entries."


def answer(bundle: dict[str, Any] | None) -> bytes:
    """The batch-response to a batch, entry by entry; raises NotABatch, TransactionRefused and TooCostly."""
    entries = _entries(bundle)
    head = orjson.dumps({"resourceType": "Bundle", "id": new_id(), "type": "batch-response"})[:-1]
    if not entries:
        return head + b"}"
    call = g.pop("fhir_call")
    g.fhir_batch = call.access
    try:
        return head + b',"entry":[' + b",".join(_answers(entries)) + b"]}"
    finally:
        del g.fhir_batch


def _entries(bundle: dict[str, Any] | None) -> list[Any]:
    if bundle is None or bundle.get("resourceType") != "Bundle":
        raise NotABatch
    if bundle.get("type") == "transaction":
        raise TransactionRefused(expression="Bundle.type")
    if bundle.get("type") != "batch":
        raise NotABatch(expression="Bundle.type")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise NotABatch(expression="Bundle.entry")
    if len(entries) > MOST:
        raise TooCostly(f"A batch has at most {MOST} entries.", expression="Bundle.entry")
    return entries


def _answers(entries: list[Any]) -> Iterator[bytes]:
    size = 0
    for number, entry in enumerate(entries):
        if size > LARGEST:
            yield _refusal(AnswerTooLong())
            continue
        told = _answered(entry, number)
        size += len(told)
        yield told


def _answered(entry: Any, number: int) -> bytes:
    try:
        asked = _asked(entry, f"Bundle.entry[{number}].request")
    except FhirProblem as problem:
        return _refusal(problem)
    with current_app.request_context(asked.get_environ()) as context:
        rule = context.request.url_rule
        endpoint = rule.endpoint if rule else ""
        if endpoint not in _ENDPOINTS:
            return _refusal(NotSupported("This address cannot be asked in a batch."))
        response = cast(Response, current_app.view_functions[endpoint](**(context.request.view_args or {})))
    g.pop("fhir_call", None)
    return _told(response)


def _asked(entry: Any, where: str) -> EnvironBuilder:
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise BadRequest("Each entry has a request with method and url.", expression=where)
    if request.get("method") != "GET":
        raise NotSupported("Only GET is offered in a batch.", expression=f"{where}.method")
    base = web.settings().fhir_base
    url = request["url"].removeprefix(f"{base}/").removeprefix("/")
    parts = _parts(url)
    if parts is None or parts.scheme or parts.netloc or parts.fragment or not parts.path or "//" in parts.path:
        raise BadRequest("The url is an address below our base, such as Patient/1.", expression=f"{where}.url")
    return EnvironBuilder(
        path=f"{urlsplit(base).path}/{parts.path}",
        query_string=parts.query,
        base_url=web.settings().base_url,
        headers=[("Accept", "application/fhir+json"), *_conditions(request, where).items()],
    )


def _parts(url: str) -> SplitResult | None:
    # A null character would be refused before any other address is looked at; no database takes it.
    if not url.isprintable() or "\0" in unquote(url):
        return None
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _conditions(request: Mapping[str, Any], where: str) -> dict[str, str]:
    names = {"ifNoneMatch": "If-None-Match", "ifModifiedSince": "If-Modified-Since"}
    found = {header: request[name] for name, header in names.items() if name in request}
    if not all(isinstance(value, str) and value.isprintable() for value in found.values()):
        raise BadRequest("Conditions of a request are texts.", expression=where)
    return found


def _told(response: Response) -> bytes:
    body, status = response.get_data(), response.status_code
    told: dict[str, Any] = {"status": str(status)}
    if etag := response.headers.get("ETag"):
        told["etag"] = etag
    if changed := response.headers.get("Last-Modified"):
        told["lastModified"] = instant_text(microseconds(parsedate_to_datetime(changed)))
    if status >= 400:
        return orjson.dumps({"response": told | {"outcome": orjson.Fragment(body)}})
    if not body:
        return orjson.dumps({"response": told})
    return b'{"resource":' + body + b',"response":' + orjson.dumps(told) + b"}"


def _refusal(problem: FhirProblem) -> bytes:
    told = outcome(problem.issue, problem.sentence, expression=problem.expression)
    return orjson.dumps({"response": {"status": str(problem.status), "outcome": told}})
