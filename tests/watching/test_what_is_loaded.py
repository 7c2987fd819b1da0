"""What a worker does not load: on SQLite the driver of PostgreSQL, anywhere what only commands or rare pages need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_SCRIPT = """
import sys, wsgi
print(*sorted(name for name in sys.argv[1:] if name in sys.modules))
import rich.console
"""
_RARE = ("rich", "segno", "fido2", "fontTools", "fpdf", "PIL", "fhir.resources", "jsonschema")


@pytest.mark.parametrize(
    ("database", "driver"),
    [("sqlite:///{folder}/of_workers.db", []), ("postgresql://nobody@127.0.0.1:1/none", ["psycopg"])],
)
def test_a_worker_loads_the_driver_of_its_database_and_nothing_that_is_rare(
    database: str, driver: list[str], tmp_path: Path
) -> None:
    environment = os.environ | {
        "MODE": "sandbox", "VAR": str(tmp_path), "DATABASE_URL": database.format(folder=tmp_path),
        "BASE_URL": "http://127.0.0.1:8000", "SECRET_KEY": "ab" * 32,
    }  # fmt: skip
    asked = subprocess.run(
        [sys.executable, "-c", _SCRIPT, "psycopg", *_RARE], cwd=_ROOT, env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert asked.stdout.split() == driver
