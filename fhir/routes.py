"""The FHIR API: read-only, under the Access of the token, every disclosure recorded before it is sent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps

from flask import Blueprint, Flask, Response, g, request
from flask.globals import request_ctx
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir import store
from fhir.answers import bundles, disclosures, negotiation, paging, responses
from fhir.answers.negotiation import Handling
from fhir.compartment import TYPES
from fhir.description import capability
from fhir.interactions import ADDRESSES, METHODS, PAYMENT_ADDRESSES, PERSON_ADDRESSES, Address
from fhir.outcomes import BadRequest, FhirProblem, MethodNotAllowed, NotFound, UnsupportedBody
from fhir.payments import inquiry as payments
from fhir.search import query as searching
from oauth import discovery
from oauth.tokens.protector import access_for_request
from oauth.tokens.token_problems import TokenProblem
from service import web
from service.settings import Settings

PREFIX = "/fhir/r4"
blueprint = Blueprint("fhir", __name__, url_prefix=PREFIX)
# Tokens, not cookies, say who calls.
web.csrf.exempt(blueprint)
_FORM = "application/x-www-form-urlencoded"

Deed = Callable[..., Response]


def install(app: Flask) -> None:
    """Answer HTTP errors under the API's base by OperationOutcome."""
    web.render_errors_under(app, PREFIX, responses.of_http_error)


def capabilities() -> Response:
    """The CapabilityStatement; open, may be cached."""
    content_type = negotiation.content_type(request_ctx.request)
    body = capability.statement(web.settings().fhir_base, discovery.describe(web.settings()))
    return responses.of_body(body, content_type, [("Cache-Control", "public, max-age=300")])


def search(resource_type: str) -> Response:
    """Type search by GET."""
    return _search(resource_type, list(request.args.items(multi=True)))


def search_by_post(resource_type: str) -> Response:
    """Type search by POST: parameters of the form and of the address together."""
    if request.mimetype not in {"", _FORM} or (request.mimetype == "" and request.content_length):
        raise UnsupportedBody
    given = [*request.args.items(multi=True), *request.form.items(multi=True)]
    return _search(resource_type, given)


def read(resource_type: str, resource_id: str) -> Response:
    """The current version of a resource."""
    content_type = negotiation.content_type(request_ctx.request)
    call = _begin(resource_type, "read", resource_id)
    return _disclose(call, store.read(call.session, call.access, resource_type, resource_id), content_type)


def vread(resource_type: str, resource_id: str, version: str) -> Response:
    """One version of a resource."""
    content_type = negotiation.content_type(request_ctx.request)
    call = _begin(resource_type, "vread", resource_id)
    return _disclose(call, store.vread(call.session, call.access, resource_type, resource_id, version), content_type)


def history(resource_type: str, resource_id: str) -> Response:
    """The versions of a resource."""
    content_type = negotiation.content_type(request_ctx.request)
    call = _begin(resource_type, "history", resource_id)
    versions = store.history(call.session, call.access, resource_type, resource_id)
    disclosures.record(call.session, call.access, call.asked, versions)
    base = web.settings().fhir_base
    body = bundles.history(base, versions, own_link=f"{base}/{resource_type}/{resource_id}/_history")
    return responses.of_body(body, content_type)


def search_payments() -> Response:
    """Search of a provider's payments by GET."""
    return _search(payments.TYPE, list(request.args.items(multi=True)))


def search_payments_by_post() -> Response:
    """The same by POST."""
    return search_by_post(payments.TYPE)


def read_payment(resource_id: str) -> Response:
    """One payment. It has no versions: names of its provider may change, and are rendered as they are now."""
    content_type = negotiation.content_type(request_ctx.request)
    call = _begin(payments.TYPE, "read", resource_id)
    told = payments.read(call.session, call.access, resource_id)
    disclosures.record(call.session, call.access, call.asked, told.page.matches, further=told.detail)
    return responses.of_body(told.page.matches[0].body, content_type)


def read_person(resource_id: str) -> Response:
    """The representative of several members who is in front of us."""
    content_type = negotiation.content_type(request_ctx.request)
    call = _begin("Person", "read", resource_id)
    return _disclose(call, store.read_person(call.session, call.access, resource_id), content_type)


@dataclass(frozen=True, slots=True)
class _Call:
    """A request whose token is good."""

    session: Session
    access: Access
    asked: disclosures.Asked


def _begin(resource_type: str, interaction: str, resource_id: str = "") -> _Call:
    session = web.reading_session()
    asked = disclosures.Asked(resource_type, interaction, resource_id)
    call = _Call(session, access_for_request(session), asked)
    g.fhir_call = call
    return call


def _disclose(call: _Call, resource: store.Resource, content_type: str) -> Response:
    response = responses.of_resource(resource, content_type)
    sent = [resource] if response.status_code == 200 else []
    disclosures.record(call.session, call.access, call.asked, sent)
    return response


