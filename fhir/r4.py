"""The only door to the library fhir.resources, opened at first use so that start-up stays quick.

The library has no R4 models; its R4B ones take R4 data with few exceptions.
"""

import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_GIVE = "FHIR requires this element: give it."
_TAKE_OUT = "FHIR does not have this element here: take it out, or write its name as FHIR does."
_OBJECT = "Write this as an object of the type that FHIR has here."
_WHOLE = "Write this as a whole number, without quotes."
_NUMBER = "Write this as a number, without quotes."
_TRUE = "Write this as true or false, without quotes."
_PATTERN = "This text has characters, or spaces, that its type in FHIR does not allow: correct it."
_DATE = "Write dates as 2026-04-30, times as 2026-04-30T10:11:12Z, days as the calendar has them."
_WORDS = {
    "missing": _GIVE, "model_field_validation.missing": _GIVE, "extra_forbidden": _TAKE_OUT,
    "string_pattern_mismatch": _PATTERN, "string_type": "Write this as a string, in quotes.",
    "string_too_short": "An element without a value is left out; this one is empty.",
    "string_too_long": "This text is longer than its type in FHIR allows: shorten it.",
    "list_type": "Write this as a list of objects or values, without null.",
    "bool_type": _TRUE, "bool_parsing": _TRUE, "int_type": _WHOLE, "int_parsing": _WHOLE, "int_from_float": _WHOLE,
    "decimal_type": _NUMBER, "decimal_parsing": _NUMBER, "float_type": _NUMBER, "float_parsing": _NUMBER,
    "greater_than": "This number is too small for its type in FHIR: correct it.",
    "greater_than_equal": "This number is too small for its type in FHIR: correct it.",
    "less_than": "This number is too large for its type in FHIR: correct it.",
    "less_than_equal": "This number is too large for its type in FHIR: correct it.",
    "base64_decode": "Write this in base64: letters, digits, + and /, in groups of four.",
    "uuid_parsing": "Write this as urn:uuid: and a UUID.", "uuid_type": "Write this as urn:uuid: and a UUID.",
    "url_parsing": "Write this as an address.", "url_type": "Write this as an address.",
    "model_validation_format": _OBJECT, "json_invalid": _OBJECT, "model_type": _OBJECT, "dict_type": _OBJECT,
    "model_attributes_type": _OBJECT, "fhir-validation-wrong-resource-type": _OBJECT,
}  # fmt: skip
"""What to do about each kind of error of the models, by its code."""
_OF_VALUES = {
    "Date": _DATE,
    "DateTime": _DATE,
    "Instant": _DATE,
    "Time": "Write times as 10:11:12.",
    "Decimal": _NUMBER,
}
"""The same where the code says `value_error` alone, by the type that the message begins with."""
_OF_VALUE = re.compile(rf"Value error, ({'|'.join(_OF_VALUES)})\b")
_CHOICE = re.compile(r"Value error, (?:Expect any|(Any)) of .* list \[([\w', ]+)\]")
"""Whether several types of a choice stand, or none; and the names of all."""
_STEP_WITHIN = "root"


@dataclass(frozen=True, slots=True)
class ModelProblem:
    """The first thing the models have against a resource, and what to do about it; tells no value."""

    path: str
    message: str


def find_problem(raw: bytes) -> ModelProblem | None:
    """What the FHIR models have against the JSON of a resource; None when they accept it."""
    found = json.loads(raw)
    resource_type = str(found.get("resourceType"))
    refused: Any = importlib.import_module("pydantic").ValidationError
    model = _model(resource_type)
    try:
        model.model_validate(found)
    except refused as problem:
        return _told(found, resource_type, problem.errors(include_input=False, include_url=False)[0])
    except Exception as failure:  # noqa: BLE001 (one line shall not end a load)
        # As of a contained type that the library lacks. Its words may quote the text.
        return ModelProblem(resource_type, f"The FHIR models break on this resource ({type(failure).__name__}).")
    return None


@lru_cache(maxsize=128)
def _model(resource_type: str) -> Any:
    module = importlib.import_module(f"fhir.resources.R4B.{resource_type.lower()}")
    return getattr(module, resource_type)


def _told(resource: Mapping[str, Any], resource_type: str, error: Mapping[str, Any]) -> ModelProblem:
    steps = [step for step in error["loc"] if step != _STEP_WITHIN]
    path = resource_type + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    if choice := _CHOICE.match(error["msg"]):
        names = re.findall(r"\w+", choice[2])
        if not choice[1]:
            return ModelProblem(path, f"FHIR requires one of {', '.join(names)}: give it.")
        here = _members(resource, steps)
        several = " and ".join(name for name in names if name in here) or "several"
        return ModelProblem(path, f"One type of a choice may stand; here are {several}: keep one.")
    value = _OF_VALUE.match(error["msg"])
    code = str(error["type"])
    return ModelProblem(
        path, _OF_VALUES[value[1]] if value else _WORDS.get(code, f"The FHIR models refuse it: {code}.")
    )


def _members(resource: Mapping[str, Any], steps: list[Any]) -> frozenset[str]:
    """The names of what stands in the object at a place of a resource; none where the library names the place oddly."""
    node: Any = resource
    for step in steps:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return frozenset()
    return frozenset(node) if isinstance(node, dict) else frozenset()
