"""One rule by which every command that measures ends, and one command that runs them all."""

import argparse
import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults import every_figure, figures, proofs
from tests.faults.every_figure import PARTS, Part
from tests.faults.figures import NO_PROMISE, Figure
from tests.faults.proofs import PROOFS, Proof

KEPT, MISSED = Figure("a", "0", "0", kept=True), Figure("b", "0", "1", kept=False)
SLOW, UNPROMISED = Figure("c", "3 s", "4 s", False, timed=True, load=7.4), Figure("d", NO_PROMISE, "1 s", None)
_WELL = """
from tests.faults import figures
import argparse
asked = argparse.ArgumentParser()
figures.add_options(asked)
row = figures.Figure("measured", "3 s", "4 s", False, timed=True, load=7.4)
raise SystemExit(figures.end([row], asked.parse_args()))
"""


def given(*arguments: str) -> argparse.Namespace:
    asked = argparse.ArgumentParser()
    figures.add_options(asked)
    return asked.parse_args(arguments)


@pytest.mark.parametrize(
    ("rows", "alone", "shared"),
    [([KEPT, UNPROMISED], 0, 0), ([KEPT, MISSED], 1, 1), ([KEPT, SLOW], 1, 0), ([SLOW, MISSED], 1, 1)],
)
def test_a_missed_figure_ends_with_1_and_a_slow_one_where_the_machine_is_its_own(
    rows: list[Figure], alone: int, shared: int
) -> None:
    assert figures.end(rows, given()) == alone
    assert figures.end(rows, given("--shared")) == shared


def test_a_row_says_what_was_made_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    short = Figure("e", "1,000", "20", kept=True, short=True)
    figures.print_table([KEPT, MISSED, SLOW, UNPROMISED, short, Figure("f", "9", "?", None)])
    told = [line.split(" | ")[-1].rstrip(" |") for line in capsys.readouterr().out.splitlines()[2:]]
    assert re.fullmatch(r"slow at load 7 of \d+ cores", told.pop(2))
    assert told == ["pass", "fail", "-", "pass, short", "not measured"]


def test_rows_are_read_as_they_were_kept(tmp_path: Path) -> None:
    kept = tmp_path / "rows.json"
    assert figures.kept_in(kept) == []
    figures.end([KEPT, SLOW], given("--figures", str(kept)))
    assert figures.kept_in(kept) == [KEPT, SLOW]
    assert [one.load for one in figures.kept_in(kept)] == [KEPT.load, 7.4]


def test_every_command_that_measures_is_a_part_and_takes_what_it_is_given() -> None:
    measuring = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in ("tests", "bench")
        for path in (ROOT / folder).rglob("*.py")
        if "node_modules" not in path.parts and ".venv" not in path.parts
        if "figures.end(" in path.read_text("utf-8") and not path.name.startswith("test_")
    }
    assert measuring - {"tests.faults.every_figure"} == {part.module for part in PARTS}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for part in PARTS:
        assert re.search(rf"^{part.name}: .*\n\t@\$\(BIN\)/python -m {re.escape(part.module)} ", makefile, re.MULTILINE)
        for arguments in (part.short, part.long):
            if arguments is not None:
                importlib.import_module(part.module).parser().parse_args([*arguments, "--shared", "--figures", "x"])


def test_all_parts_are_run_and_told_of_in_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    (tmp_path / "measures_slowly.py").write_text(_WELL)
    (tmp_path / "breaks.py").write_text("raise SystemExit(3)")
    race = Part("races", "tests.faults.races", ("--rounds", "1", "--kind", "jti", "--database", "sqlite"), ())
    slow, breaks = (Part(name, name, (), ()) for name in ("measures_slowly", "breaks"))
    unrun = Part("soak", "tests.faults.soak", None, ())

    monkeypatch.setattr(sys, "argv", ["figures", "--shared"])
    assert every_figure.main([race, slow, unrun]) == 0
    _, table = capfd.readouterr().out.split("Figures to promise and to measure")
    assert "| one winner of 8: jti, sqlite | 0 others | 0 in 1 rounds | pass, short |" in table
    assert "| measured | 3 s | 4 s | slow at load 7 of" in table and "in the long form only" in table
    assert every_figure.main([breaks]) == 1
    assert "| make breaks | its figures | none: it ended with 3 | fail |" in capfd.readouterr().out

    monkeypatch.setattr(sys, "argv", ["figures"])
    assert every_figure.main([slow]) == 1


def test_every_proof_names_tests_that_are_there() -> None:
    for proof in PROOFS:
        files = [one for one in proof.tests if "/" in one]
        word = proof.tests[-1] if "-k" in proof.tests else "test_"
        for name in files:
            paths = sorted((ROOT / name).glob("test_*.py")) if (ROOT / name).is_dir() else [ROOT / name]
            tests = [node.name for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8")))
                     if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]  # fmt: skip
            assert any(word in test for test in tests), f"{proof.name}: {name}"


@pytest.mark.parametrize(
    ("body", "kept", "measured"),
    [
        ("def test_one(): pass\ndef test_two(): pass", True, "2 tests passed"),
        ("def test_one(): pass\ndef test_two(): assert False", False, "1 tests passed, 1 failed"),
        ("import pytest\ndef test_one(): pytest.skip('no server')", False, "1 skipped"),
        ("", False, "no test ran (pytest ended with 5)"),
    ],
)
def test_a_proof_counts_what_ran(tmp_path: Path, body: str, kept: bool, measured: str) -> None:
    (tmp_path / "test_it.py").write_text(body)
    told = proofs.shown(Proof("it", "all is well", "0", (str(tmp_path / "test_it.py"),)))
    assert (told.kept, told.measured) == (kept, measured)
