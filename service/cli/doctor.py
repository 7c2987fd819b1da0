"""`flask doctor`: looks an installation over and says what to mend."""

import ctypes
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service import jobs, mail_delivery, plan_editions, resealing
from service.accounts import second_factors
from service.audit_chain.checkpoints import Untrustworthy
from service.cli import doctor_files, doctor_watch
from service.cli.findings import Finding, Findings, Verdict, bad, doubtful, good
from service.cli.keys import SEALED, begun_at, last_checkpoint_is_earlier
from service.clock import now
from service.databases import network, schema, sqlite_file
from service.databases.driver_errors import every_error
from service.db import microseconds
from service.jobs import JobLease
from service.mail import MailState, OutboxMail
from service.plan.members import roster
from service.plan.registering import mailed_pins
from service.plan_file import LANGUAGES_NEEDED
from service.settings import Settings
from service.web import latchstring

_CLOCK_MAY_DIFFER = timedelta(seconds=2)
_UNSYNCHRONIZED = 5
"""`TIME_ERROR` of adjtimex(2): the kernel's clock is not kept in time by anybody."""
_MAIL_WAITS = timedelta(minutes=5)
_SHORT_LIVED = timedelta(hours=1)
"""So long at most counts what is sealed outside the database: page links; codes and cookies less."""
_FAILURES_BAD = 3
"""So often in a row a job does not break by what passes by itself."""


@click.command("doctor")
@with_appcontext
def command() -> None:
    """Look this installation over: settings, database, schema, keys, mail server, clock, disk, journal, folders, audit,
    deliveries of data, worker, plan texts, roster.

    Ends with status 1 where something has to be mended; what is only doubtful does not count.
    """
    found = [(name, each) for name, examine in _MATTERS.items() for each in _examined(examine)]
    for name, each in found:
        click.echo(f"{each.verdict:<9} {name}: {each.sentence}")
    to_mend = sum(each.verdict is Verdict.BAD for _, each in found)
    if to_mend:
        click.echo(f"{to_mend} to mend.", err=True)
        raise click.exceptions.Exit(1)


def _examined(examine: Callable[[Settings], Findings]) -> list[Finding]:
    try:
        return list(examine(latchstring().settings))
    except every_error(DBAPIError) as problem:
        # Hand-kept statements raise the drivers' own errors.
        kind = type(problem.orig if isinstance(problem, DBAPIError) else problem)
        return [bad(f"the database could not be asked ({kind.__name__}); see above.")]
    except OSError as problem:
        what = problem.filename or "a file or folder"
        return [
            bad(f"{what} could not be used ({type(problem).__name__}): look at its owner, its rights and its disk.")
        ]


def _session() -> Session:
    return latchstring().sessions()


def _settings(settings: Settings) -> Findings:
    # Unsafe ones ended this program before it came here.
    if settings.sandbox:
        yield doubtful("this is a sandbox; set MODE=production and its settings where real people sign in.")
    else:
        yield good(f"production at {settings.base_url}.")
        if not settings.trusted_proxies:
            yield doubtful("TRUSTED_PROXIES is 0: set it to how many proxies stand in front, unless TLS ends here.")


def _database(settings: Settings) -> Findings:
    url = make_url(settings.database_url)
    shown = url.render_as_string(hide_password=True)
    try:
        with _session() as session:
            session.execute(text("SELECT 1"))
    except DBAPIError as problem:
        why = str(problem.orig).partition("\n")[0]
        yield bad(f"{shown} does not answer ({why}): start it, or mend DATABASE_URL.")
        return
    yield good(f"{shown} answers.")
    path = sqlite_file.named_by(settings.database_url)
    if path:
        yield from (bad(f"DATABASE_URL {fault}") for fault in sqlite_file.faults(path))
        yield from _wholeness()
    else:
        yield from _replica(settings)
    yield from _ways(settings)


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
        yield bad(f"{shown} (DATABASE_READ_URL) does not answer ({why}); DATABASE_URL answers in its place.")
        return
    if not follows:
        yield bad(f"{shown} (DATABASE_READ_URL) follows nobody: it is no streaming replica, and is not used.")
    else:
        yield good(f"{shown} follows; its newest transaction is {float(behind or 0):.0f} s old.")


