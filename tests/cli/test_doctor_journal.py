"""`flask doctor` on the journal of revocations: whole, cut, gone, in no folder, or on a host each."""

import shutil
import socket
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from flask import Flask
from sqlalchemy import Engine, text

from service.app import create_app
from service.db import make_sessions
from service.revocations import Journal, catch_up, keep_journal
from service.web import held_by
from tests.cli.conftest import lines_of, look_over
from tests.factories import make_account


def end_a_password(engine: Engine, journal: Journal) -> None:
    """Something that is journalled, by whichever host this is."""
    sessions = make_sessions(engine)
    keep_journal(sessions, journal)
    with sessions.begin() as session:
        account = make_account(session)
        session.flush()
        account.credentials_version += 1


def test_a_journal_that_is_whole_is_good(sound: Flask, engine: Engine) -> None:
    journal = held_by(sound).journal
    end_a_password(engine, journal)
    assert lines_of(look_over(sound), "journal")[0].startswith("ok")
    with next(journal.folder.glob("*.jsonl")).open("ab") as file:
        # As many as the worker writes at once, late, behind the newest.
        file.writelines(b'{"id":"%d","table":"account"}\n' % number for number in range(400))
    with make_sessions(engine)() as session:
        assert journal.gaps(session) == []


def test_a_journal_of_which_the_newest_line_is_gone_is_bad(sound: Flask, engine: Engine) -> None:
    journal = held_by(sound).journal
    end_a_password(engine, journal)
    path = next(journal.folder.glob("*.jsonl"))
    before = path.read_bytes()
    end_a_password(engine, journal)
    path.write_bytes(before)
    told = look_over(create_app(held_by(sound).settings, engine))
    (line, *_) = lines_of(told, "journal")
    assert told.exit_code == 1 and line.startswith("BAD")
    assert f"of host {socket.gethostname()}" in line and f"is in no file of {journal.folder}" in line
    assert "docs/backup.md" in line and "revocations are kept" not in told.stdout
    assert "journal_lacks_lines" in told.stderr


def test_a_journal_that_is_gone_is_bad_and_is_served_all_the_same(
    sound: Flask, engine: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    journal = held_by(sound).journal
    end_a_password(engine, journal)
    shutil.rmtree(journal.folder)
    started = create_app(held_by(sound).settings, engine)
    assert started.test_client().get("/health/ready").json == {"status": "ready"}
    assert started.test_client().get("/sign-in").status_code == 200
    found = "".join(capfd.readouterr())
    assert found.count("journal_lacks_lines") == 1 and str(journal.folder) in found
    assert lines_of(look_over(started), "journal")[0].startswith("BAD       journal: the newest revocation")
    end_a_password(engine, journal)
    assert lines_of(look_over(started), "journal")[0].startswith("ok"), "from here on a restore has what it needs"


@pytest.mark.parametrize("nowhere", ["/proc/nowhere/journal", "a file/journal"])
def test_a_journal_whose_folder_cannot_be_made_is_bad(
    sound: Flask, engine: Engine, tmp_path: Path, nowhere: str
) -> None:
    (tmp_path / "a file").touch()
    folder = tmp_path / nowhere
    started = create_app(replace(held_by(sound).settings, revocation_journal=folder), engine)
    told = look_over(started)
    assert (
        told.exit_code == 1
        and f"BAD       journal: nothing can be written to {folder} (REVOCATION_JOURNAL)" in told.stdout
    )
    assert "revocations are kept" not in told.stdout and "journal_cannot_be_written" in told.stderr


def test_of_hosts_with_a_journal_each_the_others_are_doubtful(
    sound: Flask, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = held_by(sound).journal, Journal(tmp_path / "of another host")
    end_a_password(engine, ours)
    with monkeypatch.context() as there:
        there.setattr(socket, "gethostname", lambda: "host-b.example.org")
        end_a_password(engine, theirs)
    told = look_over(sound)
    good, doubtful = sorted(lines_of(told, "journal"), reverse=True)[:2]
    assert told.exit_code == 0 and good.startswith("ok"), told.stdout
    assert doubtful.startswith("doubtful") and "host host-b.example.org" in doubtful and "needs all of them" in doubtful
    # In one folder, of which that file was cut: a file of it is here, so it keeps none elsewhere.
    (file,) = theirs.folder.iterdir()
    (ours.folder / file.name).touch()
    assert look_over(sound).exit_code == 1


def test_lines_from_before_each_named_its_host_are_looked_for_too(sound: Flask, engine: Engine) -> None:
    journal = held_by(sound).journal
    end_a_password(engine, journal)
    path = next(journal.folder.glob("*.jsonl"))
    with engine.begin() as connection:
        line = orjson.loads(connection.scalar(text("SELECT line FROM revocation")))
        line.pop("host")
        connection.execute(text("UPDATE revocation SET line = :line"), {"line": orjson.dumps(line).decode()})
    assert look_over(sound).exit_code == 0
    path.unlink()
    assert lines_of(look_over(sound), "journal")[0].startswith("BAD       journal: the newest revocation (")


def test_a_line_that_another_host_wrote_late_is_that_hosts(
    sound: Flask, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_a_password(engine, held_by(sound).journal)
    shutil.rmtree(held_by(sound).journal.folder)
    with engine.begin() as connection:
        connection.execute(text("UPDATE revocation SET written = :no"), {"no": False})
    monkeypatch.setattr(socket, "gethostname", lambda: "host-b")
    catch_up(make_sessions(engine), Journal(tmp_path / "of another host"))
    monkeypatch.undo()
    with make_sessions(engine)() as session:
        assert [gap.host for gap in held_by(sound).journal.gaps(session)] == ["host-b"]
