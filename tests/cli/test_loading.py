"""`flask members load` and `flask fhir load`: good lines kept, bad ones told, the roster completed from the records."""

import json
from dataclasses import fields
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.models import Basis
from consent.representatives import link, right_for
from service.plan.members import roster
from service.plan.models import Member
from tests.factories import make_account, make_representative
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


_EVERYTHING = (
    "subscriber_id,zip,line_of_business,report_unit,address_line,city,state,phone,email_on_file,deceased_on,confidential",
    "SUB9,15001,Medicare,H1234,12 Oak Lane,Alder,PA,215-555-0101,ann@example.org,2026-01-02,yes",
)


def _known(session: Session) -> dict[str, object]:
    session.rollback()
    member = session.scalars(select(Member)).one()
    known = {one.name: getattr(member, one.name) for one in fields(roster.RosterRow) if one.name != "unsaid"}
    session.rollback()
    return known


def test_a_file_without_a_column_leaves_what_is_known(app: Flask, session: Session, tmp_path: Path) -> None:
    header, values = _EVERYTHING
    line = "p1,MEM1,Ann,Lee,1956-04-30"
    _flask(app, "members", "load", _roster(tmp_path, f"{line},{values}", header=f"{_HEADER},{header}"))
    before = _known(session)
    assert before["deceased_on"] == date(2026, 1, 2) and before["subscriber_number"] == "SUB9"
    assert before["confidential"] is True

    told = _flask(app, "members", "load", _roster(tmp_path, line))
    assert told.output == "0 added, 0 changed, 1 unchanged.\n" and _known(session) == before
    for left_out in header.split(","):
        kept = [one for one in zip(header.split(","), values.split(","), strict=True) if one[0] != left_out]
        columns, cells = (",".join(part) for part in zip(*kept, strict=True))
        file = _roster(tmp_path, f"{line},{cells}", header=f"{_HEADER},{columns}")
        assert "1 unchanged" in _flask(app, "members", "load", file).output, left_out
    assert _known(session) == before


def test_blanks_leave_what_is_known_but_for_a_death_and_a_subscriber(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    header, values = _EVERYTHING
    line = "p1,mem1,Ann,Lee,1956-04-30"
    _flask(app, "members", "load", _roster(tmp_path, f"{line},{values}", header=f"{_HEADER},{header}"))
    before = _known(session)
    blank = _roster(tmp_path, line + "," * len(header.split(",")), header=f"{_HEADER},{header}")
    told = _flask(app, "members", "load", blank)
    assert told.output == "0 added, 1 changed, 0 unchanged.\n1 deaths taken back: their deceased_on was blank.\n"
    assert _known(session) == before | {"deceased_on": None, "subscriber_number": "MEM1"}
    assert _flask(app, "members", "load", blank).output == "0 added, 0 changed, 1 unchanged.\n"


def test_a_line_broken_off_says_nothing_and_one_too_long_is_told(app: Flask, session: Session, tmp_path: Path) -> None:
    header = f"{_HEADER},address_line,deceased_on"
    good = "p1,MEM1,Ann,Lee,1956-04-30,12 Oak Lane,2026-01-02"
    _flask(app, "members", "load", _roster(tmp_path, good + ",,", header=header))
    assert (
        "1 unchanged"
        in _flask(app, "members", "load", _roster(tmp_path, good.rpartition(",")[0], header=header)).output
    )
    told = _flask(app, "members", "load", _roster(tmp_path, good.replace(" Oak", ", Oak"), header=header))
    assert (told.exit_code, "line 2: more values than the header has columns" in told.output) == (1, True)
    assert _known(session)["deceased_on"] == date(2026, 1, 2) and _known(session)["address_line"] == "12 Oak Lane"


def test_who_asked_for_confidential_communications_is_told_and_taken_back_by_a_word(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    for word, is_so in (("", False), ("Yes", True), ("", True), ("maybe", True), ("no", False)):
        file = _roster(tmp_path, f"p1,MEM1,Ann,Lee,1956-04-30,{word}", header=f"{_HEADER},confidential")
        told = _flask(app, "members", "load", file)
        assert (_known(session)["confidential"], "confidential must be yes or no" in told.output) == (
            is_so, word == "maybe",
        )  # fmt: skip


def test_a_contract_is_one_of_its_line_of_business(app: Flask, session: Session, tmp_path: Path) -> None:
    header = f"{_HEADER},line_of_business,report_unit"
    for line, unit, known in (
        ("", "h1234", ("", "H1234")),
        ("Medicare", "", ("Medicare", "H1234")),
        ("Medicare", "MCD  1", ("Medicare", "MCD 1")),
        ("Medicaid", "mcd 1", ("Medicaid", "MCD 1")),
        ("CHIP", "", ("CHIP", "")),
    ):
        file = _roster(tmp_path, f"p1,MEM1,Ann,Lee,1956-04-30,{line},{unit}", header=header)
        assert _flask(app, "members", "load", file).exit_code == 0
        assert (_known(session)["line_of_business"], _known(session)["report_unit"]) == known, (line, unit)


@pytest.mark.parametrize("unit", ["(all)", "H1234;H5678", "=H1234", "x" * 41, "Übersee"])
def test_a_unit_that_is_none_is_told(app: Flask, session: Session, tmp_path: Path, unit: str) -> None:
    file = _roster(tmp_path, f"p1,MEM1,Ann,Lee,1956-04-30,{unit}", header=f"{_HEADER},report_unit")
    told = _flask(app, "members", "load", file)
    assert "line 2: report_unit must be up to 40 letters, digits, spaces and . _ / -, like H1234" in told.output
    assert told.exit_code == 1 and session.scalars(select(Member)).all() == []


def test_columns_that_are_not_read_are_named(app: Flask, session: Session, tmp_path: Path) -> None:
    file = _roster(tmp_path, "p1,MEM1,Ann,Lee,1956-04-30,2026-01-02,", header=f"{_HEADER},Deceased_On,")
    told = _flask(app, "members", "load", file)
    assert "roster.csv: columns that a roster does not have were left out: Deceased_On.\n" in told.output


def test_who_is_their_own_subscriber_stays_so_under_a_new_number(app: Flask, session: Session, tmp_path: Path) -> None:
    for number in ("MEM1", "MEM2"):
        _flask(app, "members", "load", _roster(tmp_path, f"p1,{number},Ann,Lee,1956-04-30"))
    assert (_known(session)["member_number"], _known(session)["subscriber_number"]) == ("MEM2", "MEM2")


def test_an_executor_keeps_the_right_by_a_file_that_says_nothing_of_deaths(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    line = "p1,MEM1,Ann,Lee,1956-04-30"
    died = _roster(tmp_path, f"{line},2026-01-02", header=f"{_HEADER},deceased_on")
    _flask(app, "members", "load", died)
    member = session.scalars(select(Member)).one()
    account = make_account(session)
    link(session, make_representative(session, account), member, basis=Basis.EXECUTOR, timezone=ZoneInfo("UTC"))
    session.commit()
    for file, acts in ((line, True), (f"{line},", False), (f"{line},2026-01-02", True)):
        header = _HEADER if file == line else f"{_HEADER},deceased_on"
        _flask(app, "members", "load", _roster(tmp_path, file, header=header))
        assert (right_for(session, account, member.id) is not None) is acts, file
        session.rollback()


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
