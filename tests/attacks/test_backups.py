"""`flask backup create` (case 194): a copy is whole while others write, private, logs in elsewhere, and old ones go."""

import fcntl
import os
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text

from service.accounts.models import LoginSession
from service.app import create_app
from service.db import make_engine, make_sessions
from service.settings import Settings
from tests.oauth.desk import Desk


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
        connection.execute(text("INSERT INTO job_lease (name, holder, held_until) VALUES ('unfinished', 'nobody', 1)"))
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


def test_as_many_copies_are_kept_as_are_asked_for(files: Settings, tmp_path: Path) -> None:
    engine = make_engine(files.database_url)
    runner, folder = create_app(files, engine).test_cli_runner(), tmp_path / "backups"
    folder.mkdir()
    (folder / "notes.txt").touch()
    for _ in range(3):
        assert runner.invoke(args=["backup", "create", str(folder)]).exit_code == 0
    all_three = sorted(folder.glob("*.db"))
    assert len(all_three) == 3
    assert runner.invoke(args=["backup", "create", str(folder), "--keep", "2"]).exit_code == 0
    left = sorted(folder.glob("*.db"))
    assert len(left) == 2 and left[0] == all_three[-1] and (folder / "notes.txt").exists()
    assert runner.invoke(args=["backup", "create", str(folder), "--keep", "0"]).exit_code == 2
    engine.dispose()


def test_a_copy_that_cannot_be_made_takes_none_of_the_others(
    files: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(files.database_url)
    runner, folder = create_app(files, engine).test_cli_runner(), tmp_path / "backups"
    for _ in range(2):
        assert runner.invoke(args=["backup", "create", str(folder)]).exit_code == 0
    before = sorted(folder.iterdir())
    Path(tmp_path / "plan.db").write_bytes(b"no database at all")
    told = runner.invoke(args=["backup", "create", str(folder), "--keep", "1"])
    assert told.exit_code == 1 and f"The copy in {folder} failed: file is not a database." in told.stderr, told.output
    assert sorted(folder.iterdir()) == before, "and leaves nothing of itself"
    engine.dispose()


def test_case_183_a_copy_for_which_there_is_no_room_leaves_none_taken(files: Settings, tmp_path: Path) -> None:
    engine = make_engine(files.database_url)
    runner, folder = create_app(files, engine).test_cli_runner(), tmp_path / "backups"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        told = runner.invoke(args=["backup", "create", str(folder)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told.exit_code == 1 and "Make room there, or keep fewer (--keep)" in told.stderr, told.output
    assert list(folder.iterdir()) == []
    assert runner.invoke(args=["backup", "create", str(folder)]).exit_code == 0
    engine.dispose()


def test_a_copy_into_what_is_no_folder_is_told_in_a_sentence(files: Settings, tmp_path: Path) -> None:
    engine = make_engine(files.database_url)
    (tmp_path / "a file").touch()
    told = create_app(files, engine).test_cli_runner().invoke(args=["backup", "create", str(tmp_path / "a file/b")])
    assert told.exit_code == 1 and "failed: Not a directory. Make room" in told.stderr, told.output
    engine.dispose()


def test_what_a_killed_run_left_goes_with_the_next_and_a_run_beside_it_keeps_its_own(
    files: Settings, tmp_path: Path
) -> None:
    engine = make_engine(files.database_url)
    runner, folder = create_app(files, engine).test_cli_runner(), tmp_path / "backups"
    folder.mkdir()
    parts = {folder / f"latchstring-20260101T000000000000Z.part{of}" for of in ("", "-journal", "-wal", "-shm")}
    for part in parts:
        part.touch()
    (folder / "other.part").touch()
    beside = os.open(folder, os.O_RDONLY)
    fcntl.flock(beside, fcntl.LOCK_SH)
    assert runner.invoke(args=["backup", "create", str(folder)]).exit_code == 0
    assert parts <= set(folder.iterdir()), "of a run that goes on"
    os.close(beside)
    assert runner.invoke(args=["backup", "create", str(folder)]).exit_code == 0
    assert not parts & set(folder.iterdir()) and (folder / "other.part").exists()
    assert len(list(folder.glob("*.db"))) == 2
    engine.dispose()


def test_postgresql_is_sent_to_its_own_tools(settings: Settings, tmp_path: Path) -> None:
    app = create_app(replace(settings, database_url="postgresql+psycopg:///nowhere"))
    told = app.test_cli_runner().invoke(args=["backup", "create", str(tmp_path / "b")])
    assert told.exit_code == 1 and "pg_basebackup" in told.stderr
