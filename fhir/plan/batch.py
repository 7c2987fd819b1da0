"""A Bundle of type `batch`: each entry a request of its own, answered by an entry of its own (FHIR R4, http, batch)."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.answers.bundles import LARGEST, AnswerTooLong
from fhir.compartment import ID, TYPES
from fhir.loading.faults import Rejected
from fhir.loading.json_texts import encode, parse_unique
from fhir.outcomes import BadRequest, FhirProblem, Issue, MethodNotAllowed, NotFound, NotSupported, outcome
from fhir.plan import deeds
from fhir.plan.deeds import Done, Wanted
from fhir.storage.bodies import bodies_of
from fhir.storage.projections import instant_text
from fhir.storage.results import Resource
from oauth.tokens.token_problems import TokenProblem

MOST_ENTRIES = 1_000
_INTERACTIONS = {"GET": "read", "POST": "create", "PUT": "update", "DELETE": "delete"}


def answer(session: Session, access: Access, raw: bytes, *, base: str, strict: bool) -> bytes:
    """The batch-response; what fails undoes nothing of the others. Raises FhirProblem where the Bundle is none."""
    entries = _answers(session, access, _requests(raw), base, strict)
    body = {"resourceType": "Bundle", "type": "batch-response"} | ({"entry": entries} if entries else {})
    return orjson.dumps(body)


def _answers(
    session: Session, access: Access, requests: list[Any], base: str, strict: bool
) -> list[orjson.Fragment]:  # fmt: skip
    """Each entry's answer as JSON. What is too long already takes no more reads; every write is done all the same."""
    told: list[orjson.Fragment] = []
    size = 0
    for one in requests:
        if size > LARGEST and _request(one).get("method") == "GET":
            answered = orjson.dumps({"response": dict(_refused(AnswerTooLong()))})
        else:
            answered = orjson.dumps(_entry(session, access, one, base, strict))
        size += len(answered)
        told.append(orjson.Fragment(answered))
    return told


def _requests(raw: bytes) -> list[Any]:
    try:
        bundle = parse_unique(raw)
    except Rejected as problem:
        raise BadRequest(f"{problem.rule}: {problem.hint}") from None
    if bundle.get("resourceType") != "Bundle":
        raise BadRequest("Send a Bundle of type batch, or one resource to the address of its type.")
    if bundle.get("type") != "batch":
        raise NotSupported("Only a Bundle of type batch is taken.", expression="Bundle.type")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or len(entries) > MOST_ENTRIES:
        raise BadRequest(f"A batch is a list of at most {MOST_ENTRIES} entries.", expression="Bundle.entry")
    return entries


def _entry(session: Session, access: Access, entry: object, base: str, strict: bool) -> dict[str, Any]:
    request = _request(entry)
    method, url = str(request.get("method", "")), str(request.get("url", "")).removeprefix(f"{base}/")
    try:
        # Each by itself: what one left half done goes with it.
        with session.begin_nested():
            resource = entry.get("resource") if isinstance(entry, dict) else None
            return dict(_answered(_do(session, access, method, url, resource, _wanted(request, strict), base), base))
    except (FhirProblem, TokenProblem) as problem:
        bodies_of(session).forget_dictionaries()
        deeds.record_refusal(session, access, _INTERACTIONS.get(method, "batch"), url, problem.status)
        return {"response": dict(_refused(problem))}


def _request(entry: object) -> dict[str, Any]:
    request = entry.get("request") if isinstance(entry, dict) else None
    return request if isinstance(request, dict) else {}


def _do(
    session: Session, access: Access, method: str, url: str, resource: object, wanted: Wanted, base: str
) -> Done | Resource:  # fmt: skip
    resource_type, _, resource_id = url.partition("/")
    if resource_type not in TYPES or (resource_id and not ID.fullmatch(resource_id)):
        raise NotFound("An entry's address is Type or Type/id.")
    if method == "POST" and not resource_id:
        return deeds.create(session, access, resource_type, _text(resource), wanted, base=base)
    if method == "PUT" and resource_id:
        return deeds.update(session, access, resource_type, resource_id, _text(resource), wanted)
    if method == "DELETE" and resource_id:
        return deeds.delete(session, access, resource_type, resource_id, wanted)
    if method == "GET" and resource_id:
        return deeds.read(session, access, resource_type, resource_id)
    raise MethodNotAllowed("GET, POST, PUT, DELETE")


def _text(resource: object) -> bytes:
    if not isinstance(resource, dict):
        raise BadRequest("The entry has no resource.", expression="Bundle.entry.resource")
    return encode(resource)


def _wanted(request: Mapping[str, Any], strict: bool) -> Wanted:
    named = {name: str(request.get(name, "")) for name in ("ifMatch", "ifNoneMatch", "ifNoneExist")}
    return Wanted(named["ifMatch"], named["ifNoneMatch"], named["ifNoneExist"], strict)


def _answered(done: Done | Resource, base: str) -> Iterator[tuple[str, Any]]:
    status, one = (200, done) if isinstance(done, Resource) else (done.status, done.resource)
    response: dict[str, Any] = {"status": _spelt(status)}
    if one is not None:
        response["etag"], response["lastModified"] = f'W/"{one.version}"', instant_text(one.last_updated)
        if not isinstance(done, Resource):
            response["location"] = f"{base}/{one.type}/{one.id}/_history/{one.version}"
        else:
            yield "resource", orjson.Fragment(one.body)
    yield "response", response


def _refused(problem: FhirProblem | TokenProblem) -> Iterator[tuple[str, Any]]:
    yield "status", _spelt(problem.status)
    if isinstance(problem, FhirProblem):
        yield "outcome", outcome(problem.issue, problem.sentence, expression=problem.expression)
    else:
        yield "outcome", outcome(Issue.FORBIDDEN, problem.sentence)


def _spelt(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
