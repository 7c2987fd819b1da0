"""The provider directory over FHIR (PDex Plan-Net): read and search without authentication, and no member in sight.

It has an Access of its own, which reaches shared types alone (`consent.policy.directory`).
"""

from functools import wraps

from flask import Blueprint, Flask, Response, request
from flask.globals import request_ctx

from consent import policy
from fhir import bases, calls, store
from fhir.answers import bundles, negotiation, responses
from fhir.answers.negotiation import Handling
from fhir.bases import Deed
from fhir.calls import Given
from fhir.description import capability
from fhir.directory.addresses import ADDRESSES, SERVED
from fhir.interactions import Address
from fhir.outcomes import FhirProblem, MethodNotAllowed, NotFound, NotSupported, OtherPatient, TooManyRequests
from fhir.search import query as searching
from oauth.tokens.token_problems import TokenProblem
from service import web
from service.accounts import throttling

PREFIX = "/directory/fhir/r4"
blueprint = Blueprint("directory", __name__, url_prefix=PREFIX)
# Nobody is signed in here, and nothing is written.
web.csrf.exempt(blueprint)
_CACHED = ("Cache-Control", "public, max-age=300")


def install(app: Flask) -> None:
    """Answer HTTP errors under the directory's base by OperationOutcome."""
    bases.install(app, PREFIX)


def capabilities() -> Response:
    """The CapabilityStatement of the directory."""
    content_type = negotiation.content_type(request_ctx.request)
    return responses.of_body(capability.directory(_base()), content_type, [_CACHED])


def search(resource_type: str) -> Response:
    """Type search by GET."""
    return _search(resource_type, calls.of_address())


def search_by_post(resource_type: str) -> Response:
    """The same by POST."""
    return _search(resource_type, calls.of_form())


def read(resource_type: str, resource_id: str) -> Response:
    """The current version of an entry."""
    content_type = negotiation.content_type(request_ctx.request)
    found = store.read(web.reading_session(), policy.directory(), resource_type, resource_id)
    return responses.of_resource(found, content_type)


def _search(resource_type: str, given: Given) -> Response:
    content_type = negotiation.content_type(request_ctx.request)
    access, strict = policy.directory(), negotiation.handling(request) is Handling.STRICT
    link = calls.page_link(access, resource_type, given)
    asked = searching.parse(
        resource_type, link.given if link else given, base=_base(), patient_ids=access.patient_ids, strict=strict
    )
    page = store.search(web.reading_session(), access, asked, link.start if link else None)
    body = bundles.searchset(
        _base(),
        asked,
        page,
        own_link=calls.own_link(resource_type, asked.used, link, _base()),
        next_link=calls.next_link(access, resource_type, asked.used, page.following, _base()),
    )
    return responses.of_body(body, content_type)


def _base() -> str:
    return f"{web.settings().base_url}{PREFIX}"


def _answering(address: Address, deed: Deed) -> Deed:
    @wraps(deed)
    def view(**named: str) -> Response:
        try:
            _require_offered(address, named)
            is_question = request_ctx.request.method == "OPTIONS"
            return responses.preflight(address.allowed) if is_question else deed(**named)
        except OtherPatient:
            return responses.of_problem(NotSupported("The directory knows no patients."))
        except FhirProblem as problem:
            return responses.of_problem(problem)
        except TokenProblem:
            # What the directory's Access does not reach is not there: nobody could get a token for it.
            return responses.of_problem(NotFound())

    return view


def _require_offered(address: Address, named: dict[str, str]) -> None:
    network = throttling.network_of(request_ctx.request.remote_addr)
    if seconds := web.seconds_to_wait(web.latchstring().limits.directory, network):
        raise TooManyRequests("Too many requests. Wait as long as Retry-After says.", seconds)
    if named.get("resource_type", SERVED[0]) not in SERVED:
        raise NotFound("No such resource type.")
    method = request_ctx.request.method
    if method != "OPTIONS" and not address.takes(method):
        raise MethodNotAllowed(address.allowed)


_DEEDS: dict[str, Deed] = {
    "capabilities": capabilities, "search": search, "search_by_post": search_by_post, "read": read,
}  # fmt: skip

bases.offer(blueprint, ADDRESSES, lambda address: _answering(address, _DEEDS[address.endpoint]))
