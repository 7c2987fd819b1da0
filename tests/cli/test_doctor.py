"""`flask doctor`: a sound installation is found sound; each fault is named with what to do, and the status says so."""

import re
import shutil
import sqlite3
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from fhir.loading import freshness
from fhir.loading.tables import FhirLoad
from service import mail
from service.app import create_app
from service.cli import doctor
from service.clock import now
from service.databases import schema
from service.days import business_day_after
from service.db import make_engine, make_sessions
from service.plan_editions import PlanEdition, Subject
from service.plan_file import Brand, ProviderServices
from service.settings import Mode, Settings
from service.web import held_by
from tests.cli.conftest import lines_of, look_over, stamp
from tests.conftest import ROOT, MovableClock, free_port
from tests.factories import make_account, make_member


def test_the_newest_schema_is_what_alembic_says() -> None:
    assert schema.newest() == ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_current_head()


def test_a_sound_installation_is_found_sound(sound: Flask) -> None:
    told = look_over(sound)
    assert told.exit_code == 0, told.output
    matters = (
        "database", "schema", "keys", "mail", "clock", "disk", "folders", "audit", "data", "worker", "plan texts",
        "roster",
    )  # fmt: skip
    for matter in matters:
        assert f"ok        {matter}: " in told.stdout, told.stdout


def test_an_older_schema_and_a_newer_one_are_bad(sound: Flask, engine: Engine) -> None:
    stamp(engine, "0001")
    assert "BAD       schema: schema 0001" in look_over(sound).stdout
    stamp(engine, "9999")
    told = look_over(sound)
    assert told.exit_code == 1 and "newer than this program" in told.stdout and told.stderr == "1 to mend.\n"


def test_a_database_without_tables_is_told_without_a_stack_trace(settings: Settings, empty_database_url: str) -> None:
    bare = make_engine(empty_database_url)
    told = look_over(create_app(settings, bare))
    bare.dispose()
    assert told.exit_code == 1 and "schema missing" in told.stdout and "Traceback" not in told.output


def test_a_database_that_is_away_is_told(settings: Settings) -> None:
    url = f"postgresql+psycopg://u:very-secret@127.0.0.1:{free_port()}/plan"
    told = look_over(create_app(replace(settings, database_url=url)))
    assert told.exit_code == 1 and "does not answer" in told.stdout and "very-secret" not in told.output


def test_another_secret_key_does_not_open_the_keys(sound: Flask, settings: Settings, engine: Engine) -> None:
    told = look_over(create_app(replace(settings, secret_key=bytes(range(32))), engine))
    assert told.exit_code == 1 and "BAD       keys: " in told.stdout


def test_a_mail_server_that_is_away_is_bad(sound: Flask, settings: Settings, engine: Engine) -> None:
    told = look_over(create_app(replace(settings, smtp_port=free_port()), engine))
    assert told.exit_code == 1 and "BAD       mail: 127.0.0.1:" in told.stdout


def test_mails_that_lie_about_are_bad(sound: Flask, engine: Engine) -> None:
    with make_sessions(engine).begin() as session:
        row = mail.enqueue(session, to="rosa@example.org", template="app_disconnected")
        row.due_at = row.due_at.replace(year=2020)
    told = look_over(sound)
    assert told.exit_code == 1 and "1 mails are due" in told.stdout and "rosa" not in told.output