def _ways(settings: Settings) -> Findings:
    for name, url in (("DATABASE_URL", settings.database_url), ("DATABASE_READ_URL", settings.database_read_url)):
        if not network.is_in_clear(url):
            continue
        if settings.database_private_network:
            yield doubtful(
                f"{name} goes in clear, since DATABASE_PRIVATE_NETWORK says that nobody else is on that network."
            )
        else:
            yield doubtful(f"{name} goes in clear over the network: add ?sslmode=verify-full and sslrootcert.")


def _wholeness() -> Findings:
    with _session() as session:
        told = session.scalar(text("PRAGMA quick_check(1)"))
    if told == "ok":
        yield good("quick_check finds the file whole.")
    else:
        yield bad("quick_check finds the file damaged: stop the servers, restore a backup.")


def _schema(_settings: Settings) -> Findings:
    with _session() as session:
        there = schema.of_database(session)
    if there == schema.newest():
        yield good(f"schema {there} is the newest.")
    elif there is not None and there > schema.newest():
        yield bad(f"schema {there} is newer than this program's ({schema.newest()}): start the newer program.")
    else:
        yield bad(f"schema {there or 'missing'}, {schema.newest()} is needed: make migrate.")


def _keys(settings: Settings) -> Findings:
    sessions, key = latchstring().sessions, settings.secret_key
    tallies = {sealed.name: resealing.survey(sessions, key, sealed) for sealed in SEALED}
    for name, tally in tallies.items():
        if tally.unopened:
            yield bad(
                f"{tally.unopened} of {tally.all} {name} open under no key that is named: name the key they were sealed"
                " under in SECRET_KEY_PREVIOUS, then flask keys reseal."
            )
        if tally.earlier:
            yield doubtful(f"{tally.earlier} of {tally.all} {name} are under an earlier key: flask keys reseal.")
    if present := [f"{tally.present} {name}" for name, tally in tallies.items() if tally.present]:
        yield good(f"under SECRET_KEY are {', '.join(present)}.")
    else:
        yield good("nothing is under SECRET_KEY yet; the first ID token makes a signing key.")
    if settings.secret_key_previous:
        yield from _earlier_keys(waits=any(tally.others for tally in tallies.values()))
    yield from _files_of_keys(settings)


def _earlier_keys(*, waits: bool) -> Findings:
    """Until when SECRET_KEY_PREVIOUS is needed."""
    try:
        by_earlier = last_checkpoint_is_earlier()
    except (Untrustworthy, OSError) as problem:
        yield bad(f"checkpoints of the audit: {problem}")
        return
    if by_earlier:
        yield doubtful("an earlier key signed the last checkpoint of the audit: flask keys reseal.")
    begun = begun_at()
    if waits or by_earlier:
        yield doubtful("SECRET_KEY_PREVIOUS is needed: once every server has SECRET_KEY, run flask keys reseal.")
    elif begun is None:
        yield doubtful(
            f"nothing is under a key of SECRET_KEY_PREVIOUS: it holds the coming key, or is not needed.{_but()}"
        )
    else:
        yield from _digests(begun)


def _but() -> str:
    """What may hang on an earlier key though nothing is sealed under it: of digests nobody can tell."""
    with _session() as session:
        codes = second_factors.count_accounts_with_codes(session, before=now())
        pins = mailed_pins.last_expiry(session, before=now())
    return (
        " Recovery codes and PINs that there are may need it: keep it if it was SECRET_KEY once."
        if codes or pins
        else ""
    )


