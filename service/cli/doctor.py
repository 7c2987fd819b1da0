"""`flask doctor`: looks an installation over and says what to mend."""

import ctypes
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import click
from flask.cli import with_appcontext
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from oauth import keys
from service import mail, plan_editions
from service.clock import now
from service.databases import schema, sqlite_file
from service.db import microseconds
from service.jobs import JobLease
from service.mail import MailState, OutboxMail
from service.settings import Settings
from service.web import latchstring

_LEAST_FREE = 1 << 30
_LEAST_FREE_SHARE = 0.05
_CLOCK_MAY_DIFFER = timedelta(seconds=2)
_UNSYNCHRONIZED = 5
"""`TIME_ERROR` of adjtimex(2): the kernel's clock is not kept in time by anybody."""
_MAIL_WAITS = timedelta(minutes=5)


class Verdict(StrEnum):
    """What was found."""

    GOOD = "ok"
    DOUBTFUL = "doubtful"
    BAD = "BAD"


@dataclass(frozen=True)
class Finding:
    """What was found of one matter; the sentence of a doubtful or bad one says what to do."""

    verdict: Verdict
    sentence: str


Findings = Iterator[Finding]


@click.command("doctor")
@with_appcontext
def command() -> None:
    """Look this installation over: settings, database, schema, keys, mail server, clock, disk, worker, plan texts.

    Ends with status 1 where something has to be mended; what is only doubtful does not count.
    """
    found = [(name, each) for name, examine in _MATTERS.items() for each in _examined(examine)]
    for name, each in found:
        click.echo(f"{each.verdict:<9} {name}: {each.sentence}")
    bad = sum(each.verdict is Verdict.BAD for _, each in found)
    if bad:
        click.echo(f"{bad} to mend.", err=True)
        raise click.exceptions.Exit(1)


def _examined(examine: Callable[[Settings], Findings]) -> list[Finding]:
    try:
        return list(examine(latchstring().settings))
    except DBAPIError as problem:
        return [_bad(f"the database could not be asked ({type(problem.orig).__name__}); see above.")]


def _good(sentence: str) -> Finding:
    return Finding(Verdict.GOOD, sentence)


def _doubtful(sentence: str) -> Finding:
    return Finding(Verdict.DOUBTFUL, sentence)


def _bad(sentence: str) -> Finding:
    return Finding(Verdict.BAD, sentence)


def _session() -> Session:
    return latchstring().sessions()


def _settings(settings: Settings) -> Findings:
    # Unsafe ones ended this program before it came here.
    if settings.sandbox:
        yield _doubtful("this is a sandbox; set MODE=production and its settings where real people sign in.")
    else:
        yield _good(f"production at {settings.base_url}.")
        if not settings.trusted_proxies:
            yield _doubtful("TRUSTED_PROXIES is 0: set it to how many proxies stand in front, unless TLS ends here.")


def _database(settings: Settings) -> Findings:
    url = make_url(settings.database_url)
    shown = url.render_as_string(hide_password=True)
    try:
        with _session() as session:
            session.execute(text("SELECT 1"))
    except DBAPIError as problem:
        why = str(problem.orig).partition("\n")[0]
        yield _bad(f"{shown} does not answer ({why}): start it, or mend DATABASE_URL.")
        return
    yield _good(f"{shown} answers.")
    path = sqlite_file.named_by(settings.database_url)
    if path:
        yield from (_bad(f"DATABASE_URL {fault}") for fault in sqlite_file.faults(path))
        yield from _wholeness()
    else:
        yield from _replica(settings)
    if path is None and _is_elsewhere(url.host) and url.query.get("sslmode") not in {"verify-full", "verify-ca"}:
        yield _doubtful("DATABASE_URL goes over the network: add ?sslmode=verify-full and sslrootcert.")


