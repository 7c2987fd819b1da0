"""Fixtures of the sandbox: a plan that is made once for a whole file, on either database."""

from collections.abc import Iterator
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from service.sandbox import create
from service.settings import Settings
from tests.conftest import BOTH, new_schema, settings_on


@pytest.fixture(scope="module", params=BOTH)
def kept_plan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A sandbox of as many members as the test file says (`MEMBERS`), for tests that leave the plan as it is."""
    folder: Path = tmp_path_factory.mktemp("plan")
    with ExitStack() as stack:
        url = f"sqlite:///{folder}/plan.db" if request.param == "sqlite" else stack.enter_context(new_schema())
        settings = settings_on(url, folder)
        make_plan(settings, request.module.MEMBERS)
        yield settings


def make_plan(settings: Settings, members: int) -> None:
    """Make a sandbox, or what is missing of it, in silence."""
    create.create(settings, members=members, seed=1, console=Console(file=StringIO()))
