"""What stands at the addresses of operations: read the inputs, ask, tell the audit stream, answer."""

from collections.abc import Callable, Mapping

from flask import Response, request
from flask.globals import request_ctx

from fhir import calls
from fhir.answers import bundles, disclosures, negotiation, responses
from fhir.answers.negotiation import Handling
from fhir.calls import Given
from fhir.operations import batch, docref, everything, inputs, member_match
from fhir.search.query import Search
from fhir.storage.results import Page
from service import web


def whole_record(resource_id: str) -> Response:
    """A page of all of a member's record, or of what of it is asked for."""
    content_type = negotiation.content_type(request_ctx.request)
    call = calls.begin("Patient", "everything", resource_id)
    given, strict = inputs.read().given, negotiation.handling(request) is Handling.STRICT
    place = f"Patient/{resource_id}/$everything"
    link = calls.page_link(call.access, place, given)
    call.asked.note(link.given if link else given)
    asked = everything.parse(link.given if link else given, strict=strict)
    if asked.count == 0:
        page = Page((), total=everything.total(call, resource_id, asked))
    else:
        page = everything.page(call, resource_id, asked, link.start if link else None)
    disclosures.record(call.session, call.access, call.asked, [*page.matches, *page.included], total=page.total)
    body = bundles.searchset(
        web.settings().fhir_base,
        Search("Patient", ignored=asked.ignored),
        page,
        own_link=calls.own_link(place, asked.used, link),
        next_link=calls.next_link(call.access, place, asked.used, page.following),
    )
    return responses.of_body(body, content_type)


def documents() -> Response:
    """The documents of a patient."""
    content_type = negotiation.content_type(request_ctx.request)
    call = calls.begin(docref.TYPE, "docref")
    given = inputs.read().given
    place = f"{docref.TYPE}/$docref"
    link = calls.page_link(call.access, place, given)
    call.asked.note(link.given if link else given)
    asked = _documents_asked(link.given if link else given, call)
    page = docref.page(call, asked, link.start if link else None)
    disclosures.record(call.session, call.access, call.asked, page.matches)
    body = bundles.searchset(
        web.settings().fhir_base,
        asked.search,
        page,
        own_link=calls.own_link(place, asked.search.used, link),
        next_link=calls.next_link(call.access, place, asked.search.used, page.following),
    )
    return responses.of_body(body, content_type)


def several() -> Response:
    """A batch of reads and searches."""
    content_type = negotiation.content_type(request_ctx.request)
    calls.begin("Bundle", "batch")
    return responses.of_body(batch.answer(inputs.json_body()), content_type)


def match() -> Response:
    """The member whom another payer describes."""
    content_type = negotiation.content_type(request_ctx.request)
    call = calls.begin("Patient", "member-match")
    body, patient_id = member_match.match(call, inputs.read())
    call.asked.resource_id = patient_id
    disclosures.record(call.session, call.access, call.asked, ())
    return responses.of_body(body, content_type)


def _documents_asked(given: Given, call: calls.Call) -> docref.Asked:
    strict = negotiation.handling(request) is Handling.STRICT
    base, context = web.settings().fhir_base, call.access.patient_ids
    return docref.parse(given, base=base, context=context, strict=strict)


DEEDS: Mapping[str, Callable[..., Response]] = {
    "everything": whole_record, "docref": documents, "base": several, "base_with_slash": several, "member_match": match,
}  # fmt: skip
"""By endpoint, for the router."""