def test_no_worker_is_bad(sound: Flask, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_lease SET held_until = 1"))
    told = look_over(sound)
    assert told.exit_code == 1 and "no worker is alive since 1970-01-01" in told.stdout


def test_a_job_that_breaks_is_doubtful_and_bad_from_the_third_time_on(sound: Flask, engine: Engine) -> None:
    broken = text(
        "UPDATE job_lease SET failures_in_row = :times, failures = 9, failed_at = 1, problem = 'LookupError',"
        " reference = 'the-reference' WHERE name = 'mail'"
    )
    for times, verdict, status in ((2, "doubtful", 0), (3, "BAD", 1)):
        with engine.begin() as connection:
            connection.execute(broken, {"times": times})
        told = look_over(sound)
        assert told.exit_code == status, told.output
        line = next(one for one in told.stdout.splitlines() if f"broke {times} times in a row" in one)
        assert line.startswith(verdict) and "the job mail" in line and "LookupError" in line and "the-reference" in line


def test_deliveries_that_apps_do_not_see_in_time_are_told(sound: Flask, engine: Engine, clock: MovableClock) -> None:
    assert "ok        data: no delivery of the last days was late" in look_over(sound).stdout
    with make_sessions(engine).begin() as session:
        freshness.note(session, "labs", received_at=now() - timedelta(days=9), written=1)
        session.add(FhirLoad(source="claims", files_digest="x", received_at=now(), started_at=now()))
    zone = held_by(sound).settings.plan.timezone
    clock.advance((business_day_after(now(), zone) - now()).total_seconds() * 0.9)
    told = look_over(sound).stdout
    for source in ("claims", "labs"):
        assert f"doubtful  data: the delivery of {source} that came " in told
    clock.advance(86_400)
    told = look_over(sound).stdout
    assert "BAD       data: the delivery of claims that came " in told and "run its flask fhir load again" in told


def test_keys_that_others_read_are_bad(
    sound: Flask, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pepper = tmp_path / "pepper"
    pepper.touch(mode=0o644)
    monkeypatch.setenv("PASSWORD_PEPPER_FILE", str(pepper))
    assert f"PASSWORD_PEPPER_FILE can be read by others: chmod 600 {pepper}" in look_over(sound).stdout
    pepper.chmod(0o600)
    assert look_over(sound).exit_code == 0


@pytest.mark.parametrize(
    ("field", "named"), [("audit_checkpoints", "AUDIT_CHECKPOINTS"), ("export_folder", "EXPORT_FOLDER")]
)
def test_folders_that_cannot_be_written_to_are_bad(
    settings: Settings, engine: Engine, tmp_path: Path, field: str, named: str
) -> None:
    stamp(engine, schema.newest())
    taken = tmp_path / "a file"
    taken.write_text("")
    for folder in (taken, taken / "below"):
        told = look_over(create_app(replace(settings, **{field: folder}), engine)).stdout
        assert f"BAD       folders: nothing can be written to {folder} ({named})" in told, told


def test_looking_leaves_nothing_behind(sound: Flask, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    look_over(sound)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("said", "told"), [("", "add ?sslmode=verify-full"), ("yes", "nobody else is on that network")]
)
def test_a_database_in_clear_is_doubtful(settings: Settings, said: str, told: str) -> None:
    url = f"postgresql+psycopg://u@[::1]:{free_port()}/plan?hostaddr=192.0.2.7"
    asked = replace(settings, database_url=url, database_private_network=bool(said))
    ways = list(doctor._ways(asked))
    assert [(one.verdict.value, told in one.sentence) for one in ways] == [("doubtful", True)]
    assert not list(doctor._ways(replace(asked, database_url=f"{url}&sslmode=verify-full")))


def test_the_sandboxs_plan_and_what_is_left_of_it_are_bad_in_production(sound: Flask, engine: Engine) -> None:
    real = replace(held_by(sound).settings, mode=Mode.PRODUCTION, base_url="https://health.plan.org")
    told = look_over(create_app(real, engine))
    assert told.exit_code == 1 and "people read what PLAN_FILE says" not in told.stdout
    assert "BAD       plan texts: people read of the sandbox's invented plan" in told.stdout
    half = replace(real, plan=replace(real.plan, is_invented=False, website="https://elm-health.org"))
    (line, *_) = lines_of(look_over(create_app(half, engine)), "plan texts")
    assert line.startswith("BAD") and "https://meridian.example/privacy" in line
    assert "eservices@meridian.example" in line and "elm-health" not in line
    words = vars(half.plan)
    whole = replace(
        half.plan, brand=Brand(), provider=ProviderServices(), mailbox_address="", privacy_policy_url=words["website"]
    )
    assert lines_of(look_over(create_app(replace(real, plan=whole), engine)), "plan texts")[0].startswith("ok")


def test_a_full_disk_is_bad(sound: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(total=10**12, free=10**8))
    told = look_over(sound)
    assert told.exit_code == 1 and "make room" in told.stdout


def publish(session: Session, subject: Subject, content: dict[str, Any], at: datetime, name: str = "") -> None:
    by = make_account(session).id
    session.add(PlanEdition(
        subject=subject, name=name, content=content, reason="moved", at=at, asked_by_account_id=by,
        agreed_by_account_id=by,
    ))  # fmt: skip


def test_too_few_languages_of_the_notice_of_assistance_are_told(
    sound: Flask, settings: Settings, engine: Engine
) -> None:
    assert "[[language_assistance]]" not in look_over(sound).stdout
    every = settings.plan.language_assistance
    chinese = next(one for one in every if one.spoken == "zh")
    fifteen = (*every[:15], replace(chinese, language="zh-Hant"))
    for given, told in ((fifteen, 15), (every[1:], len(every) - 1), ((), 0)):
        plan = replace(settings.plan, language_assistance=given)
        answer = look_over(create_app(replace(held_by(sound).settings, plan=plan), engine))
        words = f"doubtful  plan texts: [[language_assistance]] of PLAN_FILE gives the notice in {told} languages"
        assert words in answer.stdout and answer.exit_code == 0


def test_an_edition_of_the_console_over_a_newer_plan_file_is_told(
    sound: Flask, settings: Settings, engine: Engine
) -> None:
    assert "ok        plan texts: people read what PLAN_FILE says" in look_over(sound).stdout
    written = settings.plan.written_at
    assert written is not None
    lines = {"lines": [{"line_of_business": "Medicare", "number": "1-555-010-9999"}], "tty": "711"}
    with make_sessions(engine).begin() as session:
        publish(session, Subject.PHONE_LINES, lines, written - timedelta(days=3))
        publish(session, Subject.PHONE_LINES, lines, written + timedelta(days=3))
    assert "what was changed in the console hides no newer words of PLAN_FILE" in look_over(sound).stdout

    newer = replace(settings.plan, written_at=written + timedelta(days=4))
    told = look_over(create_app(replace(held_by(sound).settings, plan=newer), engine))
    assert told.exit_code == 0, "people read what two of the plan agreed to: nothing is broken"
    made = f"{written + timedelta(days=3):%Y-%m-%d %H:%M} UTC"
    words = rf"doubtful  plan texts: phone lines: people read edition \d+, made in the console on {made}"
    assert re.search(words, told.stdout)
    assert f"PLAN_FILE, which was written later ({newer.written_at:%Y-%m-%d %H:%M} UTC)" in told.stdout
    assert "publish its words in the staff console under Plan texts" in told.stdout


def test_an_edition_that_says_what_a_newer_plan_file_says_hides_nothing(
    sound: Flask, settings: Settings, engine: Engine
) -> None:
    plan = settings.plan
    assert plan.written_at is not None and plan.terms
    at = plan.written_at - timedelta(days=1)
    same = {field: getattr(plan.terms[0], field) for field in ("title", "version", "text")}
    policy = {"version": plan.privacy_policy_version, "url": plan.privacy_policy_url}
    review = {"version": "of-long-ago", "reviewed_by": "Ana Ruiz", "reviewed_on": "2020-01-01"}
    with make_sessions(engine).begin() as session:
        publish(session, Subject.TERMS, same, at, plan.terms[0].document)
        publish(session, Subject.PRIVACY_POLICY, policy, at)
        publish(session, Subject.REVIEW, review, at, "consent/es")
    assert "doubtful  plan texts" not in look_over(sound).stdout
    with make_sessions(engine).begin() as session:
        publish(session, Subject.TERMS, same | {"text": "Other words."}, at, plan.terms[0].document)
    assert f"doubtful  plan texts: terms {plan.terms[0].document}: " in look_over(sound).stdout


def test_members_whom_the_report_for_cms_could_not_place_are_counted(sound: Flask, engine: Engine) -> None:
    with make_sessions(engine).begin() as session:
        make_member(session, line_of_business="Medicare", report_unit="H1234")
        make_member(session, line_of_business="Dental only")
        survivor = make_member(session, line_of_business="Medicare", report_unit="H1234")
        make_member(session, line_of_business="Medicare", merged_into_id=survivor.id)
        make_member(session, line_of_business="Medicare", deceased_on=date(2026, 1, 2))
    assert "ok        roster: every member is under a contract" in look_over(sound).stdout

    with make_sessions(engine).begin() as session:
        for line in ("Medicare", "Medicaid", "Medicare", ""):
            make_member(session, line_of_business=line)
    told = look_over(sound)
    lacking = "1 members of no line of business, 1 members of Medicaid, 2 members of Medicare"
    assert told.exit_code == 0 and f"doubtful  roster: {lacking} are under no contract" in told.stdout
    served = {"lines": [{"name": "Medicare", "in_scope": False}, {"name": "Medicaid", "in_scope": False}]}
    with make_sessions(engine).begin() as session:
        publish(session, Subject.LINES_OF_BUSINESS, served, now())
    assert "roster: 1 members of no line of business, 1 members of Dental only are" in look_over(sound).stdout


def test_a_damaged_file_is_bad(settings: Settings, sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    shutil.copy(sqlite_template, path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET rootpage = rootpage + 1 WHERE name = 'ix_account_email_key'")
    connection.commit()
    connection.close()
    engine = make_engine(f"sqlite:///{path}")
    told = look_over(create_app(replace(settings, database_url=f"sqlite:///{path}"), engine))
    engine.dispose()
    assert told.exit_code == 1 and "damaged" in told.stdout
