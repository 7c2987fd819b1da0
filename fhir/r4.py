"""The only door to the library fhir.resources, opened at first use so that start-up stays quick.

The library has no R4 models; its R4B ones take R4 data with few exceptions.
"""

import importlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelProblem:
    """The first thing the models have against a resource; tells no value."""

    path: str
    message: str


def find_problem(raw: bytes) -> ModelProblem | None:
    """What the FHIR models have against the JSON of a resource; None when they accept it."""
    found = json.loads(raw)
    resource_type = str(found.get("resourceType"))
    refused: Any = importlib.import_module("pydantic").ValidationError
    try:
        _model(resource_type).model_validate(found)
    except refused as problem:
        first = problem.errors(include_input=False, include_url=False)[0]
        path = ".".join(str(step) for step in (resource_type, *first["loc"]))
        return ModelProblem(path, str(first["type"]))
    return None


@lru_cache(maxsize=128)
def _model(resource_type: str) -> Any:
    module = importlib.import_module(f"fhir.resources.R4B.{resource_type.lower()}")
    return getattr(module, resource_type)
