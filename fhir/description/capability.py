"""The CapabilityStatement (FHIR R4), made from the router's table, the parameters and the discovery facts."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from fhir.bulk import groups
from fhir.compartment import TYPES
from fhir.directory.addresses import SERVED as IN_DIRECTORY
from fhir.interactions import (
    GROUP_ADDRESSES,
    INTERACTIONS,
    PAYMENT_ADDRESSES,
    PERSON_ADDRESSES,
    Address,
    operations_of,
)
from fhir.payments import inquiry as payments
from fhir.search import parameters
from fhir.search.combinations import COMBINATIONS
from fhir.search.declared import R4
from fhir.search.parameters import Parameter
from oauth.discovery import Discovery

CHANGED = "2026-11-28"
"""When what the API offers last changed."""
_VERSION = "0.1.0"
_PROFILES: Mapping[str, list[str]] = json.loads(Path(__file__).with_name("profiles.json").read_text("utf-8"))
_GUIDES = (
    "http://hl7.org/fhir/us/core/ImplementationGuide/hl7.fhir.us.core|6.1.0",
    "http://hl7.org/fhir/us/carin-bb/ImplementationGuide/hl7.fhir.us.carin-bb|2.0.0",
    "http://hl7.org/fhir/us/davinci-pdex/ImplementationGuide/hl7.fhir.us.davinci-pdex|2.0.0",
)
_INSTANTIATES = (
    "http://hl7.org/fhir/us/carin-bb/CapabilityStatement/c4bb",
    "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server",
    "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data",
)
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_COMBINATION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination"
_EXPECTATION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation"
_PLAN_NET = "http://hl7.org/fhir/us/davinci-pdex-plan-net"
_NETWORK = f"{_PLAN_NET}/CapabilityStatement/plan-net"
_SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"


_FORMATS = ("json", "application/json", "application/fhir+json")


@lru_cache(maxsize=8)
def statement(base: str, facts: Discovery, on: frozenset[str]) -> bytes:
    """The CapabilityStatement of the member API at `base`, as JSON; `on` are settings that add operations."""
    rest: dict[str, Any] = {
        "mode": "server",
        "security": _security(facts),
        "resource": [*(_resource(one, on) for one in TYPES), _groups(on), _payments(), _person()],
        "interaction": [{"code": "batch"}],
        "operation": _operations(operations_of("", on)),
    }
    told = _head(base, "latchstring", "LatchstringMemberApi", "Member API", "The plan's member API, read-only")
    return orjson.dumps(told | {
        "instantiates": list(_INSTANTIATES),
        "implementationGuide": list(_GUIDES),
        "rest": [rest],
    })  # fmt: skip


@lru_cache(maxsize=8)
def directory(base: str) -> bytes:
    """The CapabilityStatement of the public provider directory at `base`, as JSON."""
    told = _head(base, "latchstring-directory", "LatchstringProviderDirectory", "Provider directory",
                 "The plan's provider directory, for everybody, without a token")  # fmt: skip
    return orjson.dumps(told | {
        "instantiates": [_NETWORK],
        "implementationGuide": [f"{_PLAN_NET}/ImplementationGuide/hl7.fhir.us.davinci-pdex-plan-net|1.2.0"],
        "rest": [{
            "mode": "server",
            "security": {"cors": True, "description": "Open: no token is asked for."},
            "resource": [_listed(one) for one in IN_DIRECTORY],
        }],
    })  # fmt: skip


def _head(base: str, name: str, computable: str, title: str, what: str) -> dict[str, Any]:
    return {
        "resourceType": "CapabilityStatement",
        "id": name,
        "url": f"{base}/metadata",
        "version": _VERSION,
        "name": computable,
        "title": title,
        "status": "active",
        "date": CHANGED,
        "publisher": "Latchstring",
        "kind": "instance",
        "software": {"name": "Latchstring", "version": _VERSION},
        "implementation": {"description": what, "url": base},
        "fhirVersion": "4.0.1",
        "format": list(_FORMATS),
    }


def _operations(addresses: Sequence[Address]) -> list[dict[str, str]]:
    return [{"name": address.operation, "definition": address.definition} for address in addresses]


def _security(facts: Discovery) -> dict[str, Any]:
    uris = {
        "authorize": facts.authorization_endpoint,
        "token": facts.token_endpoint,
        "introspect": facts.introspection_endpoint,
        "revoke": facts.revocation_endpoint,
        "manage": facts.management_endpoint,
    }
    extension = {"url": _OAUTH_URIS, "extension": [{"url": name, "valueUri": uri} for name, uri in uris.items()]}
    return {
        "extension": [extension],
        "cors": True,
        "service": [{"coding": [{"system": _SECURITY_SERVICE, "code": "SMART-on-FHIR"}], "text": "SMART on FHIR"}],
        "description": "OAuth 2.0 with SMART App Launch scopes; see .well-known/smart-configuration.",
    }


def _resource(resource_type: str, on: frozenset[str]) -> dict[str, Any]:
    described = _described(resource_type, INTERACTIONS)
    if operations := operations_of(resource_type, on):
        described["operation"] = _operations(operations)
    return described


def _listed(resource_type: str) -> dict[str, Any]:
    """A type of the directory, which keeps no versions to show; loads do not check it by Plan-Net's profiles."""
    described = _described(resource_type, ("read", "search-type"))
    profiles = (resource_type, *(("Network",) if resource_type == "Organization" else ()))
    named = [f"{_PLAN_NET}/StructureDefinition/plannet-{one}" for one in profiles]
    told = {"supportedProfile": [*described.get("supportedProfile", ()), *named]}
    return described | told | {"versioning": "versioned", "readHistory": False}


