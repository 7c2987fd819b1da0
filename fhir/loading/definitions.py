"""StructureDefinitions and value sets of published guides, made compact for the checks of a load.

`r4_elements.json`, `r4_resources.json` and `profiles.json.gz` beside this module were made by `flask fhir definitions`
from the packages of FHIR R4, US Core 6.1.0, CARIN BB 2.0.0 and PDex 2.0.0 (all CC0-1.0). `r4_codes.json` lists the
codes of those value sets of FHIR R4 4.0.1 (its valuesets.json and v3-codesystems.json) that profiles of these guides
bind to by force: states, genders, uses. The guides' own packages lack them.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

_STRUCTURES = "structuredefinitions*.ndjson.gz"
_TERMS = "terminology.ndjson.gz"
BASE = "fhir-r4-4.0.1"
GUIDES = ("us-core-6.1.0", "carin-bb-2.0.0", "pdex-2.0.0")
ELEMENTS, PROFILES, CODES = "r4_elements.json", "profiles.json.gz", "r4_codes.json"
RESOURCES = "r4_resources.json"
_SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
_USCDI = "http://hl7.org/fhir/us/core/StructureDefinition/uscdi-requirement"
"""On elements that US Core does not flag and that certified systems must nevertheless have."""

Elements = dict[str, dict[str, list[Any]]]
"""For each type (`Coding`, `Claim.item`) its elements: the type they have, and whether they repeat."""


class NoDefinitions(Exception):
    """The folder holds no StructureDefinition."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"No StructureDefinitions in {folder}: files named {_STRUCTURES}, or JSON files, one each.")


def write(source: Path, target: Path, types: Iterable[str]) -> None:
    """Make these files in `target` anew from the packages in `source`, each in a folder of its own."""
    base, guides = source / BASE, [source / guide for guide in GUIDES]
    elements = elements_of(base, types)
    (target / ELEMENTS).write_text(json.dumps(elements, separators=(",", ":"), sort_keys=True) + "\n", "utf-8")
    (target / RESOURCES).write_text(json.dumps(resources_of(base), indent=0) + "\n", "utf-8")
    made = json.dumps(profiles_of(guides), separators=(",", ":"), sort_keys=True).encode()
    (target / PROFILES).write_bytes(gzip.compress(made, 9, mtime=0))


def elements_of(folder: Path, types: Iterable[str]) -> Elements:
    """The elements of these types, and of every type they are made of, by the base definitions in `folder`."""
    known = {made["type"]: made for made in _structures(folder) if made.get("derivation") != "constraint"}
    found: Elements = {}
    left = [*types]
    while left:
        name = left.pop()
        if name in found or name not in known:
            continue
        for path, elements in _by_parent(known[name]).items():
            found[path] = elements
            left += [one[0] for one in elements.values()]
    return found


def resources_of(folder: Path) -> list[str]:
    """The name of every type of resource, stored here or not, but for the abstract ones."""
    made = [one for one in _structures(folder) if one["kind"] == "resource" and one.get("derivation") != "constraint"]
    return sorted(one["type"] for one in made if not one["abstract"])


def profiles_of(folders: Iterable[Path]) -> dict[str, Any]:
    """Profiles by address, each as a tree of what it demands, and the value sets they bind to, as far as listed."""
    structures: dict[str, Any] = {}
    terms: dict[str, Any] = {}
    for folder in folders:
        found = {made["url"]: made for made in _structures(folder) if made.get("derivation") == "constraint"}
        structures |= found
        terms |= {made["url"]: made for made in _lines(folder.glob(_TERMS)) if "url" in made}
    trees = {url: _tree(made) for url, made in sorted(structures.items()) if made.get("kind") == "resource"}
    of_r4: dict[str, dict[str, list[str]]] = json.loads(Path(__file__).with_name(CODES).read_text("utf-8"))
    sets: dict[str, Any] = {}
    for url in sorted(set(_bound_sets(trees.values()))):
        codes = _codes(terms, url) or of_r4.get(url)
        if codes is not None:
            sets[url] = codes
    return {"profiles": trees, "sets": sets}


def _structures(folder: Path) -> list[dict[str, Any]]:
    found = list(_lines(folder.glob(_STRUCTURES)))
    for path in sorted(folder.glob("*.json")):
        made = json.loads(path.read_text("utf-8"))
        if isinstance(made, dict) and made.get("resourceType") == "StructureDefinition":
            found.append(made)
    if not found:
        raise NoDefinitions(folder)
    return found


def _lines(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in sorted(paths):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)


def _by_parent(definition: Mapping[str, Any]) -> Elements:
    found: Elements = {definition["type"]: {}}
    for element in definition["snapshot"]["element"][1:]:
        parent, _, name = element["path"].rpartition(".")
        for spelt, kind in _choices(element, name):
            found.setdefault(parent, {})[spelt] = [kind, element["max"] != "1"]
    return found


