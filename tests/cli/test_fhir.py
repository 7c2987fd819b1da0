"""`flask fhir`: what load says and by which exit status, freshness, relabel, drug-codes, definitions."""

import filecmp
import json
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from fhir.compartment import TYPES
from fhir.loading import definitions, drug_codes
from fhir.models import StoredResource
from tests.conftest import SHARED, require
from tests.fhir import records


def _flask(app: Flask, *arguments: str | Path) -> Result:
    result: Result = app.test_cli_runner().invoke(args=["fhir", *map(str, arguments)])
    return result


def _write(path: Path, *lines: object) -> Path:
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    return path


def test_a_load_says_what_it_did(app: Flask, tmp_path: Path) -> None:
    good = _write(tmp_path / "Patient.ndjson", records.patient("p"), records.patient("q"))
    done = _flask(app, "load", good, "--source", "claims")
    assert (done.exit_code, done.stdout) == (0, "2 added, 0 changed, 0 unchanged.\n")

    bad = _write(tmp_path / "Observation.ndjson", records.observation("o", "p"), "nonsense")
    told = _flask(app, "load", bad, "--rejects", tmp_path / "mine.ndjson")
    assert told.exit_code == 1
    assert "Observation.ndjson, line 2: json. The line is not one JSON object: invalid character" in told.stderr
    assert f"1 rejected: {tmp_path}/mine.ndjson" in told.stderr
    assert json.loads((tmp_path / "mine.ndjson").read_text())["content"] == "nonsense"

    gone = _write(tmp_path / "gone.txt", "Patient/q")
    assert _flask(app, "load", "--delete", gone).stdout == "0 added, 0 changed, 0 unchanged, 1 deleted.\n"

    fresh = _flask(app, "freshness").stdout
    assert "Received" in fresh and "Visible" in fresh
    assert [line.split()[0] for line in fresh.splitlines()[1:]] == ["plan", "claims"]
    assert "0 looked at" in _flask(app, "relabel").stdout


def test_profiles_are_checked_when_asked(app: Flask, tmp_path: Path) -> None:
    path = _write(tmp_path / "Patient.ndjson", records.patient("p"))
    warned = _flask(app, "load", path, "--validate", "profiles", "--warnings", tmp_path / "w.ndjson")
    assert warned.exit_code == 0
    assert "Warning, 1 times at Patient.meta.profile: no-profile." in warned.stderr
    assert f"1 warnings: {tmp_path}/w.ndjson" in warned.stderr
    assert json.loads((tmp_path / "w.ndjson").read_text())["rule"] == "no-profile"
    strict = _flask(app, "load", path, "--validate", "profiles", "--strict")
    assert strict.exit_code == 1 and "Patient.meta.profile: no-profile" in strict.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Name files or folders to load"),
        ((".", "--strict"), "are for --validate profiles"),
        ((".", "--validate", "closely"), "'closely' is not one of"),
        (("/nowhere",), "does not exist"),
    ],
)
def test_what_makes_no_sense_is_told(app: Flask, arguments: tuple[str, ...], says: str) -> None:
    told = _flask(app, "load", *arguments)
    assert told.exit_code == 2 and says in told.output


def test_a_folder_without_definitions_or_files_is_told(app: Flask, tmp_path: Path) -> None:
    path = _write(tmp_path / "Patient.ndjson", records.patient("p"))
    (tmp_path / "empty").mkdir()
    told = _flask(app, "load", path, "--validate", "profiles", "--definitions", tmp_path / "empty")
    assert told.exit_code == 1 and "No StructureDefinitions in" in told.output
    assert f"No file of resources in {tmp_path / 'empty'}" in _flask(app, "load", tmp_path / "empty").output


def test_a_file_that_cannot_be_written_is_told_in_a_line_and_the_load_goes_on_later(app: Flask, tmp_path: Path) -> None:
    path = _write(tmp_path / "Patient.ndjson", records.patient("p"), "nonsense")

    told = _flask(app, "load", path, "--rejects", path / "mine.ndjson")

    assert told.exit_code == 1 and isinstance(told.exception, SystemExit)
    assert f"Error: {path}" in told.stderr and "run the same command again" in told.stderr
    again = _flask(app, "load", path, "--rejects", tmp_path / "mine.ndjson")
    assert again.stdout == "1 added, 0 changed, 0 unchanged.\n" and "1 rejected" in again.stderr


def test_a_plan_s_own_definitions_are_checked_by(app: Flask, tmp_path: Path) -> None:
    folder = tmp_path / "guide"
    folder.mkdir()
    url = "https://plan.example/StructureDefinition/member"
    elements = [{"id": "Patient", "path": "Patient", "min": 0, "max": "*"},
                {"id": "Patient.photo", "path": "Patient.photo", "min": 1, "max": "*", "base": {"max": "*"},
                 "type": [{"code": "Attachment"}]}]  # fmt: skip
    made = {"resourceType": "StructureDefinition", "url": url, "type": "Patient", "kind": "resource",
            "derivation": "constraint", "snapshot": {"element": elements}}  # fmt: skip
    (folder / "member.json").write_text(json.dumps(made))
    path = _write(tmp_path / "Patient.ndjson", records.patient("p", meta={"profile": [url]}))
    told = _flask(app, "load", path, "--validate", "profiles", "--strict", "--definitions", folder)
    assert told.exit_code == 1 and "Patient.photo: cardinality" in told.stderr


def test_the_definitions_beside_the_code_are_those_of_the_packages(tmp_path: Path) -> None:
    require(SHARED is not None, "the folder with definitions is not here (set SHARED)")
    assert SHARED
    definitions.write(SHARED / "data" / "definitions", tmp_path, TYPES)
    for name in (definitions.ELEMENTS, definitions.RESOURCES, definitions.PROFILES):
        assert filecmp.cmp(tmp_path / name, Path(definitions.__file__).with_name(name), shallow=False), name


def test_drug_codes_adds_fda_s_products_and_refuses_another_file(app: Flask, tmp_path: Path) -> None:
    before = drug_codes.FILE.read_bytes()
    other = _write(tmp_path / "package.txt", "NDCPACKAGECODE\tPACKAGEDESCRIPTION")
    refused = _flask(app, "drug-codes", other)
    assert refused.exit_code == 1 and "is not product.txt of FDA's NDC directory" in refused.stderr
    assert _flask(app, "drug-codes").exit_code == 2

    # A product that is there already, so that the file stays what it is.
    known = "12496-1208\tBUPRENORPHINE HYDROCHLORIDE; NALOXONE HYDROCHLORIDE DIHYDRATE\t"
    directory = _write(tmp_path / "product.txt", "PRODUCTNDC\tSUBSTANCENAME\tPHARM_CLASSES", known)
    done = _flask(app, "drug-codes", directory)
    assert done.exit_code == 0 and "run: flask fhir relabel" in done.stdout
    assert drug_codes.FILE.read_bytes() == before


def test_relabel_says_how_much_no_table_knows(app: Flask, session: Session, tmp_path: Path) -> None:
    own = [{"sequence": 1, "diagnosisCodeableConcept": records.concept("https://plan.example/codes", "A1")}]
    _flask(app, "load", _write(tmp_path / "c.ndjson", records.claim("c", "p", diagnosis=own), records.patient("p")))
    session.execute(update(StoredResource).values(labels=[], labelled_by="2026-11-26.2"))
    session.commit()
    told = _flask(app, "relabel").stdout
    assert "2 looked at" in told and "1 have other labels now" in told
    assert "1 are restricted, by their source or as no table knows their codes: no app gets them." in told
