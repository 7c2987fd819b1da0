"""Resources that are rendered on read from rows of ours: a representative as RelatedPerson, and as one Person."""

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.models import Basis, RepresentativeLink
from consent.policy import Access
from fhir.search.index import index
from fhir.search.matching import Candidate
from service.db import from_microseconds, microseconds

RELATED_PERSON = "RelatedPerson"
_ROLE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
_ROLES = {
    Basis.PARENT: ("PRN", "parent"),
    Basis.GUARDIAN: ("GUARD", "guardian"),
    Basis.POWER_OF_ATTORNEY: ("POWATT", "power of attorney"),
    Basis.CONSERVATOR: ("GUARD", "guardian"),
    Basis.EXECUTOR: ("EXCEST", "executor of estate"),
}
_BY_PERMISSION = {"system": "http://terminology.hl7.org/CodeSystem/v2-0131", "code": "O", "display": "Other"}
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-relatedperson|6.1.0"


@dataclass(frozen=True, slots=True)
class Projection:
    """A rendered resource with its version and the moment (microseconds since 1970) it got so."""

    version: int
    last_updated: int
    body: bytes


def related_person(session: Session, access: Access) -> Candidate | None:
    """The RelatedPerson of the representative who acts under this access; None where nobody represents."""
    link = _find_link(session, access)
    if link is None:
        return None
    resource = _render(link)
    return Candidate(
        RELATED_PERSON, link.related_person_id, link.member.patient_id, link.version, _changed(link),
        orjson.dumps(resource), index(resource),
    )  # fmt: skip


def person(session: Session, access: Access) -> Projection | None:
    """The Person of a representative of several members; of their RelatedPersons it names the one in context alone."""
    link = _find_link(session, access)
    if link is None or link.representative.person_id is None:
        return None
    return Projection(link.version, _changed(link), orjson.dumps(_render_person(link)))


def _find_link(session: Session, access: Access) -> RepresentativeLink | None:
    if access.related_person_id is None:
        return None
    statement = select(RepresentativeLink).where(RepresentativeLink.related_person_id == access.related_person_id)
    return session.scalar(statement)


def _changed(link: RepresentativeLink) -> int:
    """To the millisecond, as `meta.lastUpdated` tells it."""
    return microseconds(link.changed_at or link.valid_from) // 1_000 * 1_000


def instant_text(moment: int) -> str:
    """An instant (microseconds since 1970) as FHIR writes it, to the millisecond: `2026-11-22T07:06:00.123Z`."""
    return from_microseconds(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _render(link: RepresentativeLink) -> dict[str, Any]:
    person = link.representative
    period = {"start": instant_text(microseconds(link.valid_from))}
    if link.valid_until is not None:
        # FHIR counts the end as within the period; the right is over at that very moment.
        period["end"] = instant_text(microseconds(link.valid_until) - 1)
    return {
        "resourceType": RELATED_PERSON,
        "id": link.related_person_id,
        "meta": {"versionId": str(link.version), "lastUpdated": instant_text(_changed(link)), "profile": [_US_CORE]},
        "active": link.ended_at is None,
        "patient": {"reference": f"Patient/{link.member.patient_id}"},
        "relationship": [{"coding": [_relationship(link.basis)]}],
        "name": [{"family": person.family_name, "given": [person.given_name]}],
        "period": period,
    }


def _relationship(basis: Basis) -> dict[str, str]:
    if basis is Basis.PERMISSION:
        return _BY_PERMISSION
    code, display = _ROLES[basis]
    return {"system": _ROLE_SYSTEM, "code": code, "display": display}


def _render_person(link: RepresentativeLink) -> dict[str, Any]:
    who = link.representative
    return {
        "resourceType": "Person",
        "id": who.person_id,
        "meta": {"versionId": str(link.version), "lastUpdated": instant_text(_changed(link))},
        "active": link.ended_at is None,
        "name": [{"family": who.family_name, "given": [who.given_name]}],
        "link": [{"target": {"reference": f"{RELATED_PERSON}/{link.related_person_id}"}, "assurance": "level3"}],
    }
