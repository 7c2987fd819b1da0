"""The members' FHIR API: read-only, under the Access of the token, every disclosure recorded before it is sent."""

from collections.abc import Callable, Sequence
from functools import wraps

from flask import Blueprint, Flask, Response, g, request

from consent.policy import Access
from fhir import answers, bundles, capability, disclosures, negotiation, paging, store
from fhir import search as searching
from fhir.compartment import TYPES
from fhir.interactions import ADDRESSES, METHODS, Address
from fhir.negotiation import Handling
from fhir.outcomes import BadRequest, FhirProblem, MethodNotAllowed, NotFound, UnsupportedBody
from oauth import discovery
from oauth.protector import access_for_request
from oauth.token_problems import TokenProblem
from service import web

PREFIX = "/fhir/r4"
blueprint = Blueprint("fhir", __name__, url_prefix=PREFIX)
# Tokens, not cookies, say who calls.
web.csrf.exempt(blueprint)
_FORM = "application/x-www-form-urlencoded"

Deed = Callable[..., Response]


def install(app: Flask) -> None:
    """Answer HTTP errors under the API's base by OperationOutcome."""
    web.render_errors_under(app, PREFIX, answers.of_http_error)


@blueprint.after_request
def _finish(response: Response) -> Response:
    return answers.for_every_origin(response)


def capabilities() -> Response:
    """The CapabilityStatement; open, may be cached."""
    content_type = negotiation.content_type(request)
    body = capability.statement(web.settings().fhir_base, discovery.describe(web.settings()))
    response = Response(body, content_type=content_type)
    response.headers["Cache-Control"] = "public, max-age=300"
    return answers.compress(response)


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
    content_type = negotiation.content_type(request)
    access = _access(resource_type, "read", resource_id)
    return _disclose(access, store.read(web.db_session(), access, resource_type, resource_id), content_type)


def vread(resource_type: str, resource_id: str, version: str) -> Response:
    """One version of a resource."""
    content_type = negotiation.content_type(request)
    access = _access(resource_type, "vread", resource_id)
    found = store.vread(web.db_session(), access, resource_type, resource_id, version)
    return _disclose(access, found, content_type)


def history(resource_type: str, resource_id: str) -> Response:
    """The versions of a resource."""
    content_type = negotiation.content_type(request)
    access = _access(resource_type, "history", resource_id)
    versions = store.history(web.db_session(), access, resource_type, resource_id)
    disclosures.record(web.db_session(), access, _asked(), versions)
    link = f"{web.settings().fhir_base}/{resource_type}/{resource_id}/_history"
    body = bundles.history(web.settings().fhir_base, versions, own_link=link)
    return answers.compress(Response(body, content_type=content_type))


def _search(resource_type: str, given: Sequence[tuple[str, str]]) -> Response:
    content_type = negotiation.content_type(request)
    access = _access(resource_type, "search")
    settings = web.settings()
    handling = negotiation.handling(request)
    start, own = None, None
    if tokens := [value for name, value in given if name == "_page"]:
        link = paging.unseal(settings.secret_key, access, resource_type, _single(tokens))
        given, start, own = link.given, link.start, [("_page", tokens[0])]
    _asked().note(given)
    asked = searching.parse(
        resource_type, given, base=settings.fhir_base, patient_ids=access.patient_ids,
        strict=handling is Handling.STRICT,
    )  # fmt: skip
    page = store.search(web.db_session(), access, asked, start)
    disclosures.record(web.db_session(), access, _asked(), [*page.matches, *page.included], total=page.total)
    following = None
    if page.following is not None:
        sealed = paging.seal(settings.secret_key, access, resource_type, asked.used, page.following)
        following = bundles.search_link(settings.fhir_base, resource_type, [("_page", sealed)])
    own_link = bundles.search_link(settings.fhir_base, resource_type, own or asked.used)
    body = bundles.searchset(settings.fhir_base, asked, page, own_link=own_link, next_link=following)
    response = Response(body, content_type=content_type)
    if handling is not None:
        response.headers["Preference-Applied"] = f"handling={handling}"
    return answers.compress(response)


def _disclose(access: Access, resource: store.Resource, content_type: str) -> Response:
    response = answers.of_resource(resource, content_type)
    sent = [resource] if response.status_code == 200 else []
    disclosures.record(web.db_session(), access, _asked(), sent)
    return answers.compress(response)


def _access(resource_type: str, interaction: str, resource_id: str = "") -> Access:
    access = access_for_request(web.reading_session())
    g.fhir_asked = disclosures.Asked(resource_type, interaction, resource_id)
    g.fhir_access = access
    return access


def _asked() -> disclosures.Asked:
    found: disclosures.Asked = g.fhir_asked
    return found


def _single(values: Sequence[str]) -> str:
    if len(values) > 1:
        raise BadRequest("Follow one page link at a time.", expression="_page")
    return values[0]


def _answering(address: Address, deed: Deed) -> Deed:
    """The view of one address: other methods and unknown types refused, problems answered, refusals recorded."""

    @wraps(deed)
    def view(**named: str) -> Response:
        try:
            _require_offered(address, named)
            return answers.preflight(address.allowed) if request.method == "OPTIONS" else deed(**named)
        except FhirProblem as problem:
            _record_refusal(problem.status)
            return answers.of_problem(problem)
        except TokenProblem as problem:
            _record_refusal(problem.status)
            return answers.of_token_problem(problem)

    return view


def _require_offered(address: Address, named: dict[str, str]) -> None:
    resource_type = named.get("resource_type")
    if resource_type is not None and resource_type not in TYPES:
        raise NotFound("No such resource type.")
    method = "GET" if request.method == "HEAD" else request.method
    if method != "OPTIONS" and method not in address.offered:
        raise MethodNotAllowed(address.allowed)


def _record_refusal(status: int) -> None:
    if "fhir_access" in g and status in {403, 404, 410}:
        disclosures.record_refusal(web.db_session(), g.fhir_access, _asked(), status)


def _nowhere(rest: str = "") -> Response:
    return answers.of_problem(NotFound("There is nothing at this address."))


_DEEDS: dict[str, Deed] = {
    "capabilities": capabilities, "search": search, "search_by_post": search_by_post, "read": read, "vread": vread,
    "history": history,
}  # fmt: skip

blueprint.add_url_rule(
    "/<path:rest>", "nowhere", _nowhere, methods=METHODS, provide_automatic_options=False, merge_slashes=False
)
for _address in ADDRESSES:
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
