"""Members of loaded data who can sign in to a sandbox, and the self-test over them."""

import json
from io import StringIO
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from rich.console import Console

from service.conformance import sandbox_file
from service.sandbox import guide, handout
from service.settings import Settings

ROSTER = "patient,member_id,given,family,birth_date\np-1,M-1001,Ada,Moss,1970-01-02\np-2,,Ben,Hale,1980-03-04\n"


def flask(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=arguments)


def test_members_of_loaded_data_can_sign_in_and_are_in_a_list(app: Flask, settings: Settings, tmp_path: Path) -> None:
    handed_out = {"fhir_base": "x", "accounts": [], "clients": [], "groups": [{"id": "own"}]}
    settings.sandbox_file.write_text(json.dumps(handed_out))
    (tmp_path / "members.csv").write_text(ROSTER)

    for _ in range(2):
        done = flask(app, "sandbox", "add-members", str(tmp_path))
        assert done.exit_code == 0 and "2 can sign in: data-member-1, data-member-2." in done.output

    told = sandbox_file.read(settings.sandbox_file, "data-member-2")
    assert told.data_usernames == ("data-member-1", "data-member-2") and told.account.patient_id == "p-2"
    assert told.group_ids == ("data-members", "own")
    _show_guide(settings)


def _show_guide(settings: Settings) -> None:
    """What `make run` prints at its next start."""
    further = {
        "plan": "Plan", "base_url": "x", "demo_app": "x", "registrations": {"members": []},
        "representative_requests": [],
        "provider_proofs": [{"registered": False, "tax_id": "1", "npi": "2", "check": "3", "group": "Clinic"}],
    }  # fmt: skip
    shown = StringIO()
    guide.show(Console(file=shown, width=200), handout.read(settings) | further)
    assert "data-member-2" in shown.getvalue() and "loaded data" in shown.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "cannot be read"), (ROSTER.replace("1970-01-02", "soon"), "line 2: birth_date")]
)
def test_a_folder_without_a_roster_is_told_of(
    app: Flask, settings: Settings, tmp_path: Path, content: str | None, sentence: str
) -> None:
    if content:
        (tmp_path / "members.csv").write_text(content)
    done = flask(app, "sandbox", "add-members", str(tmp_path))
    assert done.exit_code == 1 and sentence in done.stderr


def test_data_is_for_a_server_that_is_started_for_the_run(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "sandbox.json"
    file.write_text("{}")
    done = flask(app, "conformance", "run", "--data", str(tmp_path), "--sandbox-file", str(file))
    assert done.exit_code == 2 and "--data is for a server started for the run" in done.stderr
