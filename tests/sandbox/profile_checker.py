"""A small checker of resources against StructureDefinitions: cardinalities, fixed and pattern values, slices, bindings.

It knows what the sandbox plan's profiles use, not all of FHIR: discriminators by value, pattern and type; value sets
that list their codes or take whole systems. FHIRPath invariants are tested by hand where they matter.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Node:
    """An element of a profile with its children and slices."""

    element: dict[str, Any]
    children: dict[str, "Node"] = field(default_factory=dict)
    slices: dict[str, "Node"] = field(default_factory=dict)


class Profiles:
    """The StructureDefinitions and value sets of one implementation guide."""

    def __init__(self, folder: Path) -> None:
        self._definitions = {made["url"]: made for made in _lines(folder / "structuredefinitions.ndjson.gz")}
        self._trees: dict[str, Node] = {}
        terms = list(_lines(folder / "terminology.ndjson.gz"))
        self._sets = {made["url"]: made for made in terms if made["resourceType"] == "ValueSet"}

    def problems(self, resource: dict[str, Any], profile: str) -> list[str]:
        """What is wrong with the resource by the profile; empty when it is held."""
        if profile not in self._trees:
            self._trees[profile] = _tree(self._definitions[profile])
        tree = self._trees[profile]
        return list(self._check(tree, resource, resource["resourceType"]))

    def _check(self, node: Node, value: Any, path: str) -> Iterator[str]:
        yield from self._check_value(node.element, value, path)
        if not isinstance(value, dict):
            return
        for name, child in node.children.items():
            yield from self._check_child(child, name, value, path)

    def _check_child(self, child: Node, name: str, value: dict[str, Any], path: str) -> Iterator[str]:
        found = _values(value, name)
        yield from _counted(child.element, len(found), f"{path}.{name}")
        for _key, one in found:
            yield from self._check(child, one, f"{path}.{name}")
        for slice_name, piece in child.slices.items():
            matching = [one for key, one in found if self._matches(child, piece, key, one)]
            yield from _counted(piece.element, len(matching), f"{path}.{name}:{slice_name}")
            for one in matching:
                yield from self._check(piece, one, f"{path}.{name}:{slice_name}")

    def _check_value(self, element: dict[str, Any], value: Any, path: str) -> Iterator[str]:
        for key, wanted in element.items():
            if key.startswith("fixed") and value != wanted:
                yield f"{path}: {value!r} is not {wanted!r}"
            if key.startswith("pattern") and not _covers(value, wanted):
                yield f"{path}: {value!r} does not hold {wanted!r}"
        binding = element.get("binding", {})
        if binding.get("strength") == "required" and self._in_set(binding.get("valueSet", ""), value) is False:
            yield f"{path}: no code of {binding['valueSet']} in {value!r}"

    def _matches(self, base: Node, piece: Node, key: str, value: Any) -> bool:
        discriminators = base.element.get("slicing", {}).get("discriminator", [])
        return all(self._discriminates(piece, found, key, value) for found in discriminators)

    def _discriminates(self, piece: Node, discriminator: dict[str, str], key: str, value: Any) -> bool:
        path = discriminator["path"]
        if discriminator["type"] == "type":
            return key.endswith(_capital(piece.element["type"][0]["code"]))
        if path == "url":
            return bool(value.get("url") == piece.element["type"][0].get("profile", [None])[0])
        node, here = piece, [value]
        for step in () if path == "$this" else path.split("."):
            node = node.children.get(step) or Node({})
            here = [deeper for one in here if isinstance(one, dict) for _key, deeper in _values(one, step)]
        return any(self._is(node, one) for one in here)

    def _is(self, node: Node, value: Any) -> bool:
        """Whether the value is what the slice's discriminating element fixes, by pattern or by bound value set."""
        fixed = [(key, wanted) for key, wanted in node.element.items() if key.startswith(("fixed", "pattern"))]
        if fixed:
            return all(_covers(value, wanted) for _key, wanted in fixed)
        if node.element.get("binding", {}).get("strength") == "required":
            return bool(self._in_set(node.element["binding"]["valueSet"], value))
        parts = [(name, child) for name, child in node.children.items() if _constrained(child)]
        return bool(parts) and all(
            any(self._is(child, one) for _key, one in _values(value, name)) for name, child in parts
        )

    def _in_set(self, url: str, value: Any) -> bool | None:
        """Whether a coding of the value is in the set; None when the set cannot be told."""
        known = self._sets.get(url.split("|")[0])
        if known is None or not isinstance(value, dict):
            return None
        codings = value.get("coding", [value] if "code" in value else [])
        answers = [self._includes(part, coding) for part in known["compose"]["include"] for coding in codings]
        return None if None in answers and True not in answers else any(answers)

    def _includes(self, part: dict[str, Any], coding: dict[str, Any]) -> bool | None:
        if part.get("valueSet"):
            return None
        if part.get("system") != coding.get("system"):
            return False
        if part.get("filter"):
            return None
        return "concept" not in part or coding.get("code") in {one["code"] for one in part["concept"]}


