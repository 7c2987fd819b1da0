"""What an operation was asked: parameters of the address, of a form, or of a Parameters resource (FHIR R4, operations).

Each becomes a name and a text, so that GET and POST are read by the same rules.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from flask import request

from fhir import calls
from fhir.answers import negotiation
from fhir.loading.faults import Rejected
from fhir.loading.json_texts import require_shallow, require_unique_keys
from fhir.outcomes import BadRequest, UnsupportedBody

_MOST = 5_000
LONGEST = 1024 * 1024
"""Bytes of a body: of a batch, or of what an operation is given."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The parameters in order, and by name the resources that stood among them."""

    given: tuple[tuple[str, str], ...]
    resources: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    by_body: bool = False


class UnsupportedInputs(UnsupportedBody):
    """The body is neither a form nor FHIR JSON."""

    sentence = "Send a FHIR resource (Parameters, or a Bundle for a batch) as application/fhir+json."


def read() -> Inputs:
    """The inputs of the current request; raises BadRequest and UnsupportedInputs."""
    of_address = calls.of_address()
    if request.method != "POST":
        return Inputs(tuple(of_address))
    resource = json_body()
    if resource is None:
        return Inputs(tuple(calls.of_form()), by_body=bool(request.form))
    if resource.get("resourceType") != "Parameters":
        raise BadRequest("The body must be a Parameters resource.", expression="Parameters")
    listed = resource.get("parameter", [])
    if not isinstance(listed, list) or len(listed) > _MOST:
        raise BadRequest(f"Parameters.parameter is a list of at most {_MOST}.", expression="Parameters.parameter")
    found = [_parameter(one, number) for number, one in enumerate(listed)]
    texts = [(name, value) for name, value in found if isinstance(value, str)]
    resources = [(name, value) for name, value in found if not isinstance(value, str)]
    return Inputs((*of_address, *texts), tuple(resources), by_body=True)


def json_body() -> dict[str, Any] | None:
    """The JSON object in the body, None where there is no body or a form; raises BadRequest and UnsupportedInputs."""
    request.max_content_length = LONGEST
    if request.mimetype == "" and not request.content_length:
        return None
    if request.mimetype == "application/x-www-form-urlencoded":
        return None
    if request.mimetype not in negotiation.JSON_BODIES:
        raise UnsupportedInputs
    raw = request.get_data(cache=False)
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not valid JSON.") from None
    if not isinstance(found, dict):
        raise BadRequest("The body must be one FHIR resource.")
    try:
        require_shallow(raw)
        require_unique_keys(raw, found)
    except Rejected as problem:
        # Whoever reads the first of two keys would see another request than we answer.
        raise BadRequest(problem.hint) from None
    return found


def _parameter(one: Any, number: int) -> tuple[str, str | Mapping[str, Any]]:
    where = f"Parameters.parameter[{number}]"
    name = one.get("name") if isinstance(one, dict) else None
    if not isinstance(name, str):
        raise BadRequest("Each parameter is an object with a name.", expression=where)
    held = [key for key in one if key.startswith("value") or key == "resource"]
    if len(held) != 1:
        raise BadRequest("Each parameter has one value, or a resource.", expression=where)
    value = one[held[0]]
    if held[0] == "resource":
        if not isinstance(value, dict):
            raise BadRequest("A resource is an object.", expression=where)
        return name, value
    return name, _text(value, where)


def _text(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        texts = [text for text in _texts(value) if text]
        if len(texts) == 1:
            return texts[0]
    raise BadRequest("This kind of value is not taken here.", expression=where)


def _texts(value: Mapping[str, Any]) -> Iterator[str]:
    """A Reference, or a Coding in the form of a token."""
    if isinstance(value.get("reference"), str):
        yield value["reference"]
    elif isinstance(value.get("code"), str):
        system = value.get("system")
        yield f"{system}|{value['code']}" if isinstance(system, str) else value["code"]
