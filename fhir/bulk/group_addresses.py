"""What stands at the addresses of Groups."""

from collections.abc import Callable, Mapping

from flask import Response, request
from flask.globals import request_ctx

from fhir import calls
from fhir.answers import bundles, disclosures, negotiation, responses
from fhir.answers.negotiation import Handling
from fhir.bulk import groups
from fhir.calls import Given
from fhir.outcomes import NotSupported
from fhir.search.query import TRANSPORT, Search, shown
from fhir.storage.results import Page
from service import web


def read(resource_id: str) -> Response:
    """One list."""
    content_type = negotiation.content_type(request_ctx.request)
    call = calls.begin(groups.TYPE, "read", resource_id)
    found = groups.read(call.session, call.access, web.settings(), resource_id)
    disclosures.record(call.session, call.access, call.asked, [found])
    # Never 304: merges and opt-outs change for whom a list stands, without a new version of the list.
    return responses.of_body(found.body, content_type)


def search() -> Response:
    """The lists that are asked for, by GET."""
    return _search(calls.of_address())


def search_by_post() -> Response:
    """The same by POST."""
    return _search(calls.of_form())


def _search(given: Given) -> Response:
    content_type = negotiation.content_type(request_ctx.request)
    call = calls.begin(groups.TYPE, "search")
    call.asked.note(given)
    asked, ids, names = _parse(given, strict=negotiation.handling(request) is Handling.STRICT)
    found = groups.search(call.session, call.access, web.settings(), ids=ids, names=names)
    page = Page(tuple(found), total=len(found))
    disclosures.record(call.session, call.access, call.asked, found)
    own = bundles.search_link(web.settings().fhir_base, groups.TYPE, asked.used)
    return responses.of_body(
        bundles.searchset(web.settings().fhir_base, asked, page, own_link=own, next_link=None), content_type
    )


def _parse(given: Given, *, strict: bool) -> tuple[Search, list[str] | None, list[list[str]]]:
    used: list[tuple[str, str]] = []
    ignored: list[str] = []
    for name, value in given:
        if value == "" or name in TRANSPORT:
            continue
        if name in {"_id", "name"}:
            used.append((name, value))
        elif strict or name.partition(":")[0] in {"_id", "name"}:
            raise NotSupported(f"The parameter {shown(name)} is not supported.", expression=shown(name))
        else:
            ignored.append(shown(name))
    by_id = [set(value.split(",")) for name, value in used if name == "_id"]
    ids = sorted(set.intersection(*by_id)) if by_id else None
    names = [[one for one in value.split(",") if one] for name, value in used if name == "name"]
    return Search(groups.TYPE, used=tuple(used), ignored=tuple(ignored)), ids, names


DEEDS: Mapping[str, Callable[..., Response]] = {
    "read_group": read, "search_groups": search, "search_groups_by_post": search_by_post,
}  # fmt: skip
"""By endpoint, for the router."""
