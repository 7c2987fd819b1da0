"""What OpenAPI says of the FHIR API: made from the router's table and the declared parameters, like the statement."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir.answers.negotiation import Handling
from fhir.bulk import groups
from fhir.bulk.asking import FORMATS
from fhir.compartment import ID, TYPES
from fhir.directory.addresses import ADDRESSES as DIRECTORY
from fhir.directory.addresses import SERVED as IN_DIRECTORY
from fhir.interactions import EVERY_ADDRESS, Address
from fhir.payments import inquiry as payments
from fhir.search import history_asked, parameters
from fhir.search.parameters import Parameter
from fhir.search.query import MAX_COUNT, Summary, Total
from oauth.description import BY_TOKEN, PROOF
from service import rates

_FHIR = "application/fhir+json"
_FORM = "application/x-www-form-urlencoded"
_TEXT = {"type": "string"}
_ID = {"type": "string", "pattern": f"^{ID.pattern}$"}
_NDJSON = "application/fhir+ndjson"
_NAMED = {
    "resource_id": _ID, "version": {"type": "string", "pattern": "^[0-9]{1,9}$"},
    "export_id": {"type": "string", "format": "uuid"}, "file_name": {"type": "string", "pattern": "^[A-Za-z0-9.-]+$"},
}  # fmt: skip
_DATES = dict.fromkeys(("start", "end", "_since"), _TEXT)
_EXPORT = {
    "_outputFormat": {"enum": sorted(FORMATS - {"application/fhir ndjson"})}, "_since": _TEXT, "_until": _TEXT,
    "_type": _TEXT, "_typeFilter": _TEXT,
}  # fmt: skip
_OPERATIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "everything": ("All of a member's record", {**_DATES, "_type": _TEXT, "_count": {"type": "integer", "minimum": 0}}),
    "docref": (
        "A patient's documents",
        {
            "patient": _ID,
            "start": _TEXT,
            "end": _TEXT,
            "type": _TEXT,
            "on-demand": {"type": "boolean"},
            "profile": _TEXT,
        },
    ),
    "member_match": ("Match another payer's member", {}),
    "export_system": ("Begin an export of everything", _EXPORT),
    "export_patients": ("Begin an export of members' records", _EXPORT),
    "data_export": ("Begin an export of an attribution list's records, for its provider", {}),
    "export_group": ("Begin an export of a group's records", _EXPORT),
}
"""Of each operation, by endpoint, what it is and the parameters it takes in an address."""
_SUMMARIES = {
    "batch": "Several reads and searches", "export-status": "How an export stands", "export-cancel": "End an export",
    "export-file": "A file of an export",
    "capabilities": "What this API offers", "search-type": "Search {0}", "read": "Read one {0}",
    "vread": "Read a version of one {0}", "history-instance": "The versions of one {0}",
}  # fmt: skip


def paths(prefix: str, on: frozenset[str]) -> dict[str, dict[str, Any]]:
    """The OpenAPI Path Items of every address that offers something, for each resource type."""
    return dict(_paths(prefix, on))


def directory_paths(prefix: str) -> dict[str, dict[str, Any]]:
    """The same of the public provider directory."""
    return {
        prefix + _braced(address.rule).replace("{resource_type}", resource_type): _item(
            address, resource_type, open_to="directory"
        )
        for address in DIRECTORY
        for resource_type in (IN_DIRECTORY if "<resource_type>" in address.rule else ("",))
    }


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


def _paths(prefix: str, on: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for address in (address for address in EVERY_ADDRESS if address.is_there(on)):
        for resource_type in TYPES if "<resource_type>" in address.rule else (address.resource_type,):
            rule = address.rule.replace("<resource_type>", resource_type)
            yield prefix + _braced(rule), _item(address, resource_type)


def _braced(rule: str) -> str:
    return rule.replace("<", "{").replace(">", "}")


def _item(address: Address, resource_type: str, *, open_to: str = "") -> dict[str, Any]:
    return {
        method.lower(): _operation(address, interaction, resource_type, method, open_to)
        for method, interaction in address.offered.items()
    }


def _operation(
    address: Address, interaction: str, resource_type: str, method: str, open_to: str
) -> dict[str, Any]:  # fmt: skip
    is_operation = interaction == "operation"
    summary = _OPERATIONS[address.endpoint][0] if is_operation else _SUMMARIES[interaction].format(resource_type)
    named = address.endpoint if is_operation or interaction == "batch" else interaction
    described: dict[str, Any] = {
        "summary": summary,
        "operationId": "-".join(filter(None, (open_to, named, resource_type, method.lower()))),
        "tags": [open_to or resource_type or "Discovery"],
        "responses": _responses(interaction, is_export=not address.heads),
    }
    if interaction != "capabilities" and not open_to:
        described["security"] = BY_TOKEN
    if body := _body(interaction, resource_type, method):
        described["requestBody"] = {"content": body}
    given = _parameters(address, interaction, resource_type, method)
    return described | {"parameters": [*given, PROOF] if "security" in described else given}


def _body(interaction: str, resource_type: str, method: str) -> dict[str, Any]:
    if method != "POST":
        return {}
    if interaction == "search-type":
        return {_FORM: {"schema": {"type": "object", "properties": _search_shapes(resource_type)}}}
    return _content("Bundle" if interaction == "batch" else "Resource")


def _parameters(address: Address, interaction: str, resource_type: str, method: str) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": shape}
        for name, shape in _NAMED.items() if f"<{name}>" in address.rule
    ]  # fmt: skip
    if interaction.startswith("export-"):
        return given
    given.append({"name": "_format", "in": "query", "schema": {"enum": ["json", _FHIR, "application/json"]}})
    if interaction == "history-instance":
        given += [
            {"name": "_count", "in": "query", "schema": _count(history_asked.MOST)},
            *({"name": name, "in": "query", "schema": _TEXT} for name in ("_since", "_at")),
        ]
    if not address.heads:
        given.append({"name": "Prefer", "in": "header", "required": True, "schema": {"enum": ["respond-async"]}})
    elif interaction in {"search-type", "operation"}:
        given.append({"name": "Prefer", "in": "header", "schema": {"enum": [f"handling={one}" for one in Handling]}})
    shapes: Mapping[str, Any] = {}
    if method == "GET":
        is_search = interaction == "search-type"
        shapes = _search_shapes(resource_type) if is_search else _OPERATIONS.get(address.endpoint, ("", {}))[1]
    return given + [{"name": name, "in": "query", "schema": shape} for name, shape in shapes.items()]


def _responses(interaction: str, *, is_export: bool) -> dict[str, Any]:
    schema = "Bundle" if interaction in {"search-type", "history-instance", "batch"} else "Resource"
    told: dict[str, Any] = {"200": {"description": "The answer.", "content": _content(schema)}}
    if interaction == "export-status":
        told["200"] = {"description": "The manifest.", "content": {"application/json": {"schema": {"type": "object"}}}}
    if interaction == "export-file":
        told["200"] = {"description": "Resources, one a line.", "content": {_NDJSON: {}}}
    if is_export or interaction in {"export-status", "export-cancel"}:
        told |= {"202": {"description": "Accepted.", "content": _content("OperationOutcome")}}
    if is_export or interaction == "export-cancel":
        del told["200"]
    statuses = ["400", "401", "403", "404", "405", "406", "410", "413", "414", "415", "422", "429", "500", "503"]
    told |= {status: _refused() for status in statuses}
    told["429"]["headers"], told["503"]["headers"] = rates.DESCRIBED | rates.RETRY_AFTER, rates.RETRY_AFTER
    return told | {"304": {"description": "Not changed."}} if interaction in {"read", "vread"} else told


def _refused() -> dict[str, Any]:
    return {"description": "Refused.", "content": _content("OperationOutcome")}


def _content(schema: str) -> dict[str, Any]:
    return {media: {"schema": _ref(schema)} for media in (_FHIR, "application/json")}


def _search_shapes(resource_type: str) -> dict[str, Any]:
    """The parameters of a search and their shapes."""
    if resource_type == groups.TYPE:
        return {"_id": _TEXT, "name": _TEXT}
    if resource_type == payments.TYPE:
        own = {name: _declared(kind, definition) for name, kind, definition in payments.DECLARED}
        return own | {"_count": _count(payments.MOST)}
    every = parameters.of(resource_type)
    own = {parameter.name: _shape(parameter) for parameter in every}
    own |= {f"{one.name}.{further.name}": _shape(further) for one in every for further in parameters.chains(one)}
    included = {"enum": [f"{resource_type}:*", *parameters.includes(resource_type)]}
    revincludes = parameters.revincludes(resource_type)
    return (
        own
        | {
            "_count": _count(MAX_COUNT),
            "_total": {"enum": [one.value for one in Total]},
            "_summary": {"enum": [one.value for one in Summary]},
            "_elements": _TEXT,
            "_sort": _sort(every),
            "_include": included,
        }
        | ({"_revinclude": {"enum": list(revincludes)}} if revincludes else {})
    )


def _sort(every: Sequence[Parameter]) -> dict[str, Any]:
    named = "|".join(re.escape(one.name) for one in every if parameters.sort_column(one))
    return {"type": "string", "pattern": f"^-?({named})(,-?({named}))*$"}


def _count(most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "maximum": most}


def _shape(parameter: Parameter) -> dict[str, Any]:
    return _declared(parameter.kind.declared, parameter.definition)


def _declared(kind: str, definition: str) -> dict[str, Any]:
    return {"type": "string", "description": f"{kind}: {definition}"}


def _ref(name: str) -> Mapping[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
