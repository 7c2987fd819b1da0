"""The CapabilityStatement (FHIR R4), made from the router's table, the parameters and the discovery facts."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from fhir.compartment import PATIENT_ELEMENT, TYPES
from fhir.interactions import INTERACTIONS, PAYMENT_ADDRESSES, PERSON_ADDRESSES
from fhir.payments import inquiry as payments
from fhir.search import parameters
from fhir.search.declared import R4
from fhir.search.parameters import Parameter
from oauth.discovery import Discovery

CHANGED = "2026-11-26"
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
)
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"


@lru_cache(maxsize=8)
def statement(base: str, facts: Discovery) -> bytes:
    """The CapabilityStatement of the API at `base`, as JSON."""
    return orjson.dumps({
        "resourceType": "CapabilityStatement",
        "id": "latchstring",
        "url": f"{base}/metadata",
        "version": _VERSION,
        "name": "LatchstringMemberApi",
        "title": "Member API",
        "status": "active",
        "date": CHANGED,
        "publisher": "Latchstring",
        "kind": "instance",
        "instantiates": list(_INSTANTIATES),
        "software": {"name": "Latchstring", "version": _VERSION},
        "implementation": {"description": "The plan's member API, read-only", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/json", "application/fhir+json"],
        "implementationGuide": list(_GUIDES),
        "rest": [
            {
                "mode": "server",
                "security": _security(facts),
                "resource": [*map(_resource, TYPES), _payments(), _person()],
            }
        ],
    })  # fmt: skip


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


def _resource(resource_type: str) -> dict[str, Any]:
    described: dict[str, Any] = {"type": resource_type}
    if resource_type in _PROFILES:
        described["supportedProfile"] = _PROFILES[resource_type]
    described |= {
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalRead": "full-support",
        "conditionalUpdate": False,
    }
    if includes := parameters.includes(resource_type):
        described["searchInclude"] = [f"{resource_type}:{name}" for name in ("*", *includes)]
    if resource_type in PATIENT_ELEMENT and resource_type != "Provenance":
        described["searchRevInclude"] = ["Provenance:target"]
    return described | {"searchParam": [_parameter(parameter) for parameter in parameters.of(resource_type)]}


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
    return {"name": parameter.name, "definition": parameter.definition, "type": parameter.kind.declared}
