"""A line that is lost from the journal of revocations is noticed wherever it stood, before a restore and after one."""

from pathlib import Path

import orjson
import pytest
from flask import Flask
from sqlalchemy import Engine, delete, update
from sqlalchemy.orm import Session

from service import journal_losses
from service.accounts.models import Account
from service.db import make_sessions
from service.revocations import Journal, NotJournalled, Revocation, catch_up
from service.web import held_by
from tests.factories import make_account

HOWEVER_MANY = 6


@pytest.fixture
def journal(app: Flask, session: Session) -> Journal:
    """The journal of an app in which six times somebody's credentials were changed."""
    account = make_account(session)
    session.commit()
    held = held_by(app)
    for _ in range(HOWEVER_MANY):
        with held.sessions.begin() as changing:
            changing.get_one(Account, account.id).credentials_version += 1
    return held.journal


def only_file(journal: Journal) -> Path:
    (path,) = journal.folder.glob("*.jsonl")
    return path


def lose(journal: Journal, *numbers: int) -> list[str]:
    """Take these lines out of the file; their ids."""
    path = only_file(journal)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == HOWEVER_MANY
    path.write_bytes(b"".join(line for number, line in enumerate(lines) if number not in numbers))
    return [orjson.loads(lines[number])["id"] for number in numbers]


def verify(app: Flask) -> tuple[int, str]:
    told = app.test_cli_runner().invoke(args=["audit", "verify"])
    return told.exit_code, told.output


def test_each_line_names_the_one_before_it(journal: Journal) -> None:
    lines = list(journal.lines())
    assert "after" not in lines[0]
    assert [one["after"] for one in lines[1:]] == [one["id"] for one in lines[:-1]]


@pytest.mark.parametrize("numbers", [(0,), (2,), (2, 3), (HOWEVER_MANY - 1,)])
def test_lines_that_are_lost_anywhere_are_named_until_they_are_written_anew(
    app: Flask, engine: Engine, session: Session, journal: Journal, numbers: tuple[int, ...]
) -> None:
    assert "Every revocation that was written is in the journal." in verify(app)[1]
    lost = lose(journal, *numbers)

    code, told = verify(app)

    assert code == 1 and f"{len(lost)} revocations are in no file of {journal.folder}" in told
    assert all(f"Lost from the journal: revocation {one} of host " in told for one in lost)
    session.execute(update(Revocation).values(written=False))
    session.commit()
    assert catch_up(make_sessions(engine), journal) == HOWEVER_MANY
    code, told = verify(app)
    assert code == 0 and "Every revocation that was written is in the journal." in told


def test_a_line_that_an_older_database_does_not_know_is_named_by_the_one_after_it(
    app: Flask, session: Session, journal: Journal
) -> None:
    known = [one["id"] for one in journal.lines()][:1]
    session.execute(delete(Revocation).where(Revocation.id.not_in(known)))
    session.commit()
    (lost,) = lose(journal, 3)

    code, told = verify(app)
    assert code == 1 and f"revocation {lost}, which the database does not know either" in told
    replayed = app.test_cli_runner().invoke(args=["backup", "replay"])
    assert replayed.exit_code == 0 and "4 revocations done again." in replayed.stdout
    assert "At least 1 more lines were written and are in no file" in replayed.stderr and lost in replayed.stderr


def test_lines_from_before_they_were_chained_and_torn_ones_are_no_loss(session: Session, journal: Journal) -> None:
    path = only_file(journal)
    old = [orjson.dumps({k: v for k, v in one.items() if k != "after"}) + b"\n" for one in journal.lines()]
    path.write_bytes(b"".join(old) + b'{"id":"torn","at":2,"table":"consent_gr')
    found = journal_losses.find(session, journal)
    assert not found.lines and not found.unknown and not found.elsewhere


def test_a_host_of_which_there_is_no_file_keeps_a_journal_of_its_own(
    app: Flask, session: Session, journal: Journal
) -> None:
    row = session.get_one(Revocation, next(journal.lines())["id"])
    row.line = orjson.dumps(orjson.loads(row.line) | {"host": "host-b"}).decode()
    session.commit()
    lose(journal, 0)

    code, told = verify(app)

    assert code == 0 and f"The journal of host-b is in no file of {journal.folder}" in told
    found = journal_losses.find(session, journal)
    assert found.elsewhere == ["host-b"] and not found.lines


def test_a_write_that_failed_is_not_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    told = [orjson.dumps({"id": one, "at": 1, "table": "account", "key": "k", "values": {}}).decode() for one in "abc"]
    journal.append(told[:1])
    path = only_file(journal)
    aside = path.rename(tmp_path / "aside")
    path.mkdir()
    with pytest.raises(NotJournalled):
        journal.append(told[1:2])
    path.rmdir()
    aside.rename(path)
    journal.append(told[2:])
    assert [(one["id"], one.get("after")) for one in journal.lines()] == [("a", None), ("c", "a")]