def _choices(element: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    if "contentReference" in element:
        yield name, element["contentReference"].rpartition("#")[2]
        return
    for one in element["type"]:
        code = _code(one)
        if name.endswith("[x]"):
            yield name[:-3] + code[:1].upper() + code[1:], code
        elif code in {"BackboneElement", "Element"} and element["path"].count("."):
            yield name, element["path"]
        else:
            yield name, code


def _code(kind: Mapping[str, Any]) -> str:
    # Ids and the values of primitives are told by an extension beside a system type.
    code = str(kind["code"])
    return "string" if code.startswith(_SYSTEM_TYPE) else code


def _tree(definition: Mapping[str, Any]) -> dict[str, Any]:
    root, *rest = definition["snapshot"]["element"]
    top = _node(root) | {"type": definition["type"]}
    for element in rest:
        *steps, last = element["id"].split(".")[1:]
        node: dict[str, Any] | None = top
        for step in steps:
            node = _step(node, step) if node else None
        if node is None:
            continue
        name, _, piece = last.partition(":")
        if not piece:
            node.setdefault("children", {})[name] = _node(element)
        elif name in node.get("children", {}):
            node["children"][name].setdefault("slices", {})[piece] = _node(element)
    _prune(top)
    return top


def _node(element: Mapping[str, Any]) -> dict[str, Any]:
    node: dict[str, Any] = {}
    if element.get("min", 0):
        node["min"] = element["min"]
    base = element.get("base", {}).get("max", "*")
    if element.get("max", "*") != "*" and element["max"] != base:
        node["max"] = int(element["max"])
    for key, value in element.items():
        if key.startswith("fixed"):
            node["fixed"] = value
        elif key.startswith("pattern"):
            node["pattern"] = value
    binding = element.get("binding", {})
    if binding.get("strength") == "required" and "valueSet" in binding:
        node["binding"] = binding["valueSet"].partition("|")[0]
    if element.get("mustSupport") or any(one["url"] == _USCDI for one in element.get("extension", ())):
        node["must"] = True
    if "discriminator" in element.get("slicing", {}):
        node["by"] = [[one["type"], one["path"]] for one in element["slicing"]["discriminator"]]
    return node | _typed(element)


def _typed(element: Mapping[str, Any]) -> dict[str, Any]:
    kinds = element.get("type") or []
    typed: dict[str, Any] = {}
    if ":" in element["id"].rpartition(".")[2] and kinds:
        typed["kind"] = kinds[0]["code"]
        if kinds[0].get("profile"):
            typed["url"] = kinds[0]["profile"][0]
    return typed


def _step(node: dict[str, Any], step: str) -> dict[str, Any] | None:
    name, _, piece = step.partition(":")
    child: dict[str, Any] | None = node.get("children", {}).get(name)
    return child.get("slices", {}).get(piece) if child and piece else child


def _prune(node: dict[str, Any]) -> bool:
    """Drop what demands nothing; whether anything is left."""
    for kind in ("children", "slices"):
        kept = {name: one for name, one in node.pop(kind, {}).items() if _prune(one)}
        if kept:
            node[kind] = kept
    if "slices" not in node:
        node.pop("by", None)
    return bool(node.keys() - {"kind", "url"})


def _bound_sets(nodes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for node in nodes:
        if "binding" in node:
            yield node["binding"]
        yield from _bound_sets([*node.get("children", {}).values(), *node.get("slices", {}).values()])


def _codes(terms: Mapping[str, Any], url: str) -> dict[str, list[str] | None] | None:
    """The codes of a value set by system (None: all of a system that nobody listed); None where it cannot be told."""
    made = terms.get(url)
    if made is None or made.get("resourceType") != "ValueSet" or "exclude" in made.get("compose", {}):
        return None
    found: dict[str, list[str] | None] = {}
    for part in made.get("compose", {}).get("include", ()):
        if part.get("valueSet"):
            for inner in part["valueSet"]:
                below = _codes(terms, inner.partition("|")[0])
                if below is None:
                    return None
                found |= below
        elif part.get("filter"):
            return None
        else:
            found[part["system"]] = _listed(terms, part)
    return found


def _listed(terms: Mapping[str, Any], part: Mapping[str, Any]) -> list[str] | None:
    if "concept" in part:
        return sorted(one["code"] for one in part["concept"])
    system = terms.get(part["system"], {})
    if system.get("content") != "complete":
        return None
    return sorted(_every_code(system.get("concept", ())))


def _every_code(concepts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for one in concepts:
        yield one["code"]
        yield from _every_code(one.get("concept", ()))
