"""`flask doctor`: a sound installation is found sound; each fault is named with what to do, and the status says so."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from click.testing import Result
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from oauth import keys
from service import jobs, mail
from service.app import create_app
from service.databases import schema
from service.db import make_engine, make_sessions
from service.plan_editions import PlanEdition, Subject
from service.sandbox import mail_catcher
from service.settings import Settings
from service.web import held_by
from tests.conftest import ROOT, free_port
from tests.factories import make_account


@contextmanager
def mail_server(settings: Settings) -> Iterator[Settings]:
    """A mail server on a free port, and settings that name it."""
    reachable = replace(settings, smtp_port=free_port())
    with mail_catcher.catching(reachable):
        yield reachable


def stamp(engine: Engine, version: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": version})


@pytest.fixture
def sound(settings: Settings, engine: Engine) -> Iterator[Flask]:
    stamp(engine, schema.newest())
    sessions = make_sessions(engine)
    with sessions.begin() as session:
        keys.public_keys(session, settings.secret_key)
    jobs.take_lease(sessions, "mail", "somebody")
    Path(settings.var).chmod(0o700)
    with mail_server(settings) as reachable:
        yield create_app(reachable, engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))


def look_over(app: Flask) -> Result:
    return app.test_cli_runner().invoke(args=["doctor"])


def test_the_newest_schema_is_what_alembic_says() -> None:
    assert schema.newest() == ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_current_head()


def test_a_sound_installation_is_found_sound(sound: Flask) -> None:
    told = look_over(sound)
    assert told.exit_code == 0, told.output
    for matter in ("database", "schema", "keys", "mail", "clock", "disk", "folders", "worker", "plan texts"):
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
