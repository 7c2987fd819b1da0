"""Where in a long element codings, references and extensions can stand: its leaves, found in C by the R4 definitions.

A claim's items hold as many amounts as codings, and a few codings many times: what is no leaf is skipped, and each
leaf is looked at once.
"""

import sys
import types
from functools import lru_cache
from typing import Any, TypedDict

import msgspec

from fhir.loading.shapes import definitions

_LEAVES = frozenset({
    "Age", "Annotation", "Attachment", "CodeableConcept", "Coding", "Count", "Distance", "Duration", "Extension",
    "Identifier", "Meta", "Narrative", "Quantity", "Reference", "Resource", "Signature", "UsageContext",
})  # fmt: skip
"""Types that are looked at whole."""
_MODULE = "fhir.loading._r4_leaves"
_SPEAKING = (b'"system"', b'"display"')


def of(decoder: "msgspec.json.Decoder[Any]", text: bytes) -> set[bytes]:
    """The texts of the leaves of an element, each once, that can hold a coding or a name; `text` is as `encode` writes.

    Raises msgspec.ValidationError where the element has another shape.
    """
    found: set[bytes] = set()
    left: list[Any] = [decoder.decode(text)]
    for node in left:
        kind = type(node)
        if kind is dict:
            left += node.values()
        elif kind is list:
            left += node
        elif kind is msgspec.Raw:
            found.add(bytes(node))
    return {leaf for leaf in found if _SPEAKING[0] in leaf or _SPEAKING[1] in leaf}


@lru_cache(maxsize=1_024)
def decoder_of(resource_type: str, name: str) -> "msgspec.json.Decoder[Any] | None":
    """What finds the leaves of an element; None where it is a leaf by itself, or none at all."""
    kind, repeats = definitions()[resource_type].get(name, ["", False])
    if not _is_branch(kind):
        return None
    branch: Any = vars(_branches())[_name(kind)]
    return msgspec.json.Decoder(types.GenericAlias(list, (branch,)) if repeats else branch)


def _is_branch(kind: str) -> bool:
    return kind in definitions() and kind not in _LEAVES and kind[0].isupper()


@lru_cache(maxsize=1)
def _branches() -> types.ModuleType:
    module = sys.modules[_MODULE] = types.ModuleType(_MODULE)
    vars(module).update({"Raw": msgspec.Raw})
    for kind, fields in definitions().items():
        if _is_branch(kind):
            setattr(module, _name(kind), _branch(kind, fields))
    return module


def _branch(kind: str, fields: dict[str, list[Any]]) -> Any:
    made: dict[str, str] = {}
    for name, (below, repeats) in fields.items():
        if below in _LEAVES:
            made[name] = "list[Raw]" if repeats else "Raw"
        elif _is_branch(below):
            made[name] = f"list[{_name(below)}]" if repeats else _name(below)
        else:
            # A primitive, whose extensions stand beside it.
            made[f"_{name}"] = "Raw"
    branch: Any = TypedDict(_name(kind), made, total=False)  # type: ignore[misc]
    branch.__module__ = _MODULE
    return branch


def _name(kind: str) -> str:
    return kind.replace(".", "_")
