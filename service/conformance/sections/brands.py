"""User-access brands (conformance A8; SMART-77 to 80)."""

from collections.abc import Iterator
from typing import Any

from service.conformance.requirement import Requirement
from service.conformance.trial import ORIGIN, Trial
from service.conformance.verdicts import expect, expect_status
from service.conformance.wire import Answer

_EXTENSION = "http://hl7.org/fhir/StructureDefinition"
_VERSION = f"{_EXTENSION}/endpoint-fhir-version"
_ABSENT = f"{_EXTENSION}/data-absent-reason"
_TYPES = "http://terminology.hl7.org/CodeSystem/organization-type"
Resource = dict[str, Any]


def _public(trial: Trial) -> None:
    answer = _answer(trial)
    bundle = answer.json()
    expect(bundle.get("resourceType") == "Bundle", "a Bundle", bundle.get("resourceType"))
    expect(bundle.get("type") == "collection", "type collection", bundle.get("type"))
    expect(bundle.get("timestamp"), "timestamp", "none")
    expect(bundle.get("meta", {}).get("lastUpdated"), "meta.lastUpdated", "none")


def _open_to_browsers(trial: Trial) -> None:
    found = _answer(trial).headers.get("Access-Control-Allow-Origin", "none")
    expect(found == "*", "Access-Control-Allow-Origin *", found)


def _cached(trial: Trial) -> None:
    tag = _answer(trial).headers.get("ETag", "")
    expect(tag.startswith('W/"'), "a weak ETag", tag or "none")
    again = trial.wire.get(_url(trial), If_None_Match=tag)
    expect_status(again.status, {304}, "the Bundle with its own ETag")


def _organizations(trial: Trial) -> None:
    found = _of_type(trial, "Organization")
    expect(found, "an Organization", "none")
    for brand in found:
        expect(brand.get("name"), "a name of each Organization", "none")
        expect(brand.get("identifier"), "an identifier of each Organization", "none")
        _require_domain(brand)
        sites = [one for one in brand.get("telecom", ()) if one.get("system") == "url" and one.get("value")]
        expect(sites, "a website of each Organization", "none")


def _payer(trial: Trial) -> None:
    kinds = [kind for brand in _of_type(trial, "Organization") for kind in brand.get("type", ())]
    codings = [coding for kind in kinds for coding in kind.get("coding", ())]
    found = {coding.get("code") for coding in codings if coding.get("system") == _TYPES}
    expect("ins" in found, "a type ins (insurance company)", found or "none")


def _endpoints(trial: Trial) -> None:
    found = _of_type(trial, "Endpoint")
    expect(found, "an Endpoint", "none")
    for endpoint in found:
        kind = endpoint.get("connectionType", {}).get("code")
        expect(kind == "hl7-fhir-rest", "connectionType hl7-fhir-rest", kind)
        missing = [name for name in ("status", "name", "payloadType", "contact") if not endpoint.get(name)]
        expect(not missing, "status, name, payloadType and contact of each Endpoint", f"no {missing}")
        versions = [one.get("valueCode") for one in endpoint.get("extension", ()) if one.get("url") == _VERSION]
        expect("4.0.1" in versions, "FHIR version 4.0.1 of each Endpoint", versions or "none")


def _address(trial: Trial) -> None:
    addresses = [endpoint.get("address", "").rstrip("/") for endpoint in _of_type(trial, "Endpoint")]
    expect(trial.fhir_base in addresses, "an Endpoint whose address is the FHIR base", f"{len(addresses)} others")


def _linked(trial: Trial) -> None:
    ids = {f"Endpoint/{endpoint.get('id')}" for endpoint in _of_type(trial, "Endpoint")}
    told = [
        link.get("reference", "") for brand in _of_type(trial, "Organization") for link in brand.get("endpoint", ())
    ]
    expect(told, "an Organization that names its Endpoint", "none")
    full = {entry.get("fullUrl") for entry in _bundle(trial).get("entry", ())}
    lost = [reference for reference in told if reference not in ids | full]
    expect(not lost, "references to Endpoints of the Bundle", f"{len(lost)} that lead elsewhere")


def _identifier(trial: Trial) -> None:
    brands = _of_type(trial, "Organization")
    told = trial.smart.get("user_access_brand_identifier")
    expect(told or len(brands) == 1, "user_access_brand_identifier, with several brands", "none")
    if told:
        matching = [brand for brand in brands if any(_same(told, one) for one in brand.get("identifier", ()))]
        expect(len(matching) == 1, "one Organization with user_access_brand_identifier", len(matching))


def _absent_reasons(trial: Trial) -> None:
    found = {one.get("valueCode") for one in _extensions(_bundle(trial)) if one.get("url") == _ABSENT}
    strange = sorted(str(code) for code in found - {"asked-declined", "asked-unknown"})
    expect(not strange, "data-absent-reason asked-declined or asked-unknown alone", strange)


def _require_domain(brand: Resource) -> None:
    domains = [one.get("value", "") for one in brand["identifier"] if one.get("system") == "urn:ietf:rfc:3986"]
    right = [value for value in domains if value.startswith("https://") and "/" not in value.removeprefix("https://")]
    expect(right, "an identifier that is an https domain", "none")


def _same(one: Resource, other: Resource) -> bool:
    return (one.get("system"), one.get("value")) == (other.get("system"), other.get("value"))


def _url(trial: Trial) -> str:
    return trial.endpoint("user_access_brand_bundle")


def _answer(trial: Trial) -> Answer:
    answer = trial.wire.get(_url(trial), Accept="application/fhir+json", Origin=ORIGIN)
    expect_status(answer.status, {200}, "the Bundle of brands, without a token")
    return answer


def _bundle(trial: Trial) -> Resource:
    return trial.once("brands", lambda: _answer(trial).json())


def _of_type(trial: Trial, name: str) -> list[Resource]:
    every = [entry.get("resource", {}) for entry in _bundle(trial).get("entry", ())]
    return [resource for resource in every if resource.get("resourceType") == name]


def _extensions(part: Any) -> Iterator[Resource]:
    """Every extension anywhere in a resource."""
    if isinstance(part, list):
        for one in part:
            yield from _extensions(one)
    elif isinstance(part, dict):
        yield from part.get("extension", ())
        for value in part.values():
            yield from _extensions(value)


REQUIREMENTS = (
    Requirement("brands.bundle", "A8, SMART-77", "the Bundle of brands is open to all", _public),
    Requirement("brands.cors", "SMART-77", "browser apps may read it", _open_to_browsers),
    Requirement("brands.cached", "SMART-77", "it has a weak ETag", _cached),
    Requirement("brands.organizations", "A8, SMART-78", "each brand has name, identifier and website", _organizations),
    Requirement("brands.payer", "SMART-78", "one is an insurance company", _payer),
    Requirement("brands.endpoints", "A8, SMART-79", "each Endpoint is described whole", _endpoints),
    Requirement("brands.address", "SMART-79", "one Endpoint is this API", _address),
    Requirement("brands.linked", "SMART-78", "brands name Endpoints of the Bundle", _linked),
    Requirement("brands.identifier", "1A", "the brand of this API is told", _identifier),
    Requirement("brands.absent", "SMART-80", "missing data says why in two ways only", _absent_reasons),
)
