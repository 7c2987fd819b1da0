"""Sandboxes on SQLite whose plan was made once by this test process: making it takes longer than most tests."""

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from service.sandbox import gather, prepare
from service.settings import Settings


@pytest.fixture(scope="session")
def sandbox_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder (`VAR`) of a sandbox as `make run` makes it at its first run, which nobody serves."""
    var: Path = tmp_path_factory.mktemp("template") / "var"
    prepare.prepare(Settings.from_environment({"VAR": str(var)}), Console(quiet=True))
    return var


def copy_sandbox(template: Path, environment: dict[str, str]) -> Settings:
    """Copy it to the `VAR` of this environment, with a hand-out for the address there; the settings of the copy."""
    shutil.copytree(template, environment["VAR"], dirs_exist_ok=True)
    # The copy's key is that of the template, and read here.
    settings = Settings.from_environment(environment)
    gather.write_for(settings)
    return settings
