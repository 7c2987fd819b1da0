"""The branches of an element and the leaves on them, told apart in C by the R4 definitions.

A claim's items hold a few codings many times. One decode reads the branches, checks their shape and leaves each leaf
(a CodeableConcept, a Reference, an extension …) as its text; a leaf is looked at when its text is new, for whatever
its kind may hold. What comes out again as it went in, leaves and all, has no key twice.
"""

import sys
import types
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

import msgspec

from fhir.loading import shapes
from fhir.loading.json_texts import encode
from fhir.loading.shapes import definitions

_LEAVES = frozenset({
    "Age", "Annotation", "Attachment", "CodeableConcept", "Coding", "Count", "Distance", "Duration", "Extension",
    "Identifier", "Meta", "Narrative", "Quantity", "Reference", "Resource", "Signature", "UsageContext",
})  # fmt: skip
"""Types that are looked at whole."""
_MODULE = "fhir.loading._r4_leaves"
_DEEPEST = 10
"""Levels of branches; a type that holds itself has no end of them, and is looked at whole."""


class Table(dict[str, "str | Table"]):
    """By member of a branch that is no primitive: the kind of the leaf, or the table of the branch, that stands there.

    `choices` are the names of which one may stand, a set for each choice; `any_choice` is all of them.
    """

    def __init__(self, choices: tuple[frozenset[str], ...]) -> None:
        super().__init__()
        self.choices = choices
        self.any_choice: frozenset[str] = frozenset().union(*choices)

    def has_several(self, node: dict[str, Any]) -> bool:
        """Whether a branch has two types of one choice."""
        chosen = node.keys() & self.any_choice
        return len(chosen) > 1 and any(shapes.several_of(chosen & one) for one in self.choices)


class Branches(NamedTuple):
    """How the elements of one name are read: by a decoder that takes their shape alone, and what stands where."""

    decoder: "msgspec.json.Decoder[Any]"
    table: Table


def read(branches: Branches, text: bytes) -> Any:
    """What an element says, its leaves as they are written; None where it has to be looked at in another way.

    So it is where its shape is wrong, where `encode` would write it otherwise, and where something may be empty.
    """
    try:
        value = branches.decoder.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if encode(value) == text and not shapes.has_empty(text) else None


def of(branches: Branches, value: Any) -> list[tuple[str, bytes]] | None:
    """The leaves of an element that was `read`, each with its kind; None where one branch has two types of a choice."""
    found_leaves: list[tuple[str, bytes]] = []
    left: list[tuple[Any, Table]] = [(one, branches.table) for one in (value if type(value) is list else [value])]
    for node, table in left:
        if table.choices and table.has_several(node):
            return None
        for name, found in node.items():
            below = table.get(name)
            if below is None:
                continue
            many = found if type(found) is list else (found,)
            if isinstance(below, str):
                found_leaves += [(below, bytes(leaf)) for leaf in many]
            else:
                left += [(one, below) for one in many]
    return found_leaves


@lru_cache(maxsize=1_024)
def branches_of(resource_type: str, name: str) -> Branches | None:
    """How elements of this name are read; None where one is a leaf by itself, or has no end of branches."""
    kind, repeats = definitions()[resource_type].get(name, ["", False])
    table = _table(kind, _DEEPEST) if _is_branch(kind) else None
    if table is None:
        return None
    branch: Any = vars(_branches())[_name(kind)]
    return Branches(msgspec.json.Decoder(shapes.many(branch) if repeats else branch), table)


def _is_branch(kind: str) -> bool:
    return kind in definitions() and kind not in _LEAVES and kind[0].isupper()


def _table(kind: str, levels: int) -> Table | None:
    """What stands where in a branch; None where it has more levels."""
    made = Table(shapes.choices(kind))
    for name, (below, _) in definitions()[kind].items():
        if shapes.is_primitive(below):
            made[f"_{name}"] = shapes.COMPANION
        elif not _is_branch(below):
            made[name] = below
        elif levels and (table := _table(below, levels - 1)) is not None:
            made[name] = table
        else:
            return None
    return made


@lru_cache(maxsize=1)
def _branches() -> types.ModuleType:
    module = sys.modules[_MODULE] = types.ModuleType(_MODULE)
    vars(module).update(shapes.NAMES)
    for kind, fields in definitions().items():
        if _is_branch(kind):
            setattr(module, _name(kind), _branch(kind, fields))
    return module


def _branch(kind: str, fields: dict[str, list[Any]]) -> Any:
    made: dict[str, Any] = {}
    for name, (below, repeats) in fields.items():
        if shapes.is_primitive(below):
            # Extensions of its value stand beside it.
            made[f"_{name}"] = list[msgspec.Raw] if repeats else msgspec.Raw
            one: Any = shapes.primitive(below, repeats=repeats, exact=True)
        else:
            one = _name(below) if _is_branch(below) else msgspec.Raw
        made[name] = shapes.many(one) if repeats else one
    branch: Any = TypedDict(_name(kind), made, total=False)  # type: ignore[misc]
    branch.__module__ = _MODULE
    return branch


def _name(kind: str) -> str:
    return kind.replace(".", "_")
