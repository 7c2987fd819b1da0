"""Case 194 and the promise "0 revoked grants alive": a backup put back revives nothing that was taken away since."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, delete, select, text, update

from consent import grants, representatives
from consent.models import Basis, ChangeKind, EndedBy, Grant, GrantStatus, RepresentativeLink
from oauth.models import Client, ClientStatus, FamilyEnd, TokenFamily
from oauth.tokens import token_rows
from service import revocations
from service.accounts import password_reset, passwords
from service.accounts.models import Account, LoginSession
from service.app import create_app
from service.databases import schema
from service.db import Base, make_engine, make_sessions
from service.plan.models import Member
from service.revocations import Journal, NotJournalled, Revocation
from service.settings import Settings
from tests.cli.test_doctor import stamp
from tests.factories import PASSWORD, make_representative
from tests.oauth.desk import App, Desk

NEW_PASSWORD = "Lantern-street-88"


@pytest.fixture
def desk(app: Flask) -> Desk:
    return Desk(app)


def standing(desk: Desk, app: App) -> Grant:
    with desk.session() as session:
        return session.scalars(select(Grant).where(Grant.client_id == app.id)).one()


def lines(settings: Settings) -> list[dict[str, object]]:
    return list(Journal(settings.journal_folder).lines())


def end_grant(desk: Desk, app: App) -> None:
    with desk.session() as session:
        grants.revoke(session, session.get_one(Grant, standing(desk, app).id), by=EndedBy.MEMBER)


def pause_grant(desk: Desk, app: App) -> None:
    with desk.session() as session:
        grant = session.get_one(Grant, standing(desk, app).id)
        grant.status, grant.paused_by = GrantStatus.PAUSED, EndedBy.MEMBER
        grants.note_change(session, grant, ChangeKind.PAUSED, desk.account.id)


def end_family(desk: Desk, app: App) -> None:
    with desk.session() as session:
        family = session.scalars(select(TokenFamily.id).where(TokenFamily.client_id == app.id)).one()
        assert token_rows.end_family(session, family, FamilyEnd.REFRESH_REUSED)


def suspend_app(desk: Desk, app: App) -> None:
    with desk.session() as session:
        session.get_one(Client, app.id).status = ClientStatus.SUSPENDED


def change_password(desk: Desk, _app: App) -> None:
    with desk.session() as session:
        account = session.get_one(Account, desk.account.id)
        password_reset.replace_password(session, account, passwords.make_hash(NEW_PASSWORD))


def disable_account(desk: Desk, _app: App) -> None:
    with desk.session() as session:
        account = session.get_one(Account, desk.account.id)
        account.status = type(account.status)("disabled")


TAKEN_AWAY = (end_grant, pause_grant, end_family, suspend_app, change_password, disable_account)


class Backup:
    """A copy of every row, and the same put back: what a restore leaves, on both databases."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with engine.begin() as connection:
            self._rows = {
                table: [dict(row._mapping) for row in connection.execute(select(table))]
                for table in Base.metadata.sorted_tables
            }

    def put_back(self) -> None:
        with self._engine.begin() as connection:
            sqlite = connection.dialect.name == "sqlite"
            if not sqlite:
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            triggers = [] if not sqlite else connection.exec_driver_sql(
                "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
            ).all()  # fmt: skip
            for name, _ in triggers:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            for table in reversed(self._rows):
                connection.execute(delete(table))
            for table, rows in self._rows.items():
                if rows:
                    connection.execute(table.insert(), rows)
            for _, sql in triggers:
                connection.exec_driver_sql(sql)


@pytest.mark.parametrize("take_away", TAKEN_AWAY)
def test_case_194_what_was_taken_away_after_the_backup_stays_away(
    desk: Desk, settings: Settings, engine: Engine, take_away: Callable[[Desk, App], None]
) -> None:
    stamp(engine, schema.newest())
    app = desk.register()
    tokens = desk.connect(app)
    assert desk.works(tokens["access_token"])
    backup = Backup(engine)
    take_away(desk, app)
    assert lines(settings), "journalled before the answer"

    backup.put_back()
    restored = Desk.__new__(Desk)
    restored.app, restored.member, restored.account = create_app(settings, engine), desk.member, desk.account
    browser = restored.app.test_client()
    for path in ("/", "/sign-in", "/oauth/authorize", "/fhir/r4/metadata", "/fhir/r4/Patient", "/openapi.json"):
        answer = browser.get(path, headers={"Authorization": f"Bearer {tokens['access_token']}"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), path
    assert restored.refresh(app, tokens["refresh_token"]).status_code == 503
    assert browser.get("/health/live").status_code == 200
    ready = browser.get("/health/ready")
    assert (ready.status_code, ready.json) == (503, {"status": "not ready", "reason": "restored"})
    refused = restored.app.test_cli_runner().invoke(args=["worker", "run", "--once"])
    assert refused.exit_code == 1 and "flask backup replay" in refused.stderr

    told = restored.app.test_cli_runner().invoke(args=["backup", "replay"])
    assert told.exit_code == 0 and "revocations done again" in told.stdout, told.output
    assert "flask audit accept-loss" in told.stdout
    after = create_app(settings, engine)
    restored.app = after
    assert after.test_client().get("/health/ready").status_code == 200
    assert not restored.works(tokens["access_token"])
    if take_away is not change_password:
        assert restored.refresh(app, tokens["refresh_token"]).status_code in {400, 401}
    again = after.test_cli_runner().invoke(args=["backup", "replay"])
    assert again.stdout == "0 revocations done again.\n"
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))