def _search(resource_type: str, given: Sequence[tuple[str, str]]) -> Response:
    content_type = negotiation.content_type(request_ctx.request)
    call = _begin(resource_type, "search")
    settings, handling = web.settings(), negotiation.handling(request)
    link = _page_link(settings, call.access, resource_type, given)
    call.asked.note(link.given if link else given)
    find = _find_payments if resource_type == payments.TYPE else _find_stored
    asked, page = find(call, link.given if link else given, link.start if link else None, handling is Handling.STRICT)
    own = [("_page", link.text)] if link else asked.used
    body = bundles.searchset(
        settings.fhir_base,
        asked,
        page,
        own_link=bundles.search_link(settings.fhir_base, resource_type, own),
        next_link=_next_link(settings, call.access, asked, page),
    )
    applied = [("Preference-Applied", f"handling={handling}")] if handling is not None else []
    return responses.of_body(body, content_type, applied)


def _find_stored(
    call: _Call, given: Sequence[tuple[str, str]], start: store.Cursor | None, strict: bool
) -> tuple[searching.Search, store.Page]:
    base, patient_ids = web.settings().fhir_base, call.access.patient_ids
    asked = searching.parse(call.asked.resource_type, given, base=base, patient_ids=patient_ids, strict=strict)
    page = store.search(call.session, call.access, asked, start)
    disclosures.record(call.session, call.access, call.asked, [*page.matches, *page.included], total=page.total)
    return asked, page


def _find_payments(
    call: _Call, given: Sequence[tuple[str, str]], start: store.Cursor | None, strict: bool
) -> tuple[searching.Search, store.Page]:
    asked, wanted = payments.parse(given, strict=strict)
    told = payments.search(call.session, call.access, asked.count, wanted, start)
    disclosures.record(call.session, call.access, call.asked, told.page.matches, further=told.detail)
    return asked, told.page


def _page_link(
    settings: Settings, access: Access, resource_type: str, given: Sequence[tuple[str, str]]
) -> paging.PageLink | None:
    tokens = [value for name, value in given if name == "_page"]
    if not tokens:
        return None
    # A link holds the whole search: what stands beside it would not be answered.
    if len(tokens) > 1 or any(name not in {"_page", *searching.TRANSPORT} for name, _ in given):
        raise BadRequest("Follow a page link as it is, without other parameters.", expression="_page")
    return paging.unseal(settings.secret_key, access, resource_type, tokens[0])


def _next_link(settings: Settings, access: Access, asked: searching.Search, page: store.Page) -> str | None:
    if page.following is None:
        return None
    sealed = paging.seal(settings.secret_key, access, asked.resource_type, asked.used, page.following)
    return bundles.search_link(settings.fhir_base, asked.resource_type, [("_page", sealed)])


def _answering(address: Address, deed: Deed) -> Deed:
    """The view of one address: other methods and unknown types refused, problems answered, refusals recorded."""

    @wraps(deed)
    def view(**named: str) -> Response:
        try:
            method = request_ctx.request.method
            _require_offered(address, named, method)
            return responses.preflight(address.allowed) if method == "OPTIONS" else deed(**named)
        except FhirProblem as problem:
            _record_refusal(problem.status)
            return responses.of_problem(problem)
        except TokenProblem as problem:
            _record_refusal(problem.status)
            return responses.of_token_problem(problem)

    return view


def _require_offered(address: Address, named: dict[str, str], method: str) -> None:
    resource_type = named.get("resource_type")
    if resource_type is not None and resource_type not in TYPES:
        raise NotFound("No such resource type.")
    if method != "OPTIONS" and ("GET" if method == "HEAD" else method) not in address.offered:
        raise MethodNotAllowed(address.allowed)


def _record_refusal(status: int) -> None:
    call: _Call | None = g.get("fhir_call")
    if call is not None and status in {403, 404, 410}:
        disclosures.record_refusal(call.session, call.access, call.asked, status)


def _nowhere(rest: str = "") -> Response:
    return responses.of_problem(NotFound("There is nothing at this address."))


_DEEDS: dict[str, Deed] = {
    "capabilities": capabilities, "search": search, "search_by_post": search_by_post, "read": read, "vread": vread,
    "history": history, "search_payments": search_payments, "search_payments_by_post": search_payments_by_post,
    "read_payment": read_payment, "read_person": read_person,
}  # fmt: skip

blueprint.add_url_rule(
    "/<path:rest>", "nowhere", _nowhere, methods=METHODS, provide_automatic_options=False, merge_slashes=False
)
for _address in (*ADDRESSES, *PAYMENT_ADDRESSES, *PERSON_ADDRESSES):
    # Addresses are canonical: no doubled or trailing slash leads anywhere.
    blueprint.add_url_rule(
        _address.rule,
        _address.endpoint,
        _answering(_address, _DEEDS.get(_address.endpoint, _nowhere)),
        methods=METHODS,
        provide_automatic_options=False,
        merge_slashes=False,
        strict_slashes=True,
    )