_SLICE_MARKS = {
    "uniqueclaimid": '"uc"', "memberid": '"mb"', "uniquememberid": '"um"', "adjudicationamounttype": '"amount"',
    "serviceddate": "",
}  # fmt: skip
"""What tells a slice whose name is not its code; text of the lower-case JSON."""


def must_supports(resource: dict[str, Any], path: str) -> list[Any]:
    """The values at a dotted path of a must-support list; a slice is known by its code."""
    here: list[Any] = [resource]
    for step in path.split("."):
        name, _colon, slice_name = step.partition(":")
        here = [deeper for one in here if isinstance(one, dict) for _key, deeper in _values(one, name)]
        if slice_name:
            mark = _SLICE_MARKS.get(slice_name.lower(), slice_name.lower())
            here = [one for one in here if mark in json.dumps(one).lower()]
    return here


def _tree(definition: dict[str, Any]) -> Node:
    root, *rest = definition["snapshot"]["element"]
    top = Node(root)
    for element in rest:
        node = top
        *steps, last = element["id"].split(".")[1:]
        for step in steps:
            node = _step(node, step)
        name, _colon, slice_name = last.partition(":")
        if slice_name:
            node.children[name].slices[slice_name] = Node(element)
        else:
            node.children[name] = Node(element)
    return top


def _step(node: Node, step: str) -> Node:
    name, _colon, slice_name = step.partition(":")
    child = node.children[name]
    return child.slices[slice_name] if slice_name else child


def _values(value: dict[str, Any], name: str) -> list[tuple[str, Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for key, one in value.items():
        stem = name.removesuffix("[x]")
        own = key == name
        # A primitive whose value is absent stands as `_name` with an extension that says why.
        absent = key == f"_{name}" and name not in value
        choice = (
            name.endswith("[x]") and key.lstrip("_").startswith(stem) and key.lstrip("_")[len(stem) :][:1].isupper()
        )
        if own or absent or choice:
            found[key].extend(one if isinstance(one, list) else [one])
    return [(key, one) for key, ones in found.items() for one in ones]


def _counted(element: dict[str, Any], count: int, path: str) -> Iterator[str]:
    if count < element.get("min", 0):
        yield f"{path}: {count} of at least {element['min']}"
    if element.get("max", "*") != "*" and count > int(element["max"]):
        yield f"{path}: {count} of at most {element['max']}"


def _covers(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and _covers(value[name], part) for name, part in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(_covers(one, part) for one in value) for part in wanted)
    return bool(value == wanted)


def _constrained(node: Node) -> bool:
    return any(key.startswith(("fixed", "pattern")) for key in node.element) or any(
        map(_constrained, node.children.values())
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
