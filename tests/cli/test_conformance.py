"""`flask conformance run`: what it says and how it ends."""

import json
from pathlib import Path

from flask import Flask

from tests.conftest import free_port


def test_a_server_without_its_file_is_refused(app: Flask) -> None:
    told = app.test_cli_runner().invoke(args=["conformance", "run", "--base-url", "https://test.example.org/fhir/r4"])

    assert told.exit_code == 2
    assert "--base-url needs --sandbox-file" in told.output


def test_a_file_that_lacks_something_is_named(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "sandbox.json"
    faults = {"{": "cannot be read", "{}": "lacks 'accounts'", '{"accounts": []}': "lacks the account of a member"}
    for content, missing in faults.items():
        file.write_text(content)
        told = app.test_cli_runner().invoke(args=["conformance", "run", "--sandbox-file", str(file)])
        assert told.exit_code == 1 and missing in told.output


def test_a_server_that_does_not_answer_and_a_section_that_is_not_there_are_told(app: Flask, tmp_path: Path) -> None:
    file, base = make_file(tmp_path), f"http://127.0.0.1:{free_port()}/fhir/r4"
    arguments = ["conformance", "run", "--sandbox-file", str(file), "--base-url", base]

    silent = app.test_cli_runner().invoke(args=arguments)
    unknown = app.test_cli_runner().invoke(args=[*arguments, "--section", "carin"])

    assert silent.exit_code == 1 and f"{base} does not answer" in silent.output
    assert unknown.exit_code == 1 and "carin: there are backend, brands" in unknown.output


def make_file(folder: Path) -> Path:
    """A hand-written file with one account and no app."""
    member = {"relation": "self", "fhir_id": "p1"}
    account = {"username": "a", "password": "b", "members": [member]}
    file = folder / "sandbox.json"
    file.write_text(json.dumps({"fhir_base": "https://x.example/fhir", "accounts": [account], "clients": []}))
    return file
