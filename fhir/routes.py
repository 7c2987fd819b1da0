"""The FHIR API: read-only, under the Access of the token, every disclosure recorded before it is sent."""

from functools import wraps

from flask import Blueprint, Flask, Response

from fhir import bases, calls, store
from fhir.answers import bundles, disclosures, negotiation, responses
from fhir.answers.negotiation import Handling
from fhir.bases import Deed
from fhir.bulk import addresses as bulk
from fhir.bulk import group_addresses as groups
from fhir.calls import Call, Given
from fhir.compartment import TYPES
from fhir.description import capability
from fhir.interactions import EVERY_ADDRESS, Address, switched_on
from fhir.operations import addresses as operations
from fhir.outcomes import FhirProblem, MethodNotAllowed, NotFound
from fhir.payments import inquiry as payments
from fhir.search import history_asked
from fhir.search import query as searching
from fhir.storage.results import Cursor, Page, Resource
from oauth import discovery
from oauth.tokens.token_problems import TokenProblem
from service import web

PREFIX = "/fhir/r4"
blueprint = Blueprint("fhir", __name__, url_prefix=PREFIX)
# Tokens, not cookies, say who calls.
web.csrf.exempt(blueprint)


def install(app: Flask) -> None:
    """Answer HTTP errors under the API's base by OperationOutcome."""
    bases.install(app, PREFIX)


def capabilities() -> Response:
    """The CapabilityStatement; open, may be cached."""
    content_type = negotiation.content_type(web.request_itself())
    body = capability.statement(
        web.settings().fhir_base, discovery.describe(web.settings()), switched_on(web.settings())
    )
    return responses.of_body(body, content_type, [("Cache-Control", "public, max-age=300")])


def search(resource_type: str) -> Response:
    """Type search by GET."""
    return _search(resource_type, calls.of_address())


def search_by_post(resource_type: str) -> Response:
    """Type search by POST: parameters of the form and of the address together."""
    return _search(resource_type, calls.of_form())


def read(resource_type: str, resource_id: str) -> Response:
    """The current version of a resource."""
    content_type = negotiation.content_type(web.request_itself())
    call = calls.begin(resource_type, "read", resource_id)
    return _disclose(call, store.read(call.session, call.access, resource_type, resource_id), content_type)


def vread(resource_type: str, resource_id: str, version: str) -> Response:
    """One version of a resource."""
    content_type = negotiation.content_type(web.request_itself())
    call = calls.begin(resource_type, "vread", resource_id)
    return _disclose(call, store.vread(call.session, call.access, resource_type, resource_id, version), content_type)


def history(resource_type: str, resource_id: str) -> Response:
    """The versions of a resource."""
    content_type = negotiation.content_type(web.request_itself())
    call = calls.begin(resource_type, "history", resource_id)
    strict = negotiation.handling(web.request_itself()) is Handling.STRICT
    wanted, used = history_asked.parse(list(web.request_itself().args.items(multi=True)), strict=strict)
    versions = store.history(call.session, call.access, resource_type, resource_id, wanted)
    disclosures.record(call.session, call.access, call.asked, versions.page)
    base = web.settings().fhir_base
    body = bundles.history(base, f"{resource_type}/{resource_id}", versions, used)
    return responses.of_body(body, content_type)


def search_payments() -> Response:
    """Search of a provider's payments by GET."""
    return _search(payments.TYPE, calls.of_address())


def search_payments_by_post() -> Response:
    """The same by POST."""
    return search_by_post(payments.TYPE)


def read_payment(resource_id: str) -> Response:
    """One payment. It has no versions: names of its provider may change, and are rendered as they are now."""
    content_type = negotiation.content_type(web.request_itself())
    call = calls.begin(payments.TYPE, "read", resource_id)
    told = payments.read(call.session, call.access, resource_id)
    disclosures.record(call.session, call.access, call.asked, told.page.matches, further=told.detail)
    return responses.of_body(told.page.matches[0].body, content_type)


