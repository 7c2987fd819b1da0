"""The sandbox plan's networks as Plan-Net has them: what it sells, where, and which groups are in which network."""

from collections.abc import Iterator
from datetime import date

from service.sandbox.plan.codes import (
    MERIDIAN,
    PLAN_NET,
    TAXONOMY,
    TERMINOLOGY,
    Resource,
    concept,
    reference,
    us_core_profile,
)
from service.sandbox.plan.coverage import BENEFITS, Benefits
from service.sandbox.plan.identifiers import fhir_id
from service.sandbox.plan.people import STATE
from service.sandbox.plan.providers import (
    Group,
    address_of,
    endpoint_reference,
    known_since,
    network,
    network_reference,
    service_reference,
)

PLAN_ID = f"{MERIDIAN}/plan-id"
_NETWORKS = {"medical": "Meridian Choice Network", "dental": "Meridian Dental Network"}
_SOLD = {
    "Medicaid": ("medihmo", None, ("medical", "dental")),
    "CHIP": (None, None, ("medical", "dental")),
    "Medicare": ("mediadvhmo", "lowdeductible", ("medical",)),
    "Dental only": ("dent", "lowdeductible", ("dental",)),
}
"""By line of business: the kind of product and of its costs where Plan-Net has a code for them, and its networks."""
_KINDS = {
    "behavioral": ("behav", "behavioral"), "dental": ("dent", "other"), "eye": ("vis", "other"),
    "hospital": ("hosp", "hospital"), "pharmacy": ("pharm", "pharmacy"), "mail pharmacy": ("pharm", "pharmacy"),
    "equipment": ("dme", "dme"), "ambulance": ("trans", "transport"), "river clinic": ("outpat", "outpatient"),
    "therapy": ("outpat", "outpatient"),
}  # fmt: skip
_GROUP = ("group", "group")
"""Of every other group: the category of its service, and what it is to its network."""

_SERVICES = {"family medicine": "124", "dental": "88"}
"""Types of service where HL7's list has one that fits: general practice, general dental."""


def entries(seed: int | str, as_of: date) -> Iterator[Resource]:
    """The plan's area, networks and products, and of each contracted group its service and its place in a network."""
    stamp, known = known_since(as_of), network(seed)
    yield _area(seed, stamp)
    for key, name in _NETWORKS.items():
        yield _network(seed, key, name, known.payer, stamp)
    for benefits in BENEFITS.values():
        yield _product(seed, benefits, known.payer, stamp)
    yield _emergency(seed, known.groups["hospital"], stamp)
    for key, group in known.groups.items():
        if (within := network_reference(seed, key)) is not None:
            yield _service(seed, key, group, stamp)
            yield _affiliation(seed, key, group, known.payer, within, stamp)


def _area(seed: int | str, stamp: str) -> Resource:
    return {
        "resourceType": "Location",
        "id": _area_reference(seed).partition("/")[2],
        "meta": {"lastUpdated": stamp, "profile": [us_core_profile("location")]},
        "status": "active",
        "name": "Where Meridian Health Plan is offered",
        "address": {"state": STATE, "country": "US"},
    }


def _network(seed: int | str, key: str, name: str, payer: str, stamp: str) -> Resource:
    url = f"{PLAN_NET}/StructureDefinition/location-reference"
    return {
        "resourceType": "Organization",
        "id": fhir_id(seed, f"network/{key}"),
        "meta": {"lastUpdated": stamp, "profile": [us_core_profile("organization")]},
        "extension": [{"url": url, "valueReference": reference(_area_reference(seed))}],
        "active": True,
        "type": [_concept("OrgTypeCS", "ntwk")],
        "name": name,
        "partOf": reference(payer),
    }


def _product(seed: int | str, benefits: Benefits, payer: str, stamp: str) -> Resource:
    product, costs, networks = _SOLD[benefits.line_of_business]
    number, name = benefits.plan
    kind = _concept("InsuranceProductTypeCS", product) if product else {"text": benefits.payment_source[1]}
    made: Resource = {
        "resourceType": "InsurancePlan",
        "id": fhir_id(seed, f"product/{number}"),
        "meta": {"lastUpdated": stamp},
        # As the member's Coverage names it in its class.
        "identifier": [{"system": PLAN_ID, "value": number}],
        "status": "active",
        "type": [kind],
        "name": name,
        "ownedBy": reference(payer),
        "administeredBy": reference(payer),
        "coverageArea": [reference(_area_reference(seed))],
        "network": [reference(f"Organization/{fhir_id(seed, f'network/{one}')}", _NETWORKS[one]) for one in networks],
    }
    return made | ({"plan": [{"type": _concept("InsurancePlanTypeCS", costs)}]} if costs else {})


def _emergency(seed: int | str, hospital: Group, stamp: str) -> Resource:
    """A place within another one."""
    return {
        "resourceType": "Location",
        "id": fhir_id(seed, "location/emergency"),
        "meta": {"lastUpdated": stamp, "profile": [us_core_profile("location")]},
        "status": "active",
        "name": f"{hospital.name}, emergency department",
        "type": [concept(f"{TERMINOLOGY}/v3-RoleCode", "ER")],
        "address": address_of("200 Hill Road", "Rivermont", "41902"),
        "managingOrganization": reference(hospital.reference),
        "partOf": reference(hospital.location),
        "endpoint": [reference(endpoint_reference(seed, "hospital"))],
    }


def _service(seed: int | str, key: str, group: Group, stamp: str) -> Resource:
    made: Resource = {
        "resourceType": "HealthcareService",
        "id": service_reference(seed, key).partition("/")[2],
        "meta": {"lastUpdated": stamp},
        "active": True,
        "providedBy": reference(group.reference, group.name),
        "category": [_concept("HealthcareServiceCategoryCS", _KINDS.get(key, _GROUP)[0])],
        "location": [reference(group.location)],
        "name": group.name,
        "coverageArea": [reference(_area_reference(seed))],
        "endpoint": [reference(endpoint_reference(seed, key))],
    }
    if key in _SERVICES:
        made["type"] = [concept(f"{TERMINOLOGY}/service-type", _SERVICES[key])]
    return made | _specialties(group)


def _affiliation(seed: int | str, key: str, group: Group, payer: str, within: str, stamp: str) -> Resource:
    made: Resource = {
        "resourceType": "OrganizationAffiliation",
        "id": fhir_id(seed, f"affiliation/{key}"),
        "meta": {"lastUpdated": stamp},
        "active": True,
        "organization": reference(payer),
        "participatingOrganization": reference(group.reference, group.name),
        "network": [reference(within)],
        "code": [_concept("OrganizationAffiliationRoleCS", _KINDS.get(key, _GROUP)[1])],
        "location": [reference(group.location)],
        "healthcareService": [reference(service_reference(seed, key))],
        "endpoint": [reference(endpoint_reference(seed, key))],
    }
    return made | _specialties(group)


def _specialties(group: Group) -> Resource:
    codes = dict.fromkeys(who.taxonomy for who in group.clinicians)
    return {"specialty": [concept(TAXONOMY, code) for code in codes]} if codes else {}


def _area_reference(seed: int | str) -> str:
    return f"Location/{fhir_id(seed, 'location/area')}"


def _concept(system: str, code: str) -> Resource:
    return concept(f"{PLAN_NET}/CodeSystem/{system}", code)
