"""What the plan's own base offers: its CapabilityStatement, and its part of the OpenAPI document."""

from functools import lru_cache
from typing import Any

import orjson

from fhir.compartment import ID, TYPES
from fhir.description.capability import CHANGED
from fhir.interactions import PLAN_ADDRESSES, Address
from oauth.description import BY_TOKEN, PROOF

_FHIR = "application/fhir+json"
_ID = {"type": "string", "pattern": f"^{ID.pattern}$"}
_TYPE = {"type": "string", "enum": list(TYPES)}
_SUMMARIES = {
    "capabilities": "What the plan's base offers", "batch": "Several requests at once", "create": "Create a resource",
    "read": "Read what was written", "update": "Update a resource", "delete": "Delete a resource",
    "vread": "Read a version of what was written",
}  # fmt: skip


@lru_cache(maxsize=8)
def statement(base: str) -> bytes:
    """The CapabilityStatement of the base, as JSON."""
    codes = ("create", "delete", "read", "update", "vread")
    resource = {
        "interaction": [{"code": code} for code in codes], "versioning": "versioned-update", "updateCreate": True,
        "conditionalCreate": True, "conditionalRead": "full-support", "conditionalUpdate": False,
    }  # fmt: skip
    return orjson.dumps({
        "resourceType": "CapabilityStatement", "id": "latchstring-plan", "url": f"{base}/metadata",
        "name": "LatchstringPlanApi", "title": "Plan API", "status": "active", "date": CHANGED,
        "publisher": "Latchstring", "kind": "instance", "fhirVersion": "4.0.1", "format": ["json", _FHIR],
        "implementation": {"description": "Writing, for the plan's own programs", "url": base},
        "software": {"name": "Latchstring"},
        "rest": [{
            "mode": "server",
            "security": {"description": "SMART Backend Services; system scopes with the letters c, u and d."},
            "resource": [{"type": name, **resource} for name in TYPES],
            "interaction": [{"code": "batch"}],
        }],
    })  # fmt: skip


def paths(prefix: str) -> dict[str, dict[str, Any]]:
    """The OpenAPI Path Items of the base."""
    return {
        prefix + address.rule.replace("<", "{").replace(">", "}"): _item(address)
        for address in PLAN_ADDRESSES
    }  # fmt: skip


def endpoints() -> frozenset[str]:
    """The endpoints of the application that `paths` describes."""
    return frozenset(f"fhir_plan.{address.endpoint}" for address in PLAN_ADDRESSES)


def _item(address: Address) -> dict[str, Any]:
    shapes = {"resource_type": _TYPE, "resource_id": _ID, "version": {"type": "string"}}
    named = [
        {"name": name, "in": "path", "required": True, "schema": shape}
        for name, shape in shapes.items() if f"<{name}>" in address.rule
    ]  # fmt: skip
    return {
        method.lower(): _operation(address, interaction, named) for method, interaction in address.offered.items()
    }  # fmt: skip


def _operation(address: Address, interaction: str, named: list[dict[str, Any]]) -> dict[str, Any]:
    spelt = "-with-slash" if address.rule == "/" else ""
    described: dict[str, Any] = {
        "summary": _SUMMARIES[interaction], "operationId": f"plan-{interaction}{spelt}", "tags": ["Plan"],
        "parameters": named, "responses": _responses(interaction),
    }  # fmt: skip
    if interaction in {"batch", "create", "update"}:
        name = "Bundle" if interaction == "batch" else "Resource"
        described["requestBody"] = {"required": True, "content": _content(name)}
    if interaction != "capabilities":
        described |= {"security": BY_TOKEN, "parameters": [*named, PROOF]}
    return described


def _responses(interaction: str) -> dict[str, Any]:
    good = {"create": ("200", "201"), "update": ("200", "201"), "delete": ("204",)}.get(interaction, ("200",))
    refused = (
        "400", "401", "403", "404", "405", "406", "409", "410", "412", "413", "415", "422", "429", "503",
    )  # fmt: skip
    told: dict[str, Any] = {status: {"description": "The answer.", "content": _content("Resource")} for status in good}
    if interaction in {"read", "vread"}:
        told["304"] = {"description": "Not changed."}
    return told | {status: {"description": "Refused.", "content": _content("OperationOutcome")} for status in refused}


def _content(name: str) -> dict[str, Any]:
    return {media: {"schema": {"$ref": f"#/components/schemas/{name}"}} for media in (_FHIR, "application/json")}
