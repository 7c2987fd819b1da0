"""What the CapabilityStatement of Plan-Net 1.2.0 says a server SHALL have, and the definitions that R4 has none of."""

from collections.abc import Mapping
from typing import Any

from fhir.search.declared import PLAN_NET

DEMANDED: Mapping[str, tuple[str, str, str]] = {
    "Endpoint": ("organization", "organization", ""),
    "HealthcareService": (
        "location coverage-area organization endpoint name service-category service-type specialty",
        "location coverage-area organization endpoint",
        "PractitionerRole:service OrganizationAffiliation:service",
    ),
    "InsurancePlan": (
        "administered-by owned-by coverage-area name plan-type identifier type",
        "administered-by owned-by coverage-area",
        "",
    ),
    "Location": (
        "partof organization endpoint address-city address-state address-postalcode address type",
        "endpoint organization partof",
        "HealthcareService:location InsurancePlan:coverage-area OrganizationAffiliation:location"
        " PractitionerRole:location",
    ),
    "Organization": (
        "partof endpoint address name type coverage-area",
        "partof endpoint coverage-area",
        "Endpoint:organization HealthcareService:organization InsurancePlan:administered-by InsurancePlan:owned-by"
        " OrganizationAffiliation:primary-organization OrganizationAffiliation:participating-organization"
        " PractitionerRole:organization PractitionerRole:network",
    ),
    "OrganizationAffiliation": (
        "primary-organization participating-organization location service network endpoint role specialty",
        "primary-organization participating-organization location service endpoint network",
        "",
    ),
    "Practitioner": ("name family given", "", "PractitionerRole:practitioner"),
    "PractitionerRole": (
        "practitioner organization location service network endpoint role specialty",
        "practitioner organization location service network endpoint",
        "",
    ),
}
"""By type: the parameters beside `_id` and `_lastUpdated`, what `_include` follows, what `_revinclude` brings."""

_EXTENSION = "extension.where(url = 'http://hl7.org/fhir/us/davinci-pdex-plan-net/StructureDefinition/{}').value"
_PLACE = ["address", "address-city", "address-postalcode", "address-state", "organization", "type"]
_SERVICE = ["location", "organization", "service-category"]
_ROWS: tuple[tuple[str, str, str, str, str, list[str]], ...] = (
    ("HealthcareService", "location", "reference", "location", "Location", _PLACE),
    ("InsurancePlan", "coverage-area", "reference", "coverageArea", "Location", []),
    ("InsurancePlan", "network", "reference", "network", "Organization", []),
    ("InsurancePlan", "plan-type", "token", "plan.type", "", []),
    ("Organization", "coverage-area", "reference", _EXTENSION.format("location-reference"), "Location", []),
    ("OrganizationAffiliation", "location", "reference", "location", "Location", _PLACE),
    ("OrganizationAffiliation", "network", "reference", "network", "Organization", ["name", "partof"]),
    ("OrganizationAffiliation", "service", "reference", "healthcareService", "HealthcareService", _SERVICE),
    ("PractitionerRole", "location", "reference", "location", "Location", _PLACE),
    ("PractitionerRole", "network", "reference", _EXTENSION.format("network-reference"), "Organization",
     ["address", "name", "partof", "type"]),
    ("PractitionerRole", "service", "reference", "healthcareService", "HealthcareService", _SERVICE),
)  # fmt: skip
PUBLISHED: Mapping[str, dict[str, Any]] = {
    f"{PLAN_NET}{kind.lower()}-{name}": {
        "code": name, "type": what, "base": [kind], "expression": f"{kind}.{path}", "target": [target], "chain": chain,
    }
    for kind, name, what, path, target, chain in _ROWS
}  # fmt: skip
"""Plan-Net's own SearchParameters, as far as they are cited, by URL."""
