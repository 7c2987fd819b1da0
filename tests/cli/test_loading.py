"""`flask members load` and `flask fhir load`: good lines kept, bad ones told, the roster completed from the records."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.plan.members import roster
from service.plan.models import Member
from tests.fhir.records import patient

_HEADER = "patient,member_id,given,family,birth_date"
_ADDRESS = {"line": ["12 Oak Lane", "Apt 3"], "city": "Alder", "state": "PA", "postalCode": "19104-2231"}


def test_registration_s_zip_code_comes_from_the_patient_when_the_roster_has_none(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    former = {"postalCode": "00000", "period": {"end": "2020-01-01"}}
    told = _flask(app, "members", "load", _roster(tmp_path, "p1,MEM1,Ann,Lee,1956-04-30"))
    assert told.exit_code == 0, told.output
    loaded = _flask(app, "fhir", "load", _record(tmp_path, address=[former, _ADDRESS]))
    assert loaded.exit_code == 0, loaded.output
    assert "1 members' contact details taken from their FHIR records." in loaded.output
    member = session.scalars(select(Member)).one()
    assert (member.zip_code, member.city, member.address_line) == ("19104-2231", "Alder", "12 Oak Lane, Apt 3")
    born = member.birth_date
    assert roster.find_by_proof(session, member_number="mem1", family_name="LEE", birth_date=born, zip_code="19104")


def test_roster_loaded_after_the_records_is_completed_too_and_stays_so(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    _flask(app, "fhir", "load", _record(tmp_path, address=[_ADDRESS]))
    file = _roster(tmp_path, "p1,MEM1,Ann,Lee,1956-04-30")
    assert "1 added" in _flask(app, "members", "load", file).output
    assert "0 added, 0 changed, 1 unchanged" in _flask(app, "members", "load", file).output
    assert session.scalars(select(Member)).one().zip_code == "19104-2231"


def test_what_the_roster_says_is_kept(app: Flask, session: Session, tmp_path: Path) -> None:
    file = _roster(tmp_path, "p1,MEM1,Ann,Lee,1956-04-30,15001", header=f"{_HEADER},zip")
    _flask(app, "members", "load", file)
    _flask(app, "fhir", "load", _record(tmp_path, address=[_ADDRESS]))
    assert session.scalars(select(Member)).one().zip_code == "15001"


def test_member_without_a_record_or_an_address_stays_without_a_zip_code(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    _flask(app, "members", "load", _roster(tmp_path, "p1,MEM1,Ann,Lee,1956-04-30", "p2,MEM2,Bo,Ray,1970-01-02"))
    assert _flask(app, "fhir", "load", _record(tmp_path)).exit_code == 0
    assert list(session.scalars(select(Member.zip_code))) == ["", ""]


def test_bad_roster_lines_are_told_by_line_and_the_good_ones_kept(app: Flask, session: Session, tmp_path: Path) -> None:
    told = _flask(app, "members", "load", _roster(tmp_path, "p1,MEM1,Ann,Lee,1956-04-30", "p2,,Bo,Ray,1970-01-02"))
    assert told.exit_code == 1
    assert "roster.csv, line 3: member_id is missing" in told.output
    assert session.scalars(select(Member.patient_id)).all() == ["p1"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the header line names no column patient, member_id, given, family, birth_date"),
        (b"patient,given,family,birth_date\np1,Ann,Lee,1956-04-30\n", "the header line names no column member_id"),
        (b"patient,member_id\xff\n", "not comma-separated text in UTF-8"),
        (b"PK\x03\x04\x00\x00\xff\xfe", "not comma-separated text in UTF-8"),
    ],
)
def test_a_file_that_is_no_roster_is_told_in_a_line(
    app: Flask, session: Session, tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "roster.csv").write_bytes(content)
    told = _flask(app, "members", "load", str(tmp_path / "roster.csv"))
    assert (told.exit_code, told.output) == (1, f"Error: roster.csv is no roster: {why}.\n")
    assert session.scalars(select(Member)).all() == []


def _flask(app: Flask, *arguments: str) -> Result:
    result: Result = app.test_cli_runner().invoke(args=list(arguments))
    return result


def _roster(folder: Path, *lines: str, header: str = _HEADER) -> str:
    path = folder / "roster.csv"
    path.write_text("\n".join((header, *lines, "")), encoding="utf-8")
    return str(path)


def _record(folder: Path, **given: object) -> str:
    path = folder / "Patient.ndjson"
    path.write_text(json.dumps(patient("p1", **given)) + "\n", encoding="utf-8")
    return str(path)
