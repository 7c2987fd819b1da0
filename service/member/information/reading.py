"""Reads parts of the record that a person looks at, under the Access of that person, each with its audit row.

A page asks for what it shows by one statement, and by a second one for the names of people and places in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy.orm import Session

from consent.policy import Access, own_record
from fhir import store, whole_record
from fhir.search.dates import Span, span
from fhir.storage.results import Page, Resource
from service import audit
from service.member.acting import Actor
from service.member.information import claims_shown, cost_words, entries, measurements
from service.member.information.claims_shown import ShownClaim
from service.member.information.elements import Names
from service.member.information.entries import Entry
from service.member.information.measurements import Measurement
from service.member.information.sections import CLAIMS, RESULTS, Section
from service.plan.models import Member

MOST = 2_000
"""Records that one page is made of. A page says when there are more; the download has them all."""


class NoSuchRecord(Exception):
    """There is no such record, or not one that this person may see."""


@dataclass(frozen=True)
class Found:
    """What a page shows. `more` tells that older records were left out."""

    more: bool
    entries: Sequence[Entry] = ()
    claims: Sequence[ShownClaim] = ()
    results: Sequence[tuple[str, list[Measurement]]] = ()


def access_of(actor: Actor) -> Access:
    """What this person may see of the member's record: all of one's own, of another's what the link says."""
    return own_record(actor.account, actor.choice)


def tallies(session: Session, actor: Actor) -> dict[str, int]:
    """How many records of each type there are."""
    found = store.tally(session, access_of(actor))
    _note(session, actor, "overview", sum(one.number for one in found.values()))
    return {resource_type: one.number for (resource_type, _part), one in found.items()}


def profile(session: Session, actor: Actor) -> Member:
    """Whom the plan has on file, with the address, phone number and e-mail."""
    _note(session, actor, "profile", 1)
    return actor.choice.member


def listed(session: Session, actor: Actor, section: Section) -> Found:
    """The records of a plain list, the newest first."""
    page = _newest(session, actor, section)
    names = _names(page)
    return Found(page.following is not None, entries=entries.read(map(_json, page.matches), names))


def claims(session: Session, actor: Actor, year: int | None = None) -> Found:
    """The claims of one year, or of all, the newest first."""
    page = _newest(session, actor, CLAIMS, span(f"{year:04}") if year else None)
    names, costs = _names(page), cost_words.spoken_to(actor.choice)
    return Found(page.following is not None, claims=[claims_shown.read(one.body, names, costs) for one in page.matches])


def claim(session: Session, actor: Actor, claim_id: str) -> ShownClaim:
    """One claim in full; raises NoSuchRecord."""
    page = _one(session, actor, CLAIMS, "ExplanationOfBenefit", claim_id)
    return claims_shown.read(page.matches[0].body, _names(page), cost_words.spoken_to(actor.choice), in_full=True)


def results(session: Session, actor: Actor) -> Found:
    """Everything measured, under its heads."""
    page = _newest(session, actor, RESULTS)
    return Found(page.following is not None, results=measurements.together(map(_json, page.matches)))


def measurement(session: Session, actor: Actor, observation_id: str) -> Measurement:
    """All values of what an observation measured; raises NoSuchRecord."""
    page = whole_record.newest(session, access_of(actor), RESULTS.resource_types, MOST)
    found = measurements.of_observation(map(_json, page.matches), observation_id)
    if found is None:
        raise NoSuchRecord
    _note(session, actor, RESULTS.key, len(found.values), page.matches[0].type)
    return found


def record_with_file(
    session: Session, actor: Actor, section: Section, resource_type: str, resource_id: str
) -> dict[str, Any]:
    """A record that holds a file, as JSON; raises NoSuchRecord."""
    if resource_type not in section.resource_types:
        raise NoSuchRecord
    return _json(_one(session, actor, section, resource_type, resource_id).matches[0])


def _newest(session: Session, actor: Actor, section: Section, during: Span | None = None) -> Page:
    access = access_of(actor)
    if not any(whole_record.reaches(access, one) for one in section.resource_types):
        raise NoSuchRecord
    page = whole_record.newest(session, access, section.resource_types, MOST, during=during, naming=section.naming)
    _note(session, actor, section.key, len(page.matches))
    return page


def _one(session: Session, actor: Actor, section: Section, resource_type: str, resource_id: str) -> Page:
    page = whole_record.find(session, access_of(actor), resource_type, resource_id, naming=section.naming)
    if not page.matches:
        raise NoSuchRecord
    _note(session, actor, section.key, 1, resource_type)
    return page


def _note(session: Session, actor: Actor, section: str, count: int, resource_type: str | None = None) -> None:
    link = actor.choice.link
    audit.record(
        session, "member:information:view", account_id=actor.account.id, member_id=actor.choice.member.id,
        link_id=link.id if link else None, resource_type=resource_type, count=count, detail={"section": section},
    )  # fmt: skip


def _names(page: Page) -> Names:
    return Names.of(map(_json, page.included))


def _json(resource: Resource) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(resource.body)
    return found