def test_case_194_an_old_password_does_not_come_back(desk: Desk, settings: Settings, engine: Engine) -> None:
    backup = Backup(engine)
    change_password(desk, desk.register())
    backup.put_back()
    app = create_app(settings, engine)
    assert app.test_cli_runner().invoke(args=["backup", "replay"]).exit_code == 0
    with make_sessions(engine)() as session:
        account = session.get_one(Account, desk.account.id)
        assert account.credentials_version == desk.account.credentials_version + 1
        assert not passwords.verify_hash(account.password_hash, PASSWORD)
        assert not passwords.verify_hash(account.password_hash, NEW_PASSWORD)


def test_what_was_resumed_since_is_as_it_was_last(desk: Desk, settings: Settings, engine: Engine) -> None:
    app = desk.register()
    desk.connect(app)
    backup = Backup(engine)
    pause_grant(desk, app)
    with desk.session() as session:
        grant = session.get_one(Grant, standing(desk, app).id)
        grant.status, grant.paused_by, grant.paused_at = GrantStatus.ACTIVE, None, None
    backup.put_back()
    create_app(settings, engine).test_cli_runner().invoke(args=["backup", "replay"])
    assert standing(desk, app).status is GrantStatus.ACTIVE


def test_a_transaction_that_is_rolled_back_leaves_no_line(desk: Desk, settings: Settings) -> None:
    app = desk.register()
    desk.connect(app)
    before = len(lines(settings))
    with pytest.raises(ZeroDivisionError), desk.session() as session:
        grants.revoke(session, session.get_one(Grant, standing(desk, app).id), by=EndedBy.MEMBER)
        session.flush()
        raise ZeroDivisionError
    assert len(lines(settings)) == before and standing(desk, app).ended_at is None


def test_a_journal_that_cannot_be_written_keeps_the_answer_back_until_it_can(
    desk: Desk, settings: Settings, engine: Engine
) -> None:
    app = desk.register()
    desk.connect(app)
    shutil.rmtree(settings.journal_folder, ignore_errors=True)
    settings.journal_folder.write_text("in the way of the folder")
    with pytest.raises(NotJournalled):
        end_grant(desk, app)
    settings.journal_folder.unlink()
    with desk.session() as session:
        session.execute(text("SELECT 1"))
    assert [line["table"] for line in lines(settings)] == ["consent_grant"]


def test_the_worker_writes_what_a_process_left(desk: Desk, settings: Settings, engine: Engine) -> None:
    app = desk.register()
    desk.connect(app)
    end_grant(desk, app)
    shutil.rmtree(settings.journal_folder)
    with engine.begin() as connection:
        connection.execute(update(Revocation).values(written=False))
    revocations.write_late(make_sessions(engine), settings)
    assert "consent_grant" in [line["table"] for line in lines(settings)]
    with make_sessions(engine)() as session:
        assert set(session.scalars(select(Revocation.written))) == {True}


def test_a_line_that_a_crash_cut_short_hinders_nothing(desk: Desk, settings: Settings) -> None:
    app = desk.register()
    desk.connect(app)
    end_grant(desk, app)
    path = next(settings.journal_folder.glob("*.jsonl"))
    whole = path.read_text()
    path.write_text(whole + '{"id": "x", "table": "consent_gr')
    assert len(lines(settings)) == len(whole.splitlines())
    assert create_app(settings).test_client().get("/sign-in").status_code == 200