def _described(resource_type: str, interactions: Sequence[str]) -> dict[str, Any]:
    described: dict[str, Any] = {"type": resource_type}
    if resource_type in _PROFILES:
        described["supportedProfile"] = _PROFILES[resource_type]
    described |= {
        "interaction": [{"code": code} for code in interactions],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalRead": "full-support",
        "conditionalUpdate": False,
    }
    if includes := parameters.includes(resource_type):
        described["searchInclude"] = [f"{resource_type}:*", *includes]
    if revincludes := parameters.revincludes(resource_type):
        described["searchRevInclude"] = list(revincludes)
    if combinations := COMBINATIONS.get(resource_type):
        described["extension"] = [_combination(force, names) for force, names in combinations]
    return described | {"searchParam": [_parameter(parameter) for parameter in parameters.of(resource_type)]}


def _combination(force: str, names: str) -> dict[str, Any]:
    required = [{"url": "required", "valueString": name} for name in names.split("+")]
    return {"url": _COMBINATION, "extension": [{"url": _EXPECTATION, "valueCode": force}, *required]}


def _groups(on: frozenset[str]) -> dict[str, Any]:
    codes = {code for address in GROUP_ADDRESSES for code in address.offered.values()}
    return {
        "type": groups.TYPE,
        "documentation": "Lists of members, for the plan's own programs.",
        "interaction": [{"code": code} for code in sorted(codes)],
        "versioning": "no-version",
        "searchParam": [
            {"name": "_id", "definition": R4 + "Resource-id", "type": "token"},
            {"name": "name", "type": "string", "documentation": "What the list's name begins with."},
        ],
        "operation": _operations(operations_of(groups.TYPE, on)),
    }


def _payments() -> dict[str, Any]:
    codes = {code for address in PAYMENT_ADDRESSES for code in address.offered.values()}
    return {
        "type": payments.TYPE,
        "documentation": "For the backend clients of providers: the payments to their own groups.",
        "interaction": [{"code": code} for code in sorted(codes)],
        "versioning": "no-version",
        "searchParam": [
            {"name": name, "definition": R4 + definition, "type": kind} for name, kind, definition in payments.DECLARED
        ],
    }


def _person() -> dict[str, Any]:
    return {
        "type": "Person",
        "documentation": "A representative of several members, as fhirUser names them; no other Person is here.",
        "interaction": [{"code": code} for address in PERSON_ADDRESSES for code in address.offered.values()],
        "versioning": "no-version",
    }


def _parameter(parameter: Parameter) -> dict[str, str]:
    described = {"name": parameter.name, "definition": parameter.definition, "type": parameter.kind.declared}
    if through := parameters.chains(parameter):
        names = ", ".join(f"{parameter.name}.{one.name}" for one in through)
        described["documentation"] = f"Chained searches: {names}."
    return described
