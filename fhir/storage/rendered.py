"""Types that are rendered on read from rows of ours and never stored: found and searched as stored ones are."""

from collections.abc import Callable, Mapping

from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.search.query import Search
from fhir.storage import audit_events, consents
from fhir.storage.results import Cursor, Page, Resource

_FIND: Mapping[str, Callable[[Session, Access, str], Resource | None]] = {
    audit_events.TYPE: audit_events.find,
    consents.TYPE: consents.find,
}
_SEARCH: Mapping[str, Callable[[Session, Access, Search, Cursor | None], Page]] = {
    audit_events.TYPE: audit_events.search,
    consents.TYPE: consents.search,
}


def find(session: Session, access: Access, resource_type: str, resource_id: str) -> Resource | None:
    """The resource as it is now; None where there is none that the access reaches."""
    return _FIND[resource_type](session, access, resource_id)


def search(session: Session, access: Access, asked: Search, start: Cursor | None) -> Page:
    """One page of matches, without what they include."""
    return _SEARCH[asked.resource_type](session, access, asked, start)
