"""Parts of a resource: `_elements` and `_summary` (FHIR R4, search, summary). The only reads that open a body.

Root elements only; what the profile of R4 demands always stays, and `SUBSETTED` says that something is missing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from fhir.search.query import Search, Summary

_ELEMENTS: Mapping[str, Mapping[str, list[str]]] = json.loads(
    Path(__file__).with_name("elements.json").read_text("utf-8")
)
_ALWAYS = frozenset({"resourceType", "id", "meta"})
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_meta = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


def is_subset(asked: Search) -> bool:
    """Whether the search wants only part of each match."""
    return bool(asked.elements) or asked.summary in {Summary.TRUE, Summary.TEXT, Summary.DATA}


def cut(body: bytes, resource_type: str, asked: Search) -> bytes:
    """The body with only the elements asked for."""
    found = _object.decode(body)
    kept = {name: value for name, value in found.items() if _is_kept(name.removeprefix("_"), resource_type, asked)}
    meta = _meta.decode(found["meta"])
    meta["tag"] = [*meta.get("tag", ()), _SUBSETTED]
    return _encoder.encode(kept | {"meta": msgspec.Raw(_encoder.encode(meta))})


def _is_kept(name: str, resource_type: str, asked: Search) -> bool:
    elements = _ELEMENTS[resource_type]
    if name in _ALWAYS or name in elements["mandatory"]:
        return True
    if asked.elements:
        return name in asked.elements or _choice(name, asked)
    if asked.summary is Summary.DATA:
        return name != "text"
    if asked.summary is Summary.TEXT:
        return name == "text"
    return name in elements["summary"]


def _choice(name: str, asked: Search) -> bool:
    # `value` asks for valueQuantity too: the name in the definition stands for all its types.
    return any(name.startswith(one) and name[len(one) : len(one) + 1].isupper() for one in asked.elements)