def _replica(settings: Settings) -> Findings:
    replica = latchstring().reading.replica
    if replica is None:
        return
    shown = make_url(settings.database_read_url).render_as_string(hide_password=True)
    try:
        with replica.engine.connect() as connection:
            follows = connection.scalar(text("SELECT pg_is_in_recovery()"))
            behind = connection.scalar(text("SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp())"))
    except DBAPIError as problem:
        why = str(problem.orig).partition("\n")[0]
        yield _bad(f"{shown} (DATABASE_READ_URL) does not answer ({why}); DATABASE_URL answers in its place.")
        return
    if not follows:
        yield _bad(f"{shown} (DATABASE_READ_URL) follows nobody: it is no streaming replica, and is not used.")
    else:
        yield _good(f"{shown} follows; its newest transaction is {float(behind or 0):.0f} s old.")


def _is_elsewhere(host: str | None) -> bool:
    return bool(host) and host not in {"localhost", "127.0.0.1", "::1"} and not str(host).startswith("/")


def _wholeness() -> Findings:
    with _session() as session:
        told = session.scalar(text("PRAGMA quick_check(1)"))
    if told == "ok":
        yield _good("quick_check finds the file whole.")
    else:
        yield _bad("quick_check finds the file damaged: stop the servers, restore a backup.")


def _schema(_settings: Settings) -> Findings:
    with _session() as session:
        there = schema.of_database(session)
    if there == schema.newest():
        yield _good(f"schema {there} is the newest.")
    elif there is not None and there > schema.newest():
        yield _bad(f"schema {there} is newer than this program's ({schema.newest()}): start the newer program.")
    else:
        yield _bad(f"schema {there or 'missing'}, {schema.newest()} is needed: make migrate.")


def _keys(settings: Settings) -> Findings:
    with _session() as session:
        kids = keys.check(session, settings.secret_key)
    if kids is None:
        yield _bad("a signing key does not open with SECRET_KEY: give the SECRET_KEY it was made with.")
    elif not kids:
        yield _good("no signing key yet; the first ID token makes one.")
    else:
        yield _good(f"{len(kids)} signing keys open with SECRET_KEY.")
    yield from _files_of_keys(settings)


def _files_of_keys(settings: Settings) -> Findings:
    secrets = ("SECRET_KEY", "PASSWORD_PEPPER", "SMTP_PASSWORD", "METRICS_TOKEN", "REGISTRATION_TOKEN")
    files = {f"{name}_FILE": Path(given) for name in secrets if (given := os.environ.get(f"{name}_FILE"))}
    files["VAR/secret_key"] = settings.var / "secret_key"
    for name, path in files.items():
        if path.is_file() and path.stat().st_mode & 0o077:
            yield _bad(f"{name} can be read by others: chmod 600 {path}")
    if settings.var.is_dir() and settings.var.stat().st_mode & 0o002:
        yield _bad(f"VAR can be written to by everybody: chmod o-w {settings.var}")


def _mail(settings: Settings) -> Findings:
    try:
        mail.require_server(settings)
    except mail.ServerUnreachable as problem:
        why = type(problem.__cause__).__name__
        yield _bad(
            f"{settings.smtp_host}:{settings.smtp_port} cannot be used ({why}): mend SMTP_*; mails wait meanwhile."
        )
    else:
        yield _good(f"{settings.smtp_host}:{settings.smtp_port} answers.")
    with _session() as session:
        late = (OutboxMail.state == MailState.WAITING, OutboxMail.due_at < now() - _MAIL_WAITS)
        waiting = session.scalar(select(func.count()).where(*late)) or 0
        parked = session.scalar(select(func.count()).where(OutboxMail.state == MailState.PARKED)) or 0
    if waiting:
        yield _bad(f"{waiting} mails are due for more than {_MAIL_WAITS.seconds // 60} minutes.")
    if parked:
        yield _doubtful(f"{parked} mails were refused for good and are parked.")


def _clock(settings: Settings) -> Findings:
    if settings.clock_file and settings.clock_file.exists():
        yield _doubtful(f"{settings.clock_file} shifts this installation's time.")
    if _kernel_says_unsynchronized():
        yield _doubtful("nothing keeps this machine's clock in time: run chrony or systemd-timesyncd.")
    with _session() as session:
        if session.get_bind().dialect.name == "postgresql":
            theirs = session.scalar(text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"))
            apart = timedelta(microseconds=abs(int(theirs or 0) - microseconds(now())))
            if apart > _CLOCK_MAY_DIFFER:
                yield _bad(f"the database's clock is {apart.total_seconds():.1f} s away from ours: keep both in time.")
                return
    yield _good(f"it is {now():%Y-%m-%d %H:%M:%S} UTC.")


def _kernel_says_unsynchronized() -> bool:
    try:
        # A struct timex of zeros asks and changes nothing; its size differs by machine, and is below this everywhere.
        return bool(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(1024)) == _UNSYNCHRONIZED)
    except (OSError, AttributeError):
        return False


