"""Every attack case of docs/attack-cases.md is tested by its number, or the page says why not."""

import ast
import re

import pytest

from tests.conftest import ROOT

_PAGE = ROOT / "docs" / "attack-cases.md"
_LIST, _, _EXPLAINED = _PAGE.read_text(encoding="utf-8").partition("\n## Not tested by number\n")
_NUMBERS = re.compile(r"case_(\d{3}(?:_and_\d{3})*)(?!\d)")


def every_case() -> list[int]:
    """The numbers of the page's table, as it names them."""
    rows = [line.rpartition("|")[0].rpartition("|")[2] for line in _LIST.splitlines() if line.startswith("| ")]
    return [int(number) for row in rows for number in re.findall(r"\d+", row)]


def cases_with_a_test() -> set[int]:
    """The numbers in names of test functions."""
    names = (
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        if "node_modules" not in path.parts and ".venv" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )
    return {int(number) for name in names for found in _NUMBERS.findall(name) for number in found.split("_and_")}


def explained_cases() -> set[int]:
    """The numbers that begin a line of the page's last section and have a reason of some words."""
    lines = re.findall(r"^- \*\*([\d, ]+)\*\*: (\S+(?: \S+){4,})", _EXPLAINED, re.MULTILINE)
    return {int(number) for numbers, _reason in lines for number in re.findall(r"\d+", numbers)}


def test_every_case_is_tested_or_explained(capsys: pytest.CaptureFixture[str]) -> None:
    every, tested, explained = every_case(), cases_with_a_test(), explained_cases()
    with capsys.disabled():
        print(f"\nattack cases: {len(tested & set(every))} of {len(every)} tested; explained: {sorted(explained)}")
    assert len(every) == len(set(every)) and every == sorted(every) and every[0] == 1 and every[-1] == 197
    assert [case for case in every if case not in tested | explained] == []


def test_no_case_is_tested_or_explained_that_is_not_listed_or_both() -> None:
    every, tested, explained = set(every_case()), cases_with_a_test(), explained_cases()
    assert tested - every == set() and explained - every == set()
    assert tested & explained == set(), "it has a test now: take its line off the page"