def read_person(resource_id: str) -> Response:
    """The representative of several members who is in front of us."""
    content_type = negotiation.content_type(web.request_itself())
    call = calls.begin("Person", "read", resource_id)
    return _disclose(call, store.read_person(call.session, call.access, resource_id), content_type)


def _disclose(call: Call, resource: Resource, content_type: str) -> Response:
    response = responses.of_resource(resource, content_type)
    sent = [resource] if response.status_code == 200 else []
    disclosures.record(call.session, call.access, call.asked, sent)
    return response


def _search(resource_type: str, given: Given) -> Response:
    content_type = negotiation.content_type(web.request_itself())
    call = calls.begin(resource_type, "search")
    handling = negotiation.handling(web.request_itself())
    link = calls.page_link(call.access, resource_type, given)
    call.asked.note(link.given if link else given)
    find = _find_payments if resource_type == payments.TYPE else _find_stored
    asked, page = find(call, link.given if link else given, link.start if link else None, handling is Handling.STRICT)
    body = bundles.searchset(
        web.settings().fhir_base,
        asked,
        page,
        own_link=calls.own_link(resource_type, asked.used, link),
        next_link=calls.next_link(call.access, resource_type, asked.used, page.following),
    )
    applied = [("Preference-Applied", f"handling={handling}")] if handling is not None else []
    return responses.of_body(body, content_type, applied)


def _find_stored(call: Call, given: Given, start: Cursor | None, strict: bool) -> tuple[searching.Search, Page]:
    base, patient_ids = web.settings().fhir_base, call.access.patient_ids
    asked = searching.parse(call.asked.resource_type, given, base=base, patient_ids=patient_ids, strict=strict)
    page = store.search(call.session, call.access, asked, start)
    disclosures.record(call.session, call.access, call.asked, [*page.matches, *page.included], total=page.total)
    return asked, page


def _find_payments(call: Call, given: Given, start: Cursor | None, strict: bool) -> tuple[searching.Search, Page]:
    asked, wanted = payments.parse(given, strict=strict)
    told = payments.search(call.session, call.access, asked.count, wanted, start)
    disclosures.record(call.session, call.access, call.asked, told.page.matches, further=told.detail)
    return asked, told.page


def _answering(address: Address, deed: Deed) -> Deed:
    """The view of one address: other methods and unknown types refused, problems answered, refusals recorded."""

    @wraps(deed)
    def view(**named: str) -> Response:
        try:
            method = web.request_itself().method
            _require_offered(address, named, method)
            return responses.preflight(address.allowed) if method == "OPTIONS" else deed(**named)
        except FhirProblem as problem:
            calls.record_refusal(problem.status)
            return responses.of_problem(problem)
        except TokenProblem as problem:
            calls.record_refusal(problem.status)
            return responses.of_token_problem(problem)

    return view


def _require_offered(address: Address, named: dict[str, str], method: str) -> None:
    if address.setting and not address.is_there(switched_on(web.settings())):
        raise NotFound("There is nothing at this address.")
    resource_type = named.get("resource_type")
    if resource_type is not None and resource_type not in TYPES:
        raise NotFound("No such resource type.")
    if method != "OPTIONS" and not address.takes(method):
        raise MethodNotAllowed(address.allowed)


_DEEDS: dict[str, Deed] = {
    "capabilities": capabilities, "search": search, "search_by_post": search_by_post, "read": read, "vread": vread,
    "history": history, "search_payments": search_payments, "search_payments_by_post": search_payments_by_post,
    "read_payment": read_payment, "read_person": read_person, **operations.DEEDS, **groups.DEEDS, **bulk.DEEDS,
}  # fmt: skip

bases.offer(blueprint, EVERY_ADDRESS, lambda address: _answering(address, _DEEDS[address.endpoint]))
