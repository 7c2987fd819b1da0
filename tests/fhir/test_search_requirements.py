"""What the guides demand of searches, read from their published definitions, against what is declared."""

import csv
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhir.compartment import TYPES
from fhir.search import parameters
from fhir.search.combinations import COMBINATIONS
from fhir.search.declared import Column, Kind
from fhir.search.parameters import Parameter
from tests.conftest import SHARED, require
from tests.fhir import plan_net

GUIDES = {
    ("us-core", "6.1.0"), ("us-core", "7.0.0"), ("us-core", "8.0.0"), ("carin-bb", "2.0.0"), ("pdex", "2.0.0"),
}  # fmt: skip
ERRORS_OF_GUIDES = {
    ("MedicationDispense", "search-combo", "patient+intent"): "MedicationDispense has no intent",
    ("MedicationDispense", "search-combo", "patient+intent+status"): "MedicationDispense has no intent",
    ("Coverage", "search-param", "_id"): "PDex says string; R4, CARIN and all else say token",
}
NOT_SERVED = {"Group": "is read by bulk export"}
WIDER = {
    ("Condition", "onset-date"): {"onset.as(Period)"},
    ("InsurancePlan", "name"): {"name", "alias"},
    ("Location", "name"): {"alias"},
    ("Organization", "name"): {"alias"},
}
"""What we search besides what the definition of the parameter says: later versions of it say so."""


def definitions() -> Path:
    require(SHARED is not None, "the folder with the guides' definitions is not here (set SHARED)")
    assert SHARED
    return SHARED / "data" / "definitions"


def requirements() -> list[dict[str, str]]:
    with (definitions() / "search-requirements.csv").open(encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if (row["ig"], row["version"]) in GUIDES]
    return [row for row in rows if row["kind"] != "operation" and row["resource"] not in NOT_SERVED]


@cache
def published() -> dict[str, dict[str, Any]]:
    """Every SearchParameter by its URL."""
    found: dict[str, dict[str, Any]] = dict(plan_net.PUBLISHED)
    for path in sorted(definitions().glob("*/search-parameters.json")):
        told = json.loads(path.read_text("utf-8"))
        every = told if isinstance(told, list) else [one["resource"] for one in told["entry"]]
        found |= {one["url"]: one for one in every}
    return found


def declared() -> Iterator[Parameter]:
    for resource_type in TYPES:
        yield from parameters.of(resource_type)


def test_everything_the_guides_demand_is_declared() -> None:
    rows = requirements()
    missing = {(row["resource"], row["kind"], row["name"]) for row in rows if not _is_declared(row)}
    assert missing == set(ERRORS_OF_GUIDES)
    assert len(rows) > 1_000


def _is_declared(row: dict[str, str]) -> bool:
    resource_type, name = row["resource"], row["name"].replace(" ", "")
    if resource_type not in TYPES:
        return False
    match row["kind"]:
        case "search-param":
            found = parameters.find(resource_type, name)
            return found is not None and row["type"] in {"", found.kind.declared}
        case "search-combo":
            return all(parameters.find(resource_type, one) for one in name.split("+"))
        case "_include":
            return name in {f"{resource_type}:*", *parameters.includes(resource_type)}
        case "_revinclude":
            return name in parameters.revincludes(resource_type)
        case _:
            return True


def test_the_combinations_are_those_of_the_guides_with_their_force() -> None:
    demanded: dict[tuple[str, frozenset[str]], str] = {}
    for row in requirements():
        key = (row["resource"], frozenset(row["name"].replace(" ", "").split("+")))
        if row["kind"] == "search-combo" and row["conformance"]:
            demanded[key] = min(row["conformance"], demanded.get(key, "SHOULD"))
    said = {
        (resource_type, frozenset(names.split("+"))): force
        for resource_type, rows in COMBINATIONS.items()
        for force, names in rows
    }
    assert said == demanded


@pytest.mark.parametrize("resource_type", TYPES)
def test_definitions_are_published_and_say_the_same(resource_type: str) -> None:
    for one in parameters.of(resource_type):
        told = published().get(one.definition)
        assert told is not None, (one.name, one.definition)
        assert told["code"] == one.name
        assert told["type"] == one.kind.declared, one.name
        assert {resource_type, "Resource", "DomainResource"} & set(told["base"]), one.name
        if one.column is not Column.PATIENT and one.kind.declared == "reference":
            assert set(parameters.targets(one)) == set(told["target"]) & set(TYPES), one.name
        if names := {chain.name for chain in parameters.chains(one)}:
            assert names == set(told["chain"])


def test_paths_are_those_of_the_definitions() -> None:
    compared = 0
    for one in declared():
        if not one.path or one.name == "_id":
            continue
        mine = {_plain(path) for path in one.path.split("|")}
        theirs = _alternatives(one.resource_type, published()[one.definition]["expression"])
        theirs |= WIDER.get((one.resource_type, one.name), set())
        assert _fits(mine, theirs), (one.resource_type, one.name, mine, theirs)
        compared += 1
    assert compared > 200


def _plain(path: str) -> str:
    return re.sub(r"\[([^\]]+)\]", r".where(url = '\1')", path)


def _alternatives(resource_type: str, expression: str) -> set[str]:
    """The FHIRPath alternatives of one type, without their first step, `x as y` written `x.as(y)`."""
    found = set()
    for part in re.split(r"\|(?![^(]*\))", expression):
        plain = re.sub(r"^\((.+) as (\w+)\)$", r"\1.as(\2)", part.strip()).replace(".where(resolve() is Patient)", "")
        plain = re.sub(r"^\((.+)\.ofType\((\w+)\)\)$", r"\1.as(\2)", plain)
        if plain.startswith(f"{resource_type}."):
            found.add(plain.removeprefix(f"{resource_type}."))
    return found


def _fits(mine: set[str], theirs: set[str]) -> bool:
    """Whether each path is one alternative (with its type written out), and each alternative is among the paths."""
    return all(any(_is_of(path, one) for one in theirs) for path in mine) and all(
        any(_is_of(path, one) for path in mine) for one in theirs
    )


def _is_of(path: str, alternative: str) -> bool:
    choice = re.fullmatch(r"(.+)\.as\((\w+)\)", alternative)
    if choice:
        return path == choice[1] + choice[2][0].upper() + choice[2][1:]
    return (
        re.fullmatch(re.escape(alternative) + "(Date|DateTime|Period|Instant|CodeableConcept|Reference)?", path)
        is not None
    )


def test_every_kind_has_a_reader() -> None:
    assert {one.kind for one in declared()} == set(Kind)
