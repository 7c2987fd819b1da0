"""The rows of the provider directory's types (Plan-Net), as `fhir.search.declared` has those of all others."""

from collections.abc import Mapping

from fhir.search.declared import CARIN, PLAN_NET, R4, US_CORE, Column, Kind

_C, _T, _R, _S = Kind.CODE, Kind.TOKEN, Kind.REFERENCE, Kind.STRING
_EXTENSIONS = "http://hl7.org/fhir/us/davinci-pdex-plan-net/StructureDefinition/"
_NETWORK = f"extension[{_EXTENSIONS}network-reference].valueReference"
_COVERAGE_AREA = f"extension[{_EXTENSIONS}location-reference].valueReference"

DIRECTORY_DECLARED: Mapping[str, tuple[tuple[str, Kind, Column, str, str], ...]] = {
    "Endpoint": (
        ("status", _C, Column.STATUS, "status", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
        ("name", _S, Column.TEXTS, "name", R4),
        ("organization", _R, Column.REFS, "managingOrganization", R4),
    ),
    "HealthcareService": (
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
        ("name", _S, Column.TEXTS, "name", R4),
        ("service-category", _T, Column.CATEGORY, "category", R4),
        ("service-type", _T, Column.TOKENS, "type", R4),
        ("specialty", _T, Column.CODE, "specialty", R4),
        ("organization", _R, Column.REFS, "providedBy", R4),
        ("location", _R, Column.REFS, "location", PLAN_NET),
        ("coverage-area", _R, Column.REFS, "coverageArea", R4),
        ("endpoint", _R, Column.REFS, "endpoint", R4),
    ),
    "InsurancePlan": (
        ("status", _C, Column.STATUS, "status", R4),
        ("type", _T, Column.CATEGORY, "type", R4),
        ("plan-type", _T, Column.CODE, "plan.type", PLAN_NET),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
        ("name", _S, Column.TEXTS, "name|alias", R4),
        ("administered-by", _R, Column.REFS, "administeredBy", R4),
        ("owned-by", _R, Column.REFS, "ownedBy", R4),
        ("coverage-area", _R, Column.REFS, "coverageArea", PLAN_NET),
        ("network", _R, Column.REFS, "network", PLAN_NET),
        ("endpoint", _R, Column.REFS, "endpoint", R4),
    ),
    "Location": (
        ("status", _C, Column.STATUS, "status", R4),
        ("type", _T, Column.CATEGORY, "type", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
        ("name", _S, Column.TEXTS, "name|alias", US_CORE),
        ("address", _S, Column.TEXTS, "address", US_CORE),
        ("address-city", _S, Column.TEXTS, "address.city", US_CORE),
        ("address-state", _S, Column.TEXTS, "address.state", US_CORE),
        ("address-postalcode", _S, Column.TEXTS, "address.postalCode", US_CORE),
        ("organization", _R, Column.REFS, "managingOrganization", R4),
        ("partof", _R, Column.REFS, "partOf", R4),
        ("endpoint", _R, Column.REFS, "endpoint", R4),
    ),
    "Organization": (
        ("active", _C, Column.STATUS, "active", R4),
        ("type", _T, Column.CATEGORY, "type", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
        ("name", _S, Column.TEXTS, "name|alias", US_CORE),
        ("address", _S, Column.TEXTS, "address", US_CORE),
        ("partof", _R, Column.REFS, "partOf", R4),
        ("coverage-area", _R, Column.REFS, _COVERAGE_AREA, PLAN_NET),
        ("endpoint", _R, Column.REFS, "endpoint", R4),
    ),
    "OrganizationAffiliation": (
        ("active", _C, Column.STATUS, "active", R4),
        ("role", _T, Column.CATEGORY, "code", R4),
        ("specialty", _T, Column.CODE, "specialty", R4),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
        ("primary-organization", _R, Column.REFS, "organization", R4),
        ("participating-organization", _R, Column.REFS, "participatingOrganization", R4),
        ("location", _R, Column.REFS, "location", PLAN_NET),
        ("service", _R, Column.REFS, "healthcareService", PLAN_NET),
        ("network", _R, Column.REFS, "network", PLAN_NET),
        ("endpoint", _R, Column.REFS, "endpoint", R4),
    ),
    "PractitionerRole": (
        ("active", _C, Column.STATUS, "active", R4),
        ("role", _T, Column.CATEGORY, "code", R4),
        ("specialty", _T, Column.CODE, "specialty", US_CORE),
        ("identifier", _T, Column.IDENTIFIER, "identifier", R4),
        ("practitioner", _R, Column.REFS, "practitioner", US_CORE),
        ("organization", _R, Column.REFS, "organization", CARIN),
        ("location", _R, Column.REFS, "location", PLAN_NET),
        ("service", _R, Column.REFS, "healthcareService", PLAN_NET),
        ("network", _R, Column.REFS, _NETWORK, PLAN_NET),
        ("endpoint", _R, Column.REFS, "endpoint", R4),
    ),
}  # fmt: skip
