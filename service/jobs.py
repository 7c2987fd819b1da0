"""The worker: named jobs at intervals, each under a lease, so that any number of workers has one leader a job."""

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import psycopg
import structlog
from sqlalchemy import CursorResult, String, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from service import mail, single_use
from service.audit import NotAudited
from service.clock import now
from service.db import Base, Instant, new_id
from service.revocations import NotJournalled
from service.settings import Settings

_LEASE = timedelta(seconds=60)
_AWAY = (
    mail.ServerUnreachable, DBAPIError, sqlite3.OperationalError, psycopg.OperationalError, NotAudited, NotJournalled,
)  # fmt: skip
_LONGEST_PAUSE = 30.0
_TICK = 0.25
_BATCH = 500
log = structlog.get_logger("service.jobs")

Handler = Callable[[sessionmaker[Session], Settings], object]
Sweep = Callable[[Session], int]
"""Deletes at most some hundred rows that are over, in the caller's transaction; how many."""


class JobLease(Base):
    """Who runs a job now."""

    __tablename__ = "job_lease"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    holder: Mapped[str] = mapped_column(String(36))
    held_until: Mapped[datetime] = mapped_column(Instant)


@dataclass(frozen=True)
class Job:
    """Something the worker does every so many seconds; `apart` in a thread of its own, since it may take long."""

    name: str
    every_seconds: float
    handler: Handler
    apart: bool = False


class Worker:
    """One worker process: runs the jobs whose lease it holds until it is told to stop."""

    def __init__(self, sessions: sessionmaker[Session], settings: Settings, jobs: Sequence[Job]) -> None:
        self._sessions = sessions
        self._settings = settings
        self._jobs = jobs
        self._id = new_id()
        self._stop = threading.Event()
        self._pauses: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._fault: BaseException | None = None

    def stop(self) -> None:
        """Ask the worker to end after the job at hand."""
        self._stop.set()

    def run(self) -> None:
        """Run until stopped; raises what a job raised that it could not have expected."""
        apart = [threading.Thread(target=self._run_apart, args=(job,)) for job in self._jobs if job.apart]
        for thread in apart:
            thread.start()
        while not self._stop.is_set():
            for job in (job for job in self._jobs if not job.apart):
                # By the clock: what the others took counts, or a checkpoint would come late in a busy hour.
                moment = time.monotonic()
                if moment >= self._due.get(job.name, moment):
                    self._due[job.name] = moment + self._run(job)
            self._stop.wait(_TICK)
        for thread in apart:
            thread.join()
        if self._fault is not None:
            raise self._fault

    def _run_apart(self, job: Job) -> None:
        try:
            while not self._stop.is_set():
                self._stop.wait(self._run(job))
        except BaseException as fault:  # noqa: BLE001 (a thread that died unseen would leave its job undone for ever)
            self._fault = fault
            self._stop.set()

    def run_once(self) -> None:
        """Run every job once, now."""
        for job in self._jobs:
            self._run(job)

    def _run(self, job: Job) -> float:
        """Run the job if its lease is ours; the seconds until its next turn."""
        try:
            if take_lease(self._sessions, job.name, self._id):
                job.handler(self._sessions, self._settings)
        except _AWAY as problem:
            # A mail server or database that is away comes back, and so does room on the journal's disk; the pause grows
            # so that it is not hammered. What cannot be audited is not done.
            log.warning("job_postponed", job=job.name, problem=type(problem).__name__)
            self._pauses[job.name] = min(_LONGEST_PAUSE, 2 * self._pauses.get(job.name, job.every_seconds))
            return self._pauses[job.name]
        self._pauses.pop(job.name, None)
        return job.every_seconds


def take_lease(sessions: sessionmaker[Session], name: str, holder: str) -> bool:
    """Take or keep the lease of job `name` for a minute; False while another holds it."""
    moment = now()
    with sessions.begin() as session:
        on_postgresql = session.get_bind().dialect.name == "postgresql"
        insert = postgresql.insert(JobLease) if on_postgresql else sqlite.insert(JobLease)
        first = insert.values(name=name, holder=holder, held_until=moment).on_conflict_do_nothing()
        session.execute(first)
        taken = session.execute(
            update(JobLease)
            .where(JobLease.name == name, or_(JobLease.holder == holder, JobLease.held_until <= moment))
            .values(holder=holder, held_until=moment + _LEASE)
        )
        return cast(CursorResult[Any], taken).rowcount == 1


def deliver_mail(sessions: sessionmaker[Session], settings: Settings) -> None:
    """The mail job."""
    mail.deliver_due(sessions, settings)


def janitor(sweeps: Sequence[Sweep]) -> Handler:
    """The job that deletes what is over, in short transactions so that nobody waits for it."""

    def clean(sessions: sessionmaker[Session], _settings: Settings) -> None:
        for sweep in sweeps:
            deleted = _BATCH
            while deleted >= _BATCH:
                with sessions.begin() as session:
                    deleted = sweep(session)

    return clean


def delete_claimed_values(session: Session) -> int:
    """Forget claimed values that would be refused anyway."""
    over = select(single_use.ClaimedValue.value).where(single_use.ClaimedValue.expires_at <= now()).limit(_BATCH)
    table = single_use.ClaimedValue
    result = session.execute(table.__table__.delete().where(table.value.in_(over), table.expires_at <= now()))  # type: ignore[attr-defined]
    return cast(CursorResult[Any], result).rowcount
