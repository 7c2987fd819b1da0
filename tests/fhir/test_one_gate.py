"""The one gate: whatever reads what is stored of members takes an Access, today's functions and tomorrow's alike."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from consent.policy import for_attribution, plan_system
from consent.scopes import parse
from fhir.loading import ingest, relabelling
from fhir.merges import merging
from fhir.outcomes import Forbidden
from fhir.storage import granting, reindexing
from service.db import make_sessions
from tests.factories import make_member

_ROOT = Path(__file__).parents[2]
_TABLES = {"StoredResource", "StoredVersion"}
_IN_SQL = re.compile(r"\b(?:FROM|JOIN)\s+resource(?:_version)?\b")
_TELLS_NOTHING = {"dialect_of", "Row"}
_KEEPERS = {"fhir/models.py", "fhir/storage/bodies.py"}
"""Where the tables and the packing of bodies are defined."""
_WRITER = "fhir/storage/writing.py"
"""Takes what is prepared elsewhere; of what stands it asks version, hash, owner and labels, never a body."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _sources() -> Iterator[tuple[str, str]]:
    for package in ("consent", "fhir", "oauth", "service"):
        for path in sorted((_ROOT / package).rglob("*.py")):
            yield path.relative_to(_ROOT).as_posix(), path.read_text("utf-8")


def _functions(tree: ast.Module) -> dict[str, Function]:
    """Functions by name, and methods by `Class.method`."""
    found: dict[str, Function] = {}
    for node in tree.body:
        if isinstance(node, Function):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{one.name}": one for one in node.body if isinstance(one, Function)}
    return found


def _reads(node: ast.AST) -> bool:
    """Whether code names the tables of resources, unpacks a body, or runs a hot statement."""
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and one.id in _TABLES:
            return True
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and _IN_SQL.search(one.value):
            return True
        if isinstance(one, ast.Attribute):
            is_statement = isinstance(one.value, ast.Name) and one.value.id == "statements"
            if one.attr == "unpack" or (is_statement and one.attr not in _TELLS_NOTHING):
                return True
    return False


def _called(function: Function) -> set[str]:
    return {one.id for one in ast.walk(function) if isinstance(one, ast.Name)} | {
        one.attr for one in ast.walk(function) if isinstance(one, ast.Attribute)
    }


def _readers(functions: dict[str, Function], constants: set[str]) -> set[str]:
    """Functions that read, or that call one of the same module that does."""
    found = {name for name, one in functions.items() if _reads(one) or _called(one) & constants}
    while True:
        short = {name.rpartition(".")[2] for name in found}
        more = {name for name, one in functions.items() if name not in found and _called(one) & short}
        if not more:
            return found
        found |= more


def _takes(function: Function, *types: str) -> bool:
    given = function.args
    named = [one.annotation for one in (*given.posonlyargs, *given.args, *given.kwonlyargs) if one.annotation]
    return any(word in types for one in named for word in re.findall(r"\w+", ast.unparse(one)))


def _without_access(path: str, source: str) -> list[str]:
    """The public functions of a module that read what is stored and take neither an Access nor what one became."""
    tree = ast.parse(source)
    functions = _functions(tree)
    assigned = [one for one in tree.body if isinstance(one, ast.Assign) and _reads(one)]
    constants = {name.id for one in assigned for name in one.targets if isinstance(name, ast.Name)}
    # The hot statements take what `clauses.visible` made of an Access.
    types = ("Access", "Clause") if path == "fhir/storage/statements.py" else ("Access",)
    opened = {name.partition(".")[0] for name, one in functions.items() if "." in name and _takes(one, *types)}
    return [
        f"{path}: {name}"
        for name in sorted(_readers(functions, constants))
        if not name.rpartition(".")[2].startswith("_") and name.partition(".")[0] not in opened
        if not _takes(functions[name], *types)
    ]


def test_whatever_reads_stored_records_takes_an_access() -> None:
    outside = [
        one for path, source in _sources() if path not in {*_KEEPERS, _WRITER} for one in _without_access(path, source)
    ]

    assert outside == []


@pytest.mark.parametrize(
    "source",
    [
        "def peek(session):\n    return session.scalars(select(StoredResource)).all()",
        "def peek(session):\n    return _rows(session)\ndef _rows(session):\n    return session.get(StoredVersion, 1)",
        "_ALL = 'SELECT body FROM resource'\ndef peek(session):\n    return session.execute(_ALL)",
        "def peek(session, row):\n    return bodies_of(session).unpack(session, 0, row)",
        "def peek(session):\n    return statements.read(session, 'Patient', 'p', Clause('1 = 1'))",
        "class Peek:\n    def all(self):\n        return select(StoredResource.body)",
    ],
)
def test_a_reader_without_an_access_is_seen(source: str) -> None:
    assert _without_access("fhir/somewhere.py", source) != []


def test_the_writer_reads_no_body() -> None:
    tree = ast.parse((_ROOT / _WRITER).read_text("utf-8"))
    stored = {
        ast.unparse(one)
        for one in ast.walk(tree)
        if isinstance(one, ast.Attribute) and ast.unparse(one.value) in {*_TABLES, "stored"}
    }

    assert "StoredResource.labels" in stored
    assert not {one for one in stored if one.endswith((".body", ".texts"))}
    assert not [one for one in ast.walk(tree) if isinstance(one, ast.Attribute) and one.attr == "unpack"]


def test_what_rewrites_every_record_refuses_an_access_that_sees_less(engine: Engine, session: Session) -> None:
    less = for_attribution(plan_system("tests"))
    pair = make_member(session), make_member(session)
    session.commit()

    with pytest.raises(Forbidden):
        merging.merge(session, less, *pair, reason="one person")
    with pytest.raises(Forbidden):
        merging.unmerge(session, less, pair[0], reason="two people")
    with pytest.raises(Forbidden):
        relabelling.follow_medications(session, less, ["m"])
    with pytest.raises(Forbidden):
        relabelling.relabel(make_sessions(engine), access=less, progress=print)
    with pytest.raises(Forbidden):
        reindexing.reindex(engine, access=less)
    with pytest.raises(Forbidden):
        ingest.load_resources(engine, [], access=less)


def test_every_record_is_within_reach_of_everybody_without_labels_with_each_letter_for_the_whole_type() -> None:
    plan = plan_system("tests")
    granting.require_every_record(plan, "c", "u", "d")

    for less in (
        replace(plan, patient_ids=frozenset({"p"})), for_attribution(plan),
        replace(plan, scopes=parse("system/*.crus")), replace(plan, scopes=parse("system/Observation.cruds")),
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            granting.require_every_record(less, "u", "d")