def _disk(settings: Settings) -> Findings:
    places = {"VAR": settings.var}
    if path := sqlite_file.named_by(settings.database_url):
        places["the database"] = path.parent
    for name, place in places.items():
        if not place.is_dir():
            yield _bad(f"the folder of {name} is not there: mkdir -p {place}")
            continue
        if not os.access(place, os.W_OK | os.X_OK):
            yield _bad(f"the folder of {name} cannot be written to: {place}")
        held = shutil.disk_usage(place)
        told = f"{held.free / 1e9:.1f} of {held.total / 1e9:.1f} GB are free for {name}"
        if held.free < min(_LEAST_FREE, _LEAST_FREE_SHARE * held.total):
            yield _bad(f"{told}: make room before writes fail.")
        else:
            yield _good(f"{told}.")


def _journal(settings: Settings) -> Findings:
    folder = settings.journal_folder
    if latchstring().journal.must_replay(latchstring().sessions):
        yield _bad("the database is older than the journal of revocations, nothing is served: flask backup replay")
        return
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        yield _bad(f"nothing can be written to {folder}: chown it to the user of the servers.")
        return
    yield _good(f"revocations are kept in {folder}.")
    path = sqlite_file.named_by(settings.database_url)
    if path and folder.is_dir() and path.exists() and folder.stat().st_dev == path.stat().st_dev:
        yield _doubtful(
            "REVOCATION_JOURNAL is on the disk of the database: put it on another, so that one outlives one."
        )


def _folders(settings: Settings) -> Findings:
    for name, folder in (("AUDIT_CHECKPOINTS", settings.checkpoints_folder), ("EXPORT_FOLDER", settings.exports)):
        # What is not there yet is made by the worker, where it may.
        there = next(one for one in (folder, *folder.parents) if one.exists())
        if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            yield _good(f"{name}: {folder} can be written to.")
        else:
            yield _bad(f"nothing can be written to {folder} ({name}): make it a folder of the user of the servers.")


def _worker(_settings: Settings) -> Findings:
    with _session() as session:
        until = session.scalar(select(func.max(JobLease.held_until)))
    if until is not None and until > now():
        yield _good(f"a worker holds jobs until {until:%H:%M:%S} UTC.")
    else:
        since = f" since {until:%Y-%m-%d %H:%M} UTC" if until else " and never was"
        yield _bad(f"no worker is alive{since}: start `flask worker run`, or mails and notices wait.")


def _plan_texts(settings: Settings) -> Findings:
    plan = settings.plan
    with _session() as session:
        editions = plan_editions.list_all(session)
        hidden = plan_editions.overruling(plan, editions)
    for one in hidden:
        what = f"{one.subject.value.replace('_', ' ')} {one.name}".strip()
        yield _doubtful(
            f"{what}: people read edition {one.number}, made in the console on {one.at:%Y-%m-%d %H:%M} UTC, and not "
            f"PLAN_FILE, which was written later ({plan.written_at:%Y-%m-%d %H:%M} UTC) and says otherwise. If the "
            "file is right, publish its words in the staff console under Plan texts; if not, write the edition's "
            "words into the file."
        )
    if not editions:
        yield _good("people read what PLAN_FILE says; nothing was changed in the console.")
    elif not hidden:
        yield _good("what was changed in the console hides no newer words of PLAN_FILE.")


_MATTERS: dict[str, Callable[[Settings], Findings]] = {
    "settings": _settings,
    "database": _database,
    "schema": _schema,
    "keys": _keys,
    "mail": _mail,
    "clock": _clock,
    "disk": _disk,
    "journal": _journal,
    "folders": _folders,
    "worker": _worker,
    "plan texts": _plan_texts,
}
