"""The plan's user-access brand (SMART App Launch 2.2, brands; SMART-77…80): by it apps let people find their plan.

One Bundle with one Organization and one Endpoint, open to everybody, made of the settings alone.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from flask import Blueprint, Response, json, request, url_for

from oauth.open_documents import open_to_any_origin
from service import web
from service.plan_file import Brand
from service.settings import Settings

blueprint = Blueprint("brands", __name__)
blueprint.after_request(open_to_any_origin)
_PROFILES = "http://hl7.org/fhir/smart-app-launch/StructureDefinition"
_EXTENSIONS = "http://hl7.org/fhir/StructureDefinition"
_TERMS = "http://terminology.hl7.org/CodeSystem"
# The plan was asked for it by the settings and gave none (SMART-80).
_NOT_GIVEN = {"extension": [{"url": f"{_EXTENSIONS}/data-absent-reason", "valueCode": "asked-declined"}]}


@blueprint.get("/user-access-brands.json")
def bundle() -> Response:
    """The Bundle; weak ETag, any origin."""
    body = json.dumps(_bundle(web.settings()))
    response = Response(body, content_type="application/fhir+json; charset=UTF-8")
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.set_etag(hashlib.sha256(body.encode()).hexdigest()[:32], weak=True)
    response.make_conditional(request)
    return response


@dataclass(frozen=True, slots=True)
class BrandIdentifier:
    """What names the brand, as a FHIR Identifier."""

    system: str
    value: str


def identifier(settings: Settings) -> BrandIdentifier:
    """The website's address without `www.` and without a path."""
    host = urlsplit(settings.plan.website).hostname or ""
    return BrandIdentifier("urn:ietf:rfc:3986", f"https://{host.removeprefix('www.')}")


def address(settings: Settings) -> str:
    """Where the Bundle is."""
    return settings.base_url + url_for("brands.bundle")


def _bundle(settings: Settings) -> dict[str, Any]:
    updated = f"{settings.plan.brand.updated.isoformat()}T00:00:00Z"
    organization, endpoint = _id("Organization", settings), _id("Endpoint", settings)
    return {
        "resourceType": "Bundle",
        "meta": {"lastUpdated": updated, "profile": [f"{_PROFILES}/user-access-brands-bundle"]},
        "type": "collection",
        "timestamp": updated,
        "entry": [
            {
                "fullUrl": f"urn:uuid:{organization}",
                "resource": _organization(settings, organization, f"urn:uuid:{endpoint}"),
            },
            {"fullUrl": f"urn:uuid:{endpoint}", "resource": _endpoint(settings, endpoint)},
        ],
    }


def _id(kind: str, settings: Settings) -> str:
    return str(uuid5(NAMESPACE_URL, f"{settings.base_url}/{kind}"))


def _organization(settings: Settings, own_id: str, endpoint: str) -> dict[str, Any]:
    plan, brand = settings.plan, settings.plan.brand
    found: dict[str, Any] = {
        "resourceType": "Organization",
        "id": own_id,
        "meta": {"profile": [f"{_PROFILES}/user-access-brand"]},
        "extension": [_brand_extension(settings), _portal_extension(settings, endpoint)],
        "identifier": [asdict(identifier(settings))],
        "active": True,
        "type": [
            {"coding": [{"system": f"{_TERMS}/organization-type", "code": "ins", "display": "Insurance Company"}]}
        ],
        "name": plan.name,
        "telecom": [{"system": "url", "value": plan.website}],
        "endpoint": [{"reference": endpoint}],
    }
    if brand.aliases:
        found["alias"] = list(brand.aliases)
    if brand.address_lines or brand.city:
        found["address"] = [_postal(brand)]
    return found


def _brand_extension(settings: Settings) -> dict[str, Any]:
    brand = settings.plan.brand
    return {
        "url": f"{_EXTENSIONS}/organization-brand",
        "extension": [
            _url("brandLogo", brand.logo_url),
            _url("brandLogoLicense", brand.logo_license_url),
            _url("brandBundle", address(settings)),
        ],
    }


def _portal_extension(settings: Settings, endpoint: str) -> dict[str, Any]:
    brand = settings.plan.brand
    name = brand.portal_name or settings.plan.name
    described = [{"url": "portalDescription", "valueMarkdown": brand.portal_description}]
    return {
        "url": f"{_EXTENSIONS}/organization-portal",
        "extension": [
            {"url": "portalName", "valueString": name},
            *(described if brand.portal_description else []),
            _url("portalUrl", f"{settings.base_url}/"),
            _url("portalLogo", brand.logo_url),
            _url("portalLogoLicense", brand.logo_license_url),
            {"url": "portalEndpoint", "valueReference": {"reference": endpoint}},
        ],
    }


def _endpoint(settings: Settings, own_id: str) -> dict[str, Any]:
    plan = settings.plan
    return {
        "resourceType": "Endpoint",
        "id": own_id,
        "meta": {"profile": [f"{_PROFILES}/user-access-endpoint"]},
        "extension": [{"url": f"{_EXTENSIONS}/endpoint-fhir-version", "valueCode": "4.0.1"}],
        "status": "active",
        "connectionType": {"system": f"{_TERMS}/endpoint-connection-type", "code": "hl7-fhir-rest"},
        "name": f"{plan.name}: FHIR API for members and their apps",
        "contact": [{"system": "url", "value": plan.brand.developer_page or plan.website}],
        "payloadType": [{"coding": [{"system": f"{_TERMS}/endpoint-payload-type", "code": "none"}]}],
        "address": settings.fhir_base,
    }


def _url(name: str, value: str) -> dict[str, Any]:
    return {"url": name, "valueUrl": value} if value else {"url": name, "_valueUrl": _NOT_GIVEN}


def _postal(brand: Brand) -> dict[str, Any]:
    given = {
        "line": list(brand.address_lines), "city": brand.city, "state": brand.state, "postalCode": brand.postal_code,
        "country": brand.country,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value}
