"""The addresses of the plan's own base, for its backend clients alone (decision 64)."""

import orjson
from flask import Blueprint, Flask, Response, g, request
from flask.globals import request_ctx

from consent.policy import Access
from fhir import bases, store
from fhir.answers import negotiation, responses
from fhir.answers.negotiation import Handling
from fhir.bases import Deed
from fhir.compartment import TYPES
from fhir.interactions import PLAN_ADDRESSES, Address
from fhir.loading import own_addresses
from fhir.loading.lines import LONGEST
from fhir.outcomes import FhirProblem, MethodNotAllowed, NotFound, TooManyRequests, UnsupportedBody
from fhir.plan import batch, deeds, statement
from fhir.plan.deeds import Done, Wanted
from fhir.storage.bodies import bodies_of
from fhir.storage.results import Resource
from oauth.tokens.protector import access_for_request
from oauth.tokens.token_problems import TokenProblem
from service import web

PREFIX = "/plan/fhir/r4"
blueprint = Blueprint("fhir_plan", __name__, url_prefix=PREFIX)
# Tokens, not cookies, say who calls.
web.csrf.exempt(blueprint)
_JSON = frozenset({"application/fhir+json", "application/json", "application/json+fhir", "text/json"})
_RETURNS = ("minimal", "representation", "OperationOutcome")


def install(app: Flask) -> None:
    """Answer HTTP errors under the base by OperationOutcome."""
    web.render_errors_under(app, PREFIX, responses.of_http_error)


def capabilities() -> Response:
    """The CapabilityStatement of this base; open, may be cached."""
    content_type = negotiation.content_type(request_ctx.request)
    body = statement.statement(base())
    return responses.of_body(body, content_type, [("Cache-Control", "public, max-age=300")])


def base() -> str:
    """The address of this base."""
    return web.settings().base_url + PREFIX


def create(resource_type: str) -> Response:
    """A new resource."""
    raw = _body()
    done = deeds.create(web.db_session(), _access(), resource_type, raw, _wanted(), base=base())
    return _written(done)


def update(resource_type: str, resource_id: str) -> Response:
    """The resource under that id from now on."""
    raw = _body()
    return _written(deeds.update(web.db_session(), _access(), resource_type, resource_id, raw, _wanted()))


def delete(resource_type: str, resource_id: str) -> Response:
    """No resource under that id from now on."""
    deeds.delete(web.db_session(), _access(), resource_type, resource_id, _wanted())
    return responses.of_written(b"", 204, [])


def read(resource_type: str, resource_id: str) -> Response:
    """The current version."""
    content_type = negotiation.content_type(request_ctx.request)
    return responses.of_resource(deeds.read(web.db_session(), _access(), resource_type, resource_id), content_type)


def vread(resource_type: str, resource_id: str, version: str) -> Response:
    """One version, as `Location` names it."""
    content_type = negotiation.content_type(request_ctx.request)
    found = store.vread(web.db_session(), _access(), resource_type, resource_id, version)
    deeds.record_read(web.db_session(), _access(), "vread", found)
    return responses.of_resource(found, content_type)


def answer_batch() -> Response:
    """Every entry of a batch."""
    raw = _body()
    told = batch.answer(web.db_session(), _access(), raw, base=base(), strict=_wanted().strict)
    return responses.of_body(told, responses.FHIR_JSON)


def _access() -> Access:
    access: Access | None = g.get("plan_access")
    if access is None:
        # Known from here on, for the row of a refusal; what it may do is another question.
        access = g.plan_caller = access_for_request(web.db_session())
        # Once a request: a body is read between two looks at the token.
        if not g.get("plan_counted"):
            g.plan_counted = True
            if seconds := web.seconds_to_wait(web.latchstring().limits.app, access.client_id or ""):
                raise TooManyRequests("Too many requests. Wait as long as Retry-After says.", seconds)
        deeds.require_program(access)
        g.plan_access = access
    return access


def _body() -> bytes:
    # The token first: a stranger's text is not read.
    _access()
    if request.mimetype not in _JSON:
        raise UnsupportedBody("Send application/fhir+json.")
    # A slow body must not hold a transaction, which on SQLite keeps everybody else from writing. Whether the token
    # stands is asked again in that of the write.
    web.end_transaction()
    g.pop("plan_access")
    request.max_content_length = LONGEST
    return own_addresses.relative(request.get_data(cache=False), bases.own(web.settings().base_url))


def _wanted() -> Wanted:
    given = request.headers
    strict = negotiation.handling(request) is Handling.STRICT
    return Wanted(
        given.get("If-Match", ""), given.get("If-None-Match", ""), given.get("If-None-Exist", ""), strict
    )  # fmt: skip


def _written(done: Done) -> Response:
    assert done.resource is not None
    one = done.resource
    headers = [*responses.versioned(one), ("Location", f"{base()}/{one.type}/{one.id}/_history/{one.version}")]
    wanted = _preferred()
    if wanted:
        headers.append(("Preference-Applied", f"return={wanted}"))
    return responses.of_written(_shown(one, wanted), done.status, headers)


def _shown(one: Resource, wanted: str) -> bytes:
    if wanted == "minimal":
        return b""
    if wanted == "OperationOutcome":
        told = {"severity": "information", "code": "informational", "diagnostics": "The resource is stored."}
        return orjson.dumps({"resourceType": "OperationOutcome", "issue": [told]})
    return one.body


def _preferred() -> str:
    for preference in ",".join(request.headers.getlist("Prefer")).replace(";", ",").split(","):
        name, _, value = preference.strip().partition("=")
        if name == "return" and value in _RETURNS:
            return value
    return ""


def _answering(address: Address, named_deeds: dict[str, Deed]) -> Deed:
    """The view of one address: other methods and unknown types refused, problems answered, refusals recorded."""

    def view(**named: str) -> Response:
        method = request_ctx.request.method
        try:
            if named.get("resource_type", "Patient") not in TYPES:
                raise NotFound("No such resource type.")
            if method == "OPTIONS":
                return responses.preflight(address.allowed)
            interaction = address.offered.get("GET" if method == "HEAD" else method)
            if interaction is None:
                raise MethodNotAllowed(address.allowed)
            return named_deeds[interaction](**named)
        except FhirProblem as problem:
            _record_refusal(problem.status, address, named)
            return responses.of_problem(problem)
        except TokenProblem as problem:
            _record_refusal(problem.status, address, named)
            return responses.of_token_problem(problem)

    return view


def _record_refusal(status: int, address: Address, named: dict[str, str]) -> None:
    """What was written so far is undone; that it was refused stays."""
    session, access = web.db_session(), g.get("plan_caller")
    session.rollback()
    bodies_of(session).forget_dictionaries()
    if access is not None:
        interaction = address.offered.get(request.method, "other")
        deeds.record_refusal(session, access, interaction, "/".join(named.values()), status)


_DEEDS: dict[str, Deed] = {
    "capabilities": capabilities, "create": create, "update": update, "delete": delete, "read": read, "vread": vread,
    "batch": answer_batch,
}  # fmt: skip

bases.offer(blueprint, PLAN_ADDRESSES, lambda address: _answering(address, _DEEDS))