def _digests(begun: datetime) -> Findings:
    """What was made before everything was sealed anew, and cannot be made anew without what it is of."""
    with _session() as session:
        with_codes = second_factors.count_accounts_with_codes(session, before=begun)
        until = mailed_pins.last_expiry(session, before=begun)
    if until is not None:
        yield doubtful(f"PINs sent by post need SECRET_KEY_PREVIOUS until {until:%Y-%m-%d %H:%M} UTC, or end with it.")
    if with_codes:
        yield doubtful(
            f"recovery codes of {with_codes} accounts, made before flask keys reseal, need SECRET_KEY_PREVIOUS: flask"
            " keys end-recovery-codes ends them and tells their owners."
        )
    if until is not None or with_codes:
        return
    if now() < begun + _SHORT_LIVED:
        yield doubtful(
            f"SECRET_KEY_PREVIOUS may go at {begun + _SHORT_LIVED:%Y-%m-%d %H:%M} UTC: pages that are open need it."
        )
    else:
        yield good("SECRET_KEY_PREVIOUS is not needed any more: take it away.")


def _files_of_keys(settings: Settings) -> Findings:
    secrets = (
        "SECRET_KEY",
        "SECRET_KEY_PREVIOUS",
        "PASSWORD_PEPPER",
        "SMTP_PASSWORD",
        "METRICS_TOKEN",
        "REGISTRATION_TOKEN",
    )
    files = {f"{name}_FILE": Path(given) for name in secrets if (given := os.environ.get(f"{name}_FILE"))}
    files["VAR/secret_key"] = settings.var / "secret_key"
    for name, path in files.items():
        if path.is_file() and path.stat().st_mode & 0o077:
            yield bad(f"{name} can be read by others: chmod 600 {path}")
    if settings.var.is_dir() and settings.var.stat().st_mode & 0o002:
        yield bad(f"VAR can be written to by everybody: chmod o-w {settings.var}")


def _mail(settings: Settings) -> Findings:
    try:
        mail_delivery.require_server(settings)
    except mail_delivery.ServerUnreachable as problem:
        why = type(problem.__cause__).__name__
        yield bad(
            f"{settings.smtp_host}:{settings.smtp_port} cannot be used ({why}): mend SMTP_*; mails wait meanwhile."
        )
    else:
        yield good(f"{settings.smtp_host}:{settings.smtp_port} answers.")
    with _session() as session:
        late = (OutboxMail.state == MailState.WAITING, OutboxMail.due_at < now() - _MAIL_WAITS)
        waiting = session.scalar(select(func.count()).where(*late)) or 0
        parked = session.scalar(select(func.count()).where(OutboxMail.state == MailState.PARKED)) or 0
    if waiting:
        yield bad(f"{waiting} mails are due for more than {_MAIL_WAITS.seconds // 60} minutes.")
    if parked:
        yield doubtful(f"{parked} mails were refused for good and are parked.")


def _clock(settings: Settings) -> Findings:
    if settings.clock_file and settings.clock_file.exists():
        yield doubtful(f"{settings.clock_file} shifts this installation's time.")
    if _kernel_says_unsynchronized():
        yield doubtful("nothing keeps this machine's clock in time: run chrony or systemd-timesyncd.")
    with _session() as session:
        if session.get_bind().dialect.name == "postgresql":
            theirs = session.scalar(text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"))
            apart = timedelta(microseconds=abs(int(theirs or 0) - microseconds(now())))
            if apart > _CLOCK_MAY_DIFFER:
                yield bad(f"the database's clock is {apart.total_seconds():.1f} s away from ours: keep both in time.")
                return
    yield good(f"it is {now():%Y-%m-%d %H:%M:%S} UTC.")


def _kernel_says_unsynchronized() -> bool:
    try:
        # A struct timex of zeros asks and changes nothing; its size differs by machine, and is below this everywhere.
        return bool(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(1024)) == _UNSYNCHRONIZED)
    except (OSError, AttributeError):
        return False


