"""`flask audit`: verified, exported, purged from the command line."""

import csv
import hashlib
import json
import os
from pathlib import Path

import orjson
import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service import audit
from service.audit import EVERYBODY, AuditEvent, Subject
from service.settings import Settings
from tests.attacks.chains import Chain
from tests.conftest import MovableClock


@pytest.fixture
def chain(app: Flask, engine: Engine, settings: Settings) -> Chain:
    """Three events."""
    made = Chain(engine, settings)
    made.record(3, reason="=1+1")
    return made


def test_a_whole_chain_is_told_in_a_line_and_a_bad_row_by_its_place(app: Flask, chain: Chain) -> None:
    runner = app.test_cli_runner()
    taken = runner.invoke(args=["audit", "checkpoint"])
    whole = runner.invoke(args=["audit", "verify"])
    with chain.owned() as connection:
        connection.exec_driver_sql("UPDATE audit_event SET count = 9 WHERE count = 1")
    bad = runner.invoke(args=["audit", "verify"])

    assert "position 3" in taken.stdout
    assert (whole.exit_code, whole.stdout.startswith("Whole: 3 rows")) == (0, True)
    assert bad.exit_code == 1 and "Position 2, event" in bad.stderr


def test_an_export_can_be_worked_out_again_and_is_an_event(
    app: Flask, chain: Chain, session: Session, clock: MovableClock, tmp_path: Path
) -> None:
    chain.seal()
    clock.advance(86_400)
    target = tmp_path / "day.ndjson"
    runner = app.test_cli_runner()
    done = runner.invoke(args=["audit", "export", "--output", str(target)])
    again = runner.invoke(args=["audit", "export", "--output", str(target)])

    assert done.exit_code == 0 and "Wrote 3 events" in done.stderr
    assert again.exit_code == 1 and "is there already" in again.stderr
    last = bytes(32)
    for line in map(json.loads, target.read_text().splitlines()):
        last = hashlib.sha256(last + b"%d\n" % line["position"] + orjson.dumps(line["event"])).digest()
        assert line["hash"] == last.hex()
    told = session.scalars(select(AuditEvent).where(AuditEvent.tag == "audit:event:export")).one()
    assert told.detail is not None and told.detail["operator"] and set(told.detail["asked"]) == {"since", "until"}


def test_an_export_that_breaks_off_leaves_no_file_that_passes_for_the_day(
    app: Flask, chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "day.ndjson"
    days = ("--since", "2000-01-01", "--until", "2999-12-31")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        broken = app.test_cli_runner().invoke(args=["audit", "export", *days, "--output", str(target)])
    assert broken.exit_code == 1 and "cannot be written: No space left on device" in broken.stderr
    assert list(tmp_path.glob("day*")) == []
    assert app.test_cli_runner().invoke(args=["audit", "export", *days, "--output", str(target)]).exit_code == 0
    assert [path.name for path in tmp_path.glob("day*")] == ["day.ndjson"]


def test_an_export_as_csv_holds_nothing_that_a_spreadsheet_runs(
    app: Flask, chain: Chain, clock: MovableClock, tmp_path: Path
) -> None:
    clock.advance(86_400)
    target = tmp_path / "day.csv"
    app.test_cli_runner().invoke(args=["audit", "export", "--format", "csv", "--output", str(target)])
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["reason"] for row in rows] == ["'=1+1"] * 3


def test_an_export_says_whom_an_event_about_several_was_about(
    app: Flask, chain: Chain, session: Session, clock: MovableClock, tmp_path: Path
) -> None:
    several = [Subject("omar", "Coverage", 2), Subject("ana", "Patient", 1), Subject("ana", "Coverage", 0)]
    audit.record_about(session, "fhir:Coverage:search", several, client_id="program")
    audit.record_about(session, "fhir:Coverage:export-file", [Subject(EVERYBODY, "Coverage", None)])
    session.commit()
    chain.seal()
    clock.advance(86_400)
    lines, table = tmp_path / "day.ndjson", tmp_path / "day.csv"
    for words in (("--output", str(lines)), ("--format", "csv", "--output", str(table))):
        assert app.test_cli_runner().invoke(args=["audit", "export", *words]).exit_code == 0

    *alone, about, of_all = map(json.loads, lines.read_text().splitlines())
    assert all("subjects" not in one for one in alone)
    assert about["subjects"] == [["ana", "Coverage", 0], ["ana", "Patient", 1], ["omar", "Coverage", 2]]
    assert of_all["subjects"] == [[EVERYBODY, "Coverage", None]]
    told = orjson.loads(about["event"]["detail"])["members"]
    assert told["sha256"] == audit.fingerprint(Subject(*one) for one in about["subjects"])
    digest = bytes.fromhex(alone[-1]["hash"]) + b"%d\n" % about["position"] + orjson.dumps(about["event"])
    assert about["hash"] == hashlib.sha256(digest).hexdigest(), "the event stands there as it was hashed"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["subjects"] for row in rows[:3]] == [""] * 3
    assert [json.loads(row["subjects"]) for row in rows[3:5]] == [about["subjects"], of_all["subjects"]]


def test_a_purge_of_younger_events_is_refused_in_a_sentence(app: Flask, chain: Chain) -> None:
    refused = app.test_cli_runner().invoke(args=["audit", "purge", "--before", "2026-01-01"])
    assert refused.exit_code == 1 and "kept for 6 years" in refused.stderr


def test_a_key_that_did_not_change_is_not_rotated(app: Flask, chain: Chain) -> None:
    chain.checkpoint()
    refused = app.test_cli_runner().invoke(args=["audit", "rotate-key"])
    assert refused.exit_code == 1 and "nothing to do" in refused.stderr


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (("--since", "0001-01-01"), "from 2000-01-01 to 2999-12-31"),
        (("--until", "9999-12-31"), "from 2000-01-01 to 2999-12-31"),
        (("--since", "1999-12-31"), "from 2000-01-01 to 2999-12-31"),
        (("--since", "yesterday"), "does not match the format"),
        (("--since", "2026-01-02", "--until", "2026-01-02"), "--since must be before --until"),
    ],
)
def test_days_that_no_event_has_are_refused_in_a_sentence(app: Flask, named: tuple[str, ...], sentence: str) -> None:
    done = app.test_cli_runner().invoke(args=["audit", "export", *named])
    assert done.exit_code in {1, 2} and sentence in done.stderr and isinstance(done.exception, SystemExit)


def test_the_widest_period_holds_everything(app: Flask, chain: Chain, tmp_path: Path) -> None:
    target = tmp_path / "all.ndjson"
    days = ("--since", "2000-01-01", "--until", "2999-12-31")
    done = app.test_cli_runner().invoke(args=["audit", "export", *days, "--output", str(target)])
    assert done.exit_code == 0 and len(target.read_text().splitlines()) == 3 + 1
