"""A journal of revocations that is there and cannot be read: nothing is served, its operators hear what to mend."""

import os
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from flask import Flask
from sqlalchemy import Engine

from service import journal_files, revocations
from service.app import create_app
from service.cli import doctor
from service.cli.findings import Findings
from service.journal_files import Unreadable
from service.revocations import Journal
from service.settings import Settings
from service.web import held_by
from tests.cli.conftest import lines_of, look_over
from tests.cli.test_doctor_journal import end_a_password

SOMEBODY = 65_534


def shut_file(folder: Path) -> Callable[[], None]:
    """Put what cannot be opened in the place of another host's newest file, for root neither; how to mend it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "2026-11.elsewhere.jsonl").mkdir()
    return (folder / "2026-11.elsewhere.jsonl").rmdir


def shut_folder(folder: Path) -> Callable[[], None]:
    """Let the folder lead to itself."""
    if folder.exists():
        folder.rename(folder.with_name("aside"))
    folder.symlink_to(folder)
    return folder.unlink


@pytest.mark.parametrize("shut", [shut_file, shut_folder])
def test_case_183_a_journal_that_cannot_be_read_is_503_until_it_can(
    sound: Flask,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    shut: Callable[[Path], Callable[[], None]],
) -> None:
    monkeypatch.setattr(revocations, "_LOOK_AGAIN", 0)
    browser, runner, folder = sound.test_client(), sound.test_cli_runner(), held_by(sound).journal.folder
    assert browser.get("/sign-in").status_code == 200

    mend = shut(folder)

    for path in ("/", "/sign-in", "/oauth/authorize", "/fhir/r4/metadata", "/fhir/r4/Patient"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5"), path
    ready = browser.get("/health/ready")
    assert (ready.status_code, ready.json) == (503, {"status": "not ready", "reason": "journal"})
    assert browser.get("/health/live").status_code == 200
    told = "".join(capfd.readouterr())
    assert "journal_cannot_be_read" in told and str(folder) in told and "unexpected_fault" not in told
    for args in (["worker", "run", "--once"], ["backup", "replay"], ["audit", "verify"]):
        refused = runner.invoke(args=args)
        assert refused.exit_code == 1 and "(REVOCATION_JOURNAL) cannot be read" in refused.stderr, refused.output

    mend()
    assert browser.get("/sign-in").status_code == 200, "without a restart"
    assert browser.get("/health/ready").status_code == 200


@pytest.mark.parametrize("shut", [shut_file, shut_folder])
def test_doctor_names_what_of_the_journal_cannot_be_read(
    sound: Flask, shut: Callable[[Path], Callable[[], None]]
) -> None:
    folder = held_by(sound).journal.folder
    shut(folder)
    told = look_over(sound)
    (line,) = lines_of(told, "journal")
    assert told.exit_code == 1 and line.startswith(f"BAD       journal: {folder}") and "chown" in line
    assert lines_of(told, "worker"), "all other matters are looked over"


def test_an_older_file_that_cannot_be_read_is_told_of_and_everything_is_served(sound: Flask, engine: Engine) -> None:
    journal = held_by(sound).journal
    end_a_password(engine, journal)
    path = next(journal.folder.glob("*.jsonl"))
    path.write_bytes(b"")
    (journal.folder / f"2020-01.{journal_files.host()}.jsonl").mkdir()
    started = create_app(held_by(sound).settings, engine)
    assert started.test_client().get("/sign-in").status_code == 200
    (line,) = lines_of(look_over(started), "journal")
    assert line.startswith("BAD") and "2020-01." in line


def test_what_doctor_cannot_look_at_is_one_of_its_findings(sound: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(_settings: Settings) -> Findings:
        yield from ()
        raise OSError(116, "Stale file handle", "/srv/shared")

    monkeypatch.setitem(doctor._MATTERS, "disk", stale)
    told = look_over(sound)
    (line,) = lines_of(told, "disk")
    assert told.exit_code == 1 and line.startswith("BAD       disk: /srv/shared could not be used"), told.output
    assert lines_of(told, "roster")


def test_what_a_command_of_root_writes_belongs_to_whom_the_folder_belongs(tmp_path: Path) -> None:
    owner = os.geteuid() or SOMEBODY
    os.chown(tmp_path, owner, -1)
    journal = Journal(tmp_path / "of" / "servers" / "journal")
    journal.append([orjson.dumps({"id": "a", "at": 1, "table": "account", "key": "k", "values": {}}).decode()])
    (file,) = journal.folder.iterdir()
    assert {path.stat().st_uid for path in (file, journal.folder, journal.folder.parent)} == {owner}
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_of_the_month_that_takes_no_lines_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    assert journal_files.find_barred(folder) is None, "it is made when it is needed"
    with journal_files.opened(folder) as handle:
        journal_files.add(handle, b'{"id":"a"}\n')
    assert journal_files.find_barred(folder) is None
    (path,) = folder.iterdir()
    path.unlink()
    path.mkdir()
    assert journal_files.find_barred(folder) == path
    with pytest.raises(Unreadable, match="IsADirectoryError"):
        list(journal_files.lines(folder))