def _worker(_settings: Settings) -> Findings:
    with _session() as session:
        until = session.scalar(select(func.max(JobLease.held_until)))
    if until is not None and until > now():
        yield good(f"a worker holds jobs until {until:%H:%M:%S} UTC.")
    else:
        since = f" since {until:%Y-%m-%d %H:%M} UTC" if until else " and never was"
        yield bad(f"no worker is alive{since}: start `flask worker run`, or mails and notices wait.")
    with _session() as session:
        for lease in jobs.failing(session, (job.name for job in current_app.extensions["latchstring.jobs"])):
            yield _of_failures(lease)


def _of_failures(lease: JobLease) -> Finding:
    told = (
        f"the job {lease.name} broke {lease.failures_in_row} times in a row, last at"
        f" {lease.failed_at:%Y-%m-%d %H:%M:%S} UTC ({lease.problem}): look {lease.reference} up in the worker's log,"
        " which says where."
    )
    return bad(told) if lease.failures_in_row >= _FAILURES_BAD else doubtful(f"{told} It is tried again.")


def _plan_texts(settings: Settings) -> Findings:
    plan = settings.plan
    if plan.is_invented and not settings.sandbox:
        yield bad("people read of the sandbox's invented plan: name the plan's own file in PLAN_FILE.")
        return
    if not settings.sandbox and (left := plan.example_addresses()):
        yield bad(
            f"PLAN_FILE names {', '.join(left)}: nobody is there (RFC 2606). Write the plan's own in their place."
        )
    spoken = {one.spoken for one in plan.language_assistance}
    if len(spoken) < LANGUAGES_NEEDED or "en" not in spoken:
        yield doubtful(
            f"[[language_assistance]] of PLAN_FILE gives the notice in {len(spoken)} languages: 45 CFR 92.11 asks for "
            "English and at least the 15 most spoken by people with limited English in the states that the plan serves."
        )
    with _session() as session:
        editions = plan_editions.list_all(session)
        hidden = plan_editions.overruling(plan, editions)
    for one in hidden:
        what = f"{one.subject.value.replace('_', ' ')} {one.name}".strip()
        yield doubtful(
            f"{what}: people read edition {one.number}, made in the console on {one.at:%Y-%m-%d %H:%M} UTC, and not "
            f"PLAN_FILE, which was written later ({plan.written_at:%Y-%m-%d %H:%M} UTC) and says otherwise. If the "
            "file is right, publish its words in the staff console under Plan texts; if not, write the edition's "
            "words into the file."
        )
    if not editions:
        yield good("people read what PLAN_FILE says; nothing was changed in the console.")
    elif not hidden:
        yield good("what was changed in the console hides no newer words of PLAN_FILE.")


def _roster(settings: Settings) -> Findings:
    with _session() as session:
        plan = plan_editions.edited(settings.plan, plan_editions.list_all(session))
        lacking = roster.count_without_unit(session, lines_aside=plan.out_of_scope_lines)
    if lacking:
        told = ", ".join(f"{number} members of {line or 'no line of business'}" for line, number in lacking.items())
        yield doubtful(
            f"{told} are under no contract, plan or issuer, by which CMS asks for the yearly numbers: give the roster a"
            " column report_unit before the days are counted (flask members load)."
        )
    else:
        yield good("every member is under a contract, plan or issuer, by which CMS asks for the yearly numbers.")


_MATTERS: dict[str, Callable[[Settings], Findings]] = {
    "settings": _settings,
    "database": _database,
    "schema": _schema,
    "keys": _keys,
    "mail": _mail,
    "clock": _clock,
    "disk": doctor_files.disk,
    "journal": doctor_files.journal,
    "folders": doctor_files.folders,
    "audit": doctor_watch.audit,
    "data": doctor_watch.data,
    "worker": _worker,
    "plan texts": _plan_texts,
    "roster": _roster,
}
