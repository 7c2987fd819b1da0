"""A call of the API whose token is good: its session, its Access, and what the audit stream is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import g, request
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.answers import bundles, disclosures, paging
from fhir.outcomes import BadRequest, TooManyRequests, UnsupportedBody
from fhir.search.query import TRANSPORT
from fhir.storage.results import Cursor
from oauth import counting
from oauth.tokens.protector import access_for_request
from service import web
from service.watching import tracing

_FORM = "application/x-www-form-urlencoded"
Given = Sequence[tuple[str, str]]
"""Parameters as they came: names and values in order."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose token is good."""

    session: Session
    access: Access
    asked: disclosures.Asked


def begin(resource_type: str, interaction: str, resource_id: str = "") -> Call:
    """The call of the current request; raises a TokenProblem. An entry of a batch has the Access of its batch."""
    session, kept = web.reading_session(), web.notes()
    asked = disclosures.Asked(resource_type, interaction, resource_id)
    with tracing.step("token"):
        access: Access = kept.get("fhir_batch") or access_for_request(session)
    if seconds := web.seconds_to_wait(web.latchstring().limits.app, access.client_id or ""):
        raise TooManyRequests("Too many requests. Wait as long as Retry-After says.", seconds)
    call = Call(session, access, asked)
    kept.fhir_call = call
    return call


def record_refusal(status: int) -> None:
    """Tell the audit stream that the call of this request, if its token was good, was refused."""
    call: Call | None = g.pop("fhir_call", None)
    if call is None:
        return
    if status in {403, 404, 410, 422}:
        disclosures.record_refusal(call.session, call.access, call.asked, status)
    else:
        # Nothing was asked for that could be disclosed: no audit row, but its developers read how often.
        counting.count_later(call.access.client_id or "", f"api:{status}:{call.asked.resource_type}")


def of_address() -> list[tuple[str, str]]:
    """The parameters of the address."""
    return list(web.request_itself().args.items(multi=True))


def of_form() -> list[tuple[str, str]]:
    """The parameters of the address and of the form together; raises UnsupportedBody for another body."""
    if request.mimetype not in {"", _FORM} or (request.mimetype == "" and request.content_length):
        raise UnsupportedBody
    return [*of_address(), *request.form.items(multi=True)]


def page_link(access: Access, place: str, given: Given) -> paging.PageLink | None:
    """The page link among the parameters of a call at `place` below the base, None where there is none."""
    tokens = [value for name, value in given if name == "_page"]
    if not tokens:
        return None
    # A link holds the whole search: what stands beside it would not be answered.
    if len(tokens) > 1 or any(name not in {"_page", *TRANSPORT} for name, _ in given):
        raise BadRequest("Follow a page link as it is, without other parameters.", expression="_page")
    return paging.unseal(web.settings().secret_key, access, place, tokens[0])


def next_link(access: Access, place: str, given: Given, following: Cursor | None, base: str = "") -> str | None:
    """The address of the page after this one, None after the last."""
    if following is None:
        return None
    sealed = paging.seal(web.settings().secret_key, access, place, given, following)
    return bundles.search_link(base or web.settings().fhir_base, place, [("_page", sealed)])


def own_link(place: str, given: Given, link: paging.PageLink | None, base: str = "") -> str:
    """The address of what is answered: of the page, or of the parameters that counted."""
    own = [("_page", link.text)] if link else given
    return bundles.search_link(base or web.settings().fhir_base, place, own)
