"""What an approved change of a provider's profile means for the provider directory, written at once.

The directory is FHIR: Practitioner and PractitionerRole for a person at a group, Location for a place. A resource that
is there is changed where the profile says something and kept otherwise.
"""

from typing import Any, TypeVar

import orjson
from sqlalchemy.orm import Session

from consent.policy import Access, plan_system
from fhir import store
from fhir.outcomes import Gone, NotFound
from fhir.search import query as search
from service.clock import now
from service.plan.models import (
    Practitioner,
    PractitionerAffiliation,
    ProfileChange,
    ProfileChangeKind,
    ProviderAddress,
    ProviderGroup,
)
from service.plan.providers.provider_profiles import NotOfTheGroup

_Row = TypeVar("_Row", Practitioner, ProviderAddress)
_NPI = "http://hl7.org/fhir/sid/us-npi"
_TAXONOMY = "http://nucc.org/provider-taxonomy"
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_GENDERS = frozenset({"male", "female", "other", "unknown"})
_ROLES_AT_MOST = 50
_PEOPLE = frozenset({ProfileChangeKind.ADD_PRACTITIONER, ProfileChangeKind.CHANGE_PRACTITIONER})
_PLACES = frozenset({
    ProfileChangeKind.ADD_LOCATION, ProfileChangeKind.CHANGE_LOCATION, ProfileChangeKind.REMOVE_LOCATION,
})  # fmt: skip


def publish(session: Session, change: ProfileChange, group: ProviderGroup) -> None:
    """Bring the directory in step with an approved change, in the same transaction. A group without a FHIR id has no
    entry of its own; its people and places then stand without one. Raises NotOfTheGroup: the row is gone meanwhile."""
    access = plan_system("provider profile change")
    if change.kind in _PEOPLE:
        person = _row(session, Practitioner, change)
        _put_practitioner(session, access, person)
        if change.kind is ProfileChangeKind.ADD_PRACTITIONER:
            _put_role(session, access, person, group, active=True)
    elif change.kind is ProfileChangeKind.REMOVE_PRACTITIONER:
        _put_role(session, access, _row(session, Practitioner, change), group, active=False)
    elif change.kind in _PLACES:
        _put_location(session, access, _row(session, ProviderAddress, change), group)


def _row(session: Session, kind: type[_Row], change: ProfileChange) -> _Row:
    found = session.get(kind, change.subject_id) if change.subject_id else None
    if found is None:
        raise NotOfTheGroup
    return found


def _put_practitioner(session: Session, access: Access, person: Practitioner) -> None:
    standing = _find(session, access, "Practitioner", person.practitioner_id)
    made = {
        **standing,
        "resourceType": "Practitioner",
        "id": person.practitioner_id,
        "meta": standing.get("meta") or {"profile": [f"{_US_CORE}practitioner"]},
        "identifier": standing.get("identifier") or [{"system": _NPI, "value": person.npi}],
        "active": True,
        "name": [{"use": "official", "family": person.family_name, "given": person.given_name.split()}],
    }
    if person.gender in _GENDERS:
        made["gender"] = person.gender
    store.put(session, access, made)


def _put_role(session: Session, access: Access, person: Practitioner, group: ProviderGroup, *, active: bool) -> None:
    standing = _find_roles(session, access, person, group)
    if not standing and not active:
        return
    for role in standing or [_new_role(session, person, group)]:
        role["active"] = active
        if not active:
            role["period"] = {**role.get("period", {}), "end": str(now().date())}
        store.put(session, access, role)


def _new_role(session: Session, person: Practitioner, group: ProviderGroup) -> dict[str, Any]:
    affiliation = session.query(PractitionerAffiliation).filter_by(group_id=group.id, practitioner_id=person.id)
    newest = affiliation.order_by(PractitionerAffiliation.starts_on.desc()).first()
    assert newest is not None
    role: dict[str, Any] = {
        "resourceType": "PractitionerRole",
        "id": newest.id,
        "meta": {"profile": [f"{_US_CORE}practitionerrole"]},
        "period": {"start": str(newest.starts_on)},
        "practitioner": {"reference": f"Practitioner/{person.practitioner_id}", "display": person.full_name},
    }
    if group.organization_id:
        role["organization"] = {"reference": f"Organization/{group.organization_id}", "display": group.name}
    if person.taxonomy:
        # The words of the taxonomy belong to its owner: the bare code.
        role["specialty"] = [{"coding": [{"system": _TAXONOMY, "code": person.taxonomy}]}]
    if group.phone:
        role["telecom"] = [{"system": "phone", "value": group.phone, "use": "work"}]
    return role


def _find_roles(session: Session, access: Access, person: Practitioner, group: ProviderGroup) -> list[dict[str, Any]]:
    wanted = [("practitioner", f"Practitioner/{person.practitioner_id}"), ("_count", str(_ROLES_AT_MOST))]
    asked = search.parse("PractitionerRole", wanted, base="", patient_ids=None, strict=True)
    found = [orjson.loads(one.body) for one in store.search(session, access, asked).matches]
    here = f"Organization/{group.organization_id}"
    return [role for role in found if role.get("organization", {}).get("reference") == here]


def _put_location(session: Session, access: Access, place: ProviderAddress, group: ProviderGroup) -> None:
    if place.location_id is None:
        place.location_id = place.id
    standing = _find(session, access, "Location", place.location_id)
    made = {
        **standing,
        "resourceType": "Location",
        "id": place.location_id,
        "meta": standing.get("meta") or {"profile": [f"{_US_CORE}location"]},
        "status": "active" if place.current else "inactive",
        "name": place.name or group.name,
        "address": {
            "line": [place.line], "city": place.city, "state": place.state, "postalCode": place.zip_code,
            "country": "US",
        },
    }  # fmt: skip
    if place.phone:
        made["telecom"] = [{"system": "phone", "value": place.phone, "use": "work"}]
    if group.organization_id:
        made["managingOrganization"] = {"reference": f"Organization/{group.organization_id}", "display": group.name}
    store.put(session, access, made)


def _find(session: Session, access: Access, resource_type: str, resource_id: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(store.read(session, access, resource_type, resource_id).body)
    except (NotFound, Gone):
        return {}
    return found