def test_the_journal_is_private_and_holds_no_secret(desk: Desk, settings: Settings) -> None:
    app = desk.register_confidential()
    tokens = desk.connect(app)
    for take_away in TAKEN_AWAY:
        take_away(desk, app)
    path = next(settings.journal_folder.glob("*.jsonl"))
    assert path.stat().st_mode & 0o777 == 0o600 and settings.journal_folder.stat().st_mode & 0o777 == 0o700
    words = path.read_text()
    told = [tokens[name] for name in ("access_token", "refresh_token", "id_token")]
    for secret in (*told, app.secret, PASSWORD, NEW_PASSWORD, "argon2", desk.account.email, desk.member.id):
        assert secret and secret not in words
    assert {json.loads(line)["table"] for line in words.splitlines()} >= {"consent_grant", "account", "client"}


def test_every_watched_column_is_there() -> None:
    for table, columns in revocations.WATCHED.items():
        assert set(columns) <= set(Base.metadata.tables[table].columns.keys()), table


@pytest.fixture
def files(settings: Settings, tmp_path: Path, sqlite_template: Path) -> Iterator[Settings]:
    """An installation on a SQLite file."""
    shutil.copy(sqlite_template, tmp_path / "plan.db")
    yield replace(settings, database_url=f"sqlite:///{tmp_path}/plan.db")


def test_case_194_a_backup_made_while_others_write_is_whole_and_logs_in(files: Settings, tmp_path: Path) -> None:
    engine = make_engine(files.database_url)
    desk = Desk(create_app(files, engine))
    writer = make_engine(files.database_url)
    with writer.begin() as connection:
        connection.execute(text("INSERT INTO job_lease VALUES ('unfinished', 'nobody', 1)"))
        told = desk.app.test_cli_runner().invoke(args=["backup", "create", str(tmp_path / "backups")])
    assert told.exit_code == 0 and "whole" in told.stdout, told.output
    made = list((tmp_path / "backups").iterdir())
    assert [path.suffix for path in made] == [".db"] and made[0].stat().st_mode & 0o777 == 0o600
    assert files.secret_key.hex().encode() not in made[0].read_bytes()
    with closing(sqlite3.connect(made[0])) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("SELECT count(*) FROM job_lease WHERE name = 'unfinished'").fetchone() == (0,)

    other = tmp_path / "other-machine"
    other.mkdir()
    shutil.copy(made[0], other / "latchstring.db")
    moved = replace(files, var=other, database_url=f"sqlite:///{other}/latchstring.db")
    there = make_engine(moved.database_url)
    desk.app = create_app(moved, there)
    assert desk.sign_in(desk.app.test_client()).status_code in {200, 302, 303}
    with make_sessions(there)() as session:
        assert session.scalars(select(LoginSession)).all()
    for each in (engine, writer, there):
        each.dispose()


def test_postgresql_is_sent_to_its_own_tools(settings: Settings, tmp_path: Path) -> None:
    app = create_app(replace(settings, database_url="postgresql+psycopg:///nowhere"))
    told = app.test_cli_runner().invoke(args=["backup", "create", str(tmp_path / "b")])
    assert told.exit_code == 1 and "pg_basebackup" in told.stderr


def test_a_refresh_token_used_twice_and_a_revocation_by_the_app_are_journalled(desk: Desk, settings: Settings) -> None:
    app, other = desk.register(), desk.register()
    first, second = desk.connect(app)["refresh_token"], desk.connect(other)["refresh_token"]
    before = len(lines(settings))
    assert desk.refresh(app, first).status_code == 200
    assert len(lines(settings)) == before, "refreshing as such takes nothing away"
    assert desk.refresh(app, first).status_code == 400
    answer = desk.app.test_client().post("/oauth/revoke", data={"token": second, "client_id": other.id})
    assert answer.status_code == 200
    ended = [line["values"] for line in lines(settings) if line["table"] == "token_family"]
    assert [values["end_reason"] for values in ended if isinstance(values, dict)] == [
        FamilyEnd.REFRESH_REUSED, FamilyEnd.REVOKED_BY_APP,
    ]  # fmt: skip


def test_the_end_of_a_link_is_journalled(desk: Desk, settings: Settings) -> None:
    with desk.session() as session:
        representative = make_representative(session)
        link = representatives.link(
            session,
            representative,
            session.get_one(Member, desk.member.id),
            basis=Basis.POWER_OF_ATTORNEY,
            timezone=desk.settings.plan.timezone,
        )
        session.flush()
        link_id = link.id
    with desk.session() as session:
        representatives.end_link(session, session.get_one(RepresentativeLink, link_id), by=EndedBy.MEMBER)
    found = [line for line in lines(settings) if line["table"] == "representative_link"]
    assert [line["key"] for line in found] == [link_id]
