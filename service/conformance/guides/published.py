"""Published CapabilityStatements and SearchParameters of guides, made into the rows of `requirements.json`.

That file was made by `flask conformance requirements` from US Core 3.1.1, 6.1.0, 7.0.0 and 8.0.0, CARIN BB 2.0.0 and
2.2.0 (build), PDex 2.0.0 and 2.2.0 (build) and FHIR R4 (all CC0-1.0). A requirement that several of them state is one
row, which names each with its force.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_EXPECTATION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation"
_COMBINATION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination"
_STATEMENTS = "CapabilityStatement-*.json"
_PARAMETERS = "search-parameters.json"
_TITLES = {"us-core": "US Core", "carin-bb": "CARIN BB", "pdex": "PDex", "fhir-r4": "FHIR R4"}
_CHOICE = re.compile(r"^\(?(.+?)(?: as |\.as\(|\.ofType\()(\w+)\)+$")
_EXTENSION = re.compile(r"extension\.where\(url ?= ?'([^']+)'\)\.value(\w*)")
_TYPED = re.compile(r"\.where\(resolve\(\) is \w+\)")

Row = dict[str, Any]
Rows = dict[str, dict[str, dict[str, Row]]]
"""By resource type, then kind (interaction, search-param ...), then name."""


class NothingPublished(Exception):
    """The folder holds no CapabilityStatement of a guide."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"No guide in {folder}: folders named like us-core-6.1.0 with files {_STATEMENTS}.")


def write(folder: Path, target: Path) -> None:
    """Make the file anew, a type a line. Raises NothingPublished."""
    made = sorted(rows(folder).items())
    lines = (f"{json.dumps(name)}: {json.dumps(one, separators=(',', ':'), sort_keys=True)}" for name, one in made)
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def rows(folder: Path) -> Rows:
    """Every requirement of the guides that lie in `folder`, each in a folder of its own. Raises NothingPublished."""
    statements = sorted(folder.glob(f"*/{_STATEMENTS}"))
    if not statements:
        raise NothingPublished(folder)
    known = _parameters(folder)
    found: Rows = {}
    for path in statements:
        guide = _guide(path)
        for resource in json.loads(path.read_text("utf-8"))["rest"][0].get("resource", ()):
            kinds = found.setdefault(resource["type"], {})
            for kind, name, force, more in _stated(resource, known):
                row = kinds.setdefault(kind, {}).setdefault(name, {"guides": {}})
                row["guides"][guide] = force
                row |= {key: value for key, value in more.items() if key not in row}
    return found


def _guide(path: Path) -> str:
    """`us-core-6.1.0` is US Core 6.1.0; a guide of several servers is told apart by the server's name."""
    name, _, version = re.fullmatch(r"(.+?)(-)(\d.*)", path.parent.name).groups()  # type: ignore[union-attr]
    server = path.stem.removeprefix("CapabilityStatement-")
    several = len(list(path.parent.glob(_STATEMENTS))) > 1
    return f"{_TITLES.get(name, name)} {version}{f' ({server})' if several else ''}"


def _stated(resource: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Row]]:
    """Kind, name, force and what else is known, of each thing that a statement says of a type."""
    for one in resource.get("interaction", ()):
        yield "interaction", one["code"], _force(one), {}
    for one in resource.get("searchParam", ()):
        yield "search-param", one["name"], _force(one), _described(resource["type"], one, known)
    for one in resource.get("extension", ()):
        if one["url"] == _COMBINATION:
            names = [part["valueString"] for part in one["extension"] if part["url"] == "required"]
            yield "search-combo", "+".join(names), _force(one), {}
    for kind, spelt in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude")):
        forces = resource.get(f"_{spelt}") or [None] * len(resource.get(spelt, ()))
        for name, beside in zip(resource.get(spelt, ()), forces, strict=True):
            include = {"paths": _included(resource["type"], name, known)} if kind == "_include" else {}
            yield kind, name.replace(" ", ""), _force(beside or {}), include
    for one in resource.get("operation", ()):
        yield "operation", one["name"], _force(one), {}
    for one in resource.get("supportedProfile", ()):
        yield "profile", one.partition("|")[0], "", {}


def _force(element: Mapping[str, Any]) -> str:
    said = (one["valueCode"] for one in element.get("extension", ()) if one["url"] == _EXPECTATION)
    return next(said, "")


def _parameters(folder: Path) -> dict[str, Any]:
    """Every SearchParameter by its address; the newest edition of a guide comes last and counts."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob(f"*/{_PARAMETERS}")):
        told = json.loads(path.read_text("utf-8"))
        every = told if isinstance(told, list) else [one["resource"] for one in told["entry"]]
        found |= {one["url"]: one for one in every}
    return found


def _described(resource_type: str, stated: Mapping[str, Any], known: Mapping[str, Any]) -> Row:
    named = known.get(str(stated.get("definition", "")).partition("|")[0], {})
    # Statements err: one calls _id a string, one names the definition of another type. Definitions count.
    defined = (
        named if _bases(resource_type) & set(named.get("base", ())) else _defined(resource_type, stated["name"], known)
    )
    made: Row = {"type": defined.get("type", stated.get("type", ""))}
    if paths := _paths(resource_type, defined.get("expression", "")):
        made["paths"] = paths
    if force := _force(defined.get("_multipleOr", {})):
        made["or"] = force
    forces = defined.get("_comparator") or ()
    comparators = [
        code
        for code, beside in zip(defined.get("comparator", ()), forces, strict=False)
        if _force(beside or {}) == "SHALL"
    ]
    if comparators:
        made["comparators"] = comparators
    return made


def _included(resource_type: str, name: str, known: Mapping[str, Any]) -> list[str]:
    """The paths whose references an _include follows; none for those of every parameter (`*`)."""
    code = name.replace(" ", "").split(":")[1]
    return _paths(resource_type, _defined(resource_type, code, known).get("expression", ""))


def _defined(resource_type: str, code: str, known: Mapping[str, Any]) -> Mapping[str, Any]:
    """The definition of a parameter by its name alone."""
    bases = _bases(resource_type)
    return next((one for one in known.values() if one.get("code") == code and bases & set(one.get("base", ()))), {})


def _bases(resource_type: str) -> set[str]:
    return {resource_type, "Resource", "DomainResource"}


def _paths(resource_type: str, expression: str) -> list[str]:
    """The paths of one type, from its root: `onset.as(Period)` is `onsetPeriod`; `extension[url]` picks one."""
    found = []
    for part in re.split(r"\|(?![^(]*\))", expression):
        plain = _TYPED.sub("", part.strip())
        if choice := _CHOICE.match(plain):
            plain = f"{choice[1]}{choice[2][:1].upper()}{choice[2][1:]}"
        plain = _EXTENSION.sub(r"extension[\1].value\2", plain)
        root, _, path = plain.partition(".")
        if root in {resource_type, "Resource", "DomainResource"} and path:
            found.append(path)
    return found
