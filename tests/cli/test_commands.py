"""The commands: each says what it did, tells bad input by line, and ends with a status that scripts can read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service import mail
from service.app import create_app
from service.audit import AuditEvent
from service.db import make_engine
from service.mail import MailState, OutboxMail
from service.plan.models import Member
from service.sandbox import caught_mail, mail_catcher
from service.settings import Mode, Settings
from tests.conftest import free_port

_ROSTER = """patient,member_id,subscriber_id,given,family,birth_date,zip,line_of_business
p-1,MHP1,MHP1,Rosa,Vale,1956-04-30,41901,Medicare
p-2,MHP2,MHP2,Karl,Frost,30 April 1956,41901,Medicare
"""


def test_a_roster_is_loaded_and_its_bad_line_told(app: Flask, session: Session, tmp_path: Path) -> None:
    csv = tmp_path / "members.csv"
    csv.write_text(_ROSTER)

    told = app.test_cli_runner().invoke(args=["members", "load", str(csv)])

    assert told.exit_code == 1
    assert told.stdout == "1 added, 0 changed, 0 unchanged.\n"
    assert told.stderr == "members.csv, line 3: birth_date must be a date like 1956-04-30\n"
    assert [member.full_name for member in session.scalars(select(Member))] == ["Rosa Vale"]


def test_a_database_without_tables_is_told_in_a_line(
    settings: Settings, empty_database_url: str, tmp_path: Path
) -> None:
    csv = tmp_path / "members.csv"
    csv.write_text(_ROSTER)
    without_tables = make_engine(empty_database_url)
    app = create_app(settings, without_tables)

    told = app.test_cli_runner().invoke(args=["members", "load", str(csv)])
    without_tables.dispose()

    assert told.exit_code == 1
    assert "make migrate" in told.stderr and "member" in told.stderr and "Rosa" not in told.stderr
    assert "Traceback" not in told.output


def test_fhir_files_are_loaded_again_without_change_and_bad_lines_put_aside(
    app: Flask, settings: Settings, tmp_path: Path
) -> None:
    patient = {"resourceType": "Patient", "id": "p-1", "gender": "female"}
    (tmp_path / "Patient.ndjson").write_text(json.dumps(patient) + "\n")
    load = ["fhir", "load", str(tmp_path / "Patient.ndjson")]
    runner = app.test_cli_runner()

    first, second = runner.invoke(args=load), runner.invoke(args=load)
    (tmp_path / "Patient.ndjson").write_text("{broken\n")
    third = runner.invoke(args=load)

    assert (first.exit_code, first.stdout) == (0, "1 added, 0 changed, 0 unchanged.\n")
    assert (second.exit_code, second.stdout) == (0, "0 added, 0 changed, 1 unchanged.\n")
    assert third.exit_code == 1 and "Patient.ndjson, line 1" in third.stderr
    assert (settings.var / "rejected.ndjson").stat().st_mode & 0o777 == 0o600


def test_the_index_is_made_anew_and_the_page_of_parameters_printed(app: Flask, tmp_path: Path) -> None:
    runner = app.test_cli_runner()
    (tmp_path / "Patient.ndjson").write_text(json.dumps({"resourceType": "Patient", "id": "p-1"}) + "\n")
    runner.invoke(args=["fhir", "load", str(tmp_path)])

    told = runner.invoke(args=["fhir", "reindex"])

    assert (told.exit_code, told.stdout) == (0, "1 looked at, 0 changed.\n")
    assert runner.invoke(args=["fhir", "search-parameters"]).stdout.startswith("# Search parameters")


def test_a_folder_without_fhir_files_is_told_in_plain_words(app: Flask, tmp_path: Path) -> None:
    told = app.test_cli_runner().invoke(args=["fhir", "load", str(tmp_path)])

    assert told.exit_code == 1
    assert told.stderr.splitlines()[-1].startswith("Error: ")


def test_rotating_publishes_the_next_key_beside_the_one_in_use(app: Flask) -> None:
    runner = app.test_cli_runner()
    before = runner.invoke(args=["keys", "list"]).stdout.split()

    told = runner.invoke(args=["keys", "rotate"])

    after = runner.invoke(args=["keys", "list"]).stdout.split()
    new = told.stdout.split()[-1].rstrip(".")
    assert len(before) == 1 and set(after) == {*before, new}


def test_rotating_twice_within_the_hour_is_refused_in_plain_words(app: Flask) -> None:
    runner = app.test_cli_runner()
    runner.invoke(args=["keys", "rotate"])

    told = runner.invoke(args=["keys", "rotate"])

    assert told.exit_code == 1
    assert told.stderr.startswith("Error: A new key is published already.")
    assert len(runner.invoke(args=["keys", "list"]).stdout.split()) == 2


def test_the_worker_delivers_what_waits_in_the_outbox(settings: Settings, engine: Engine, session: Session) -> None:
    reachable = replace(settings, smtp_port=free_port())
    app = create_app(reachable, engine)
    mail.enqueue(session, to="rosa@example.org", template="welcome", given_name="Rosa", at="now")
    session.commit()

    with mail_catcher.catching(reachable):
        told = app.test_cli_runner().invoke(args=["worker", "run", "--once"])

    session.expire_all()
    assert told.exit_code == 0, told.output
    assert session.scalars(select(OutboxMail.state)).all() == [MailState.SENT]
    assert [caught.to for caught in caught_mail.read_all(reachable)] == [["rosa@example.org"]]


@pytest.mark.parametrize("command", ["create", "prepare", "serve"])
def test_production_refuses_the_sandbox(settings: Settings, engine: Engine, session: Session, command: str) -> None:
    real = replace(settings, mode=Mode.PRODUCTION, base_url="https://plan.example.org")

    told = create_app(real, engine).test_cli_runner().invoke(args=["sandbox", command])

    assert told.exit_code == 1
    assert told.stderr == "Error: This is a production installation (MODE). The sandbox is not for it.\n"
    assert session.scalars(select(AuditEvent)).all() == []
