"""The long commands of the Makefile begin: nobody runs them for weeks, and what they use is renamed meanwhile."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.faults import races

_COMMANDS = sorted(set(re.findall(r"/python -m ((?:tests|bench)\.[\w.]+)", (ROOT / "Makefile").read_text())))


@pytest.mark.parametrize("module", _COMMANDS)
def test_every_command_tells_what_it_takes(module: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert told.returncode == 0 and "usage:" in told.stdout, told.stderr


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_case_189_each_kind_of_secret_is_raced_for_once(
    database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["races", "--rounds", "2", "--database", database])
    status = races.main()
    told = capsys.readouterr().out
    assert status == 0 and all(kind in told for kind in races.KINDS), told
