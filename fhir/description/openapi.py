"""What OpenAPI says of the FHIR API: made from the router's table and the declared parameters, like the statement."""

from collections.abc import Iterator, Mapping
from typing import Any

from fhir.answers.negotiation import Handling
from fhir.compartment import ID, TYPES
from fhir.interactions import ADDRESSES, PAYMENT_ADDRESSES, PERSON_ADDRESSES, Address
from fhir.payments import inquiry as payments
from fhir.search import parameters
from fhir.search.parameters import Parameter
from fhir.search.query import MAX_COUNT, Summary, Total

_FHIR = "application/fhir+json"
_FORM = "application/x-www-form-urlencoded"
_TEXT = {"type": "string"}
_ID = {"type": "string", "pattern": f"^{ID.pattern}$"}
_SUMMARIES = {
    "capabilities": "What this API offers", "search-type": "Search {0}", "read": "Read one {0}",
    "vread": "Read a version of one {0}", "history-instance": "The versions of one {0}",
}  # fmt: skip


def paths(prefix: str) -> dict[str, dict[str, Any]]:
    """The OpenAPI Path Items of every address that offers something, for each resource type."""
    return dict(_paths(prefix))


def endpoints() -> frozenset[str]:
    """The endpoints of the application that `paths` describes."""
    every = (*ADDRESSES, *PAYMENT_ADDRESSES, *PERSON_ADDRESSES)
    return frozenset(f"fhir.{address.endpoint}" for address in every if address.offered)


def schemas() -> dict[str, Any]:
    """The schemas that the paths name; FHIR itself defines what is in a resource."""
    resource = {"type": "object", "properties": {"resourceType": _TEXT, "id": _TEXT}, "required": ["resourceType"]}
    return {
        "Resource": resource,
        "Bundle": {"allOf": [_ref("Resource"), {"properties": {"resourceType": {"const": "Bundle"}}}]},
        "OperationOutcome": {
            "allOf": [_ref("Resource"), {"properties": {"resourceType": {"const": "OperationOutcome"}}}]
        },
    }


def _paths(prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for address in (address for address in ADDRESSES if address.offered):
        for resource_type in TYPES if "<resource_type>" in address.rule else ("",):
            rule = address.rule.replace("<resource_type>", resource_type)
            yield prefix + _braced(rule), _item(address, resource_type)
    for address in PAYMENT_ADDRESSES:
        yield prefix + _braced(address.rule), _item(address, payments.TYPE)
    for address in PERSON_ADDRESSES:
        yield prefix + _braced(address.rule), _item(address, "Person")


def _braced(rule: str) -> str:
    return rule.replace("<", "{").replace(">", "}")


def _item(address: Address, resource_type: str) -> dict[str, Any]:
    named = [
        {"name": name, "in": "path", "required": True, "schema": _ID}
        for name in ("resource_id", "version") if f"<{name}>" in address.rule
    ]  # fmt: skip
    return {
        method.lower(): _operation(interaction, resource_type, method, named)
        for method, interaction in address.offered.items()
    }


def _operation(
    interaction: str, resource_type: str, method: str, named: list[dict[str, Any]]
) -> dict[str, Any]:  # fmt: skip
    described: dict[str, Any] = {
        "summary": _SUMMARIES[interaction].format(resource_type),
        "operationId": "-".join(filter(None, (interaction, resource_type, method.lower()))),
        "tags": [resource_type or "Discovery"],
        "responses": _responses(interaction),
    }
    if interaction != "capabilities":
        described["security"] = [{"smart": []}, {"token": []}]
    given = [*named, {"name": "_format", "in": "query", "schema": {"enum": ["json", _FHIR, "application/json"]}}]
    if interaction == "search-type":
        given.append({"name": "Prefer", "in": "header", "schema": {"enum": [f"handling={one}" for one in Handling]}})
        searched = _search_shapes(resource_type)
        if method == "POST":
            described["requestBody"] = {"content": {_FORM: {"schema": {"type": "object", "properties": searched}}}}
        else:
            given += [{"name": name, "in": "query", "schema": shape} for name, shape in searched.items()]
    return described | {"parameters": given}


def _responses(interaction: str) -> dict[str, Any]:
    schema = "Bundle" if interaction in {"search-type", "history-instance"} else "Resource"
    told = {"200": {"description": "The answer.", "content": _content(schema)}}
    refused = ("400", "401", "403", "404", "405", "406", "410", "413", "414", "415", "429", "503")
    told |= {status: {"description": "Refused.", "content": _content("OperationOutcome")} for status in refused}
    return told | {"304": {"description": "Not changed."}} if interaction in {"read", "vread"} else told


def _content(schema: str) -> dict[str, Any]:
    return {media: {"schema": _ref(schema)} for media in (_FHIR, "application/json")}


def _search_shapes(resource_type: str) -> dict[str, Any]:
    """The parameters of a search and their shapes."""
    if resource_type == payments.TYPE:
        own = {name: _declared(kind, definition) for name, kind, definition in payments.DECLARED}
        return own | {"_count": _count(payments.MOST)}
    own = {parameter.name: _shape(parameter) for parameter in parameters.of(resource_type)}
    includes = [f"{resource_type}:{name}" for name in ("*", *parameters.includes(resource_type))]
    return own | {
        "_count": _count(MAX_COUNT),
        "_total": {"enum": [one.value for one in Total]},
        "_summary": {"enum": [one.value for one in Summary]},
        "_elements": _TEXT,
        "_sort": _TEXT,
        "_include": {"enum": includes},
        "_revinclude": {"enum": ["Provenance:target"]},
    }


def _count(most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "maximum": most}


def _shape(parameter: Parameter) -> dict[str, Any]:
    return _declared(parameter.kind.declared, parameter.definition)


def _declared(kind: str, definition: str) -> dict[str, Any]:
    return {"type": "string", "description": f"{kind}: {definition}"}


def _ref(name: str) -> Mapping[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
