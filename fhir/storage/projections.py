"""Resources that are rendered on read from rows of ours: a representative as the member's RelatedPerson."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.models import Basis, RepresentativeLink
from consent.policy import Access
from service.db import from_microseconds, microseconds

_ROLE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
_ROLES = {
    Basis.PARENT: ("PRN", "parent"),
    Basis.GUARDIAN: ("GUARD", "guardian"),
    Basis.POWER_OF_ATTORNEY: ("POWATT", "power of attorney"),
    Basis.CONSERVATOR: ("GUARD", "guardian"),
    Basis.EXECUTOR: ("EXCEST", "executor of estate"),
}
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-relatedperson|6.1.0"


@dataclass(frozen=True, slots=True)
class Projection:
    """A rendered resource with its version and the moment (microseconds since 1970) it got so."""

    version: int
    last_updated: int
    body: bytes


def related_person(session: Session, access: Access) -> Projection | None:
    """The RelatedPerson of the representative who acts under this access; None where nobody represents."""
    if access.related_person_id is None:
        return None
    statement = select(RepresentativeLink).where(RepresentativeLink.related_person_id == access.related_person_id)
    link = session.scalar(statement)
    if link is None:
        return None
    return Projection(link.version, microseconds(link.valid_from), orjson.dumps(_render(link)))


def instant_text(moment: int) -> str:
    """An instant (microseconds since 1970) as FHIR writes it, to the millisecond: `2026-11-22T07:06:00.123Z`."""
    return from_microseconds(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _render(link: RepresentativeLink) -> dict[str, Any]:
    code, display = _ROLES[link.basis]
    person = link.representative
    period = {"start": _day(link.valid_from), "end": _day(link.valid_until)}
    changed = instant_text(microseconds(link.valid_from))
    return {
        "resourceType": "RelatedPerson",
        "id": link.related_person_id,
        "meta": {"versionId": str(link.version), "lastUpdated": changed, "profile": [_US_CORE]},
        "active": link.ended_at is None,
        "patient": {"reference": f"Patient/{link.member.patient_id}"},
        "relationship": [{"coding": [{"system": _ROLE_SYSTEM, "code": code, "display": display}]}],
        "name": [{"family": person.family_name, "given": [person.given_name]}],
        "period": {name: day for name, day in period.items() if day},
    }


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else str(moment.date())
