"""`flask backup`: copies of the database, and revocations done again after one was put back."""

import fcntl
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import click
from flask.cli import AppGroup

from service import audit, journal_losses, replaying
from service.clock import now
from service.databases import sqlite_file
from service.web import latchstring, settings

group = AppGroup("backup")
_MOST_NAMED = 20
_PART = ".part"
"""The ending of a copy that is being made."""


class NotWhole(click.ClickException):
    """The copy is damaged, and so is what it was made of."""


class NotMade(click.ClickException):
    """There is no room, no right, or the database cannot be read."""

    def __init__(self, folder: Path, problem: sqlite3.Error | OSError) -> None:
        why = getattr(problem, "strerror", None) or problem
        super().__init__(
            f"The copy in {folder} failed: {why}. Make room there, or keep fewer (--keep); see that this user may write"
            " there; flask doctor looks the database over. Earlier whole copies are as they were."
        )


@group.command("create")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--keep", type=click.IntRange(min=1), help="Delete the oldest copies there, so that this many are left.")
def create(folder: Path, keep: int | None) -> None:
    """Copy the SQLite database into FOLDER while it is in use.

    Keys and the journal of revocations are not in it: keep them elsewhere. PostgreSQL has its own tools, see
    docs/backup.md.
    """
    source = sqlite_file.named_by(settings().database_url)
    if source is None:
        raise click.ClickException(
            "This is for SQLite; pg_basebackup and an archive of WAL copy PostgreSQL (docs/backup.md)"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _cleared(folder):
            made = folder / f"latchstring-{now():%Y%m%dT%H%M%S%f}Z.db"
            _copy(source, made)
    except (sqlite3.Error, OSError) as problem:
        raise NotMade(folder, problem) from None
    click.echo(f"{made}: {made.stat().st_size} bytes, whole.")
    if keep:
        # Their names are their times. Only now: a copy that could not be made takes none of the others with it.
        for old in sorted(folder.glob("latchstring-*Z.db"))[:-keep]:
            old.unlink(missing_ok=True)


@group.command("replay")
def replay() -> None:
    """Do every revocation of the journal again that the database does not know; then it is served again."""
    held = latchstring()
    with held.sessions.begin() as session:
        done = replaying.replay(session, held.journal)
        audit.record(session, "service:backup:replay", count=done.count)
        lost = journal_losses.find(session, held.journal).unknown
    click.echo(f"{done.count} revocations done again.")
    for table, number in Counter(done.left_out).items():
        click.echo(
            f"{number} of {table} could not be: the copy lacks whom they are about or who made them (docs/backup.md).",
            err=True,
        )
    if lost:
        click.echo(
            f"At least {len(lost)} more lines were written and are in no file: what they ended lives again. They came "
            f"right before the lines that name them as `after`: {', '.join(lost[:_MOST_NAMED])}",
            err=True,
        )
    if done.count or done.left_out:
        click.echo("Everybody signs in anew; apps ask for new access tokens.")
        click.echo("What was audited since the copy is lost: say so by flask audit accept-loss.")


@contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """The folder without what runs left that were killed, and while one copies into it nobody clears it.

    The lock is the folder's own, and ends with its process; two runs at once copy beside each other.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Another run is at work, or its disk knows no locks: then what is there is left alone.
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in folder.glob(f"latchstring-*Z{_PART}*"):
                left.unlink()
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def _copy(source: Path, made: Path) -> None:
    draft = made.with_suffix(_PART)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        if _fill(source, draft) != "ok":
            raise NotWhole("The copy is damaged, and so is the database: stop the servers, look at its disk.")
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(made)
    except BaseException:
        # What is not whole would fill the disk; SQLite's own files beside it (-journal, -wal) too.
        for part in draft.parent.glob(f"{draft.name}*"):
            part.unlink(missing_ok=True)
        raise


def _fill(source: Path, draft: Path) -> str:
    """Copy the database; what `integrity_check` says of the copy."""
    with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(draft)) as copy:
        # In one step: a reader of the log keeps no writer waiting, and in several each write would begin it anew.
        origin.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        return str(copy.execute("PRAGMA integrity_check(1)").fetchone()[0])
