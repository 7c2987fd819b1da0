"""The worker: named jobs at intervals, each under a lease, so that any number of workers has one leader a job."""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import CursorResult, Integer, String, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from service import single_use
from service.audit import NotAudited
from service.clock import now
from service.databases.driver_errors import operational_errors
from service.db import Base, Instant, new_id
from service.mail_delivery import ServerUnreachable
from service.revocations import NotJournalled
from service.settings import Settings

_LEASE = timedelta(seconds=60)
_LONGEST_PAUSE = 30.0
_TURN_SECONDS = 10.0
"""How long a job that works in steps has its turn; it is well below its lease, and what a host gives us to end."""
_TICK = 0.25
_BATCH = 500
_LONGEST_NAME = 100
log = structlog.get_logger("service.jobs")

Handler = Callable[[sessionmaker[Session], Settings], object]
"""One turn of a job. A generator works in steps; after each it may be closed: the worker stops, or its time is up."""
Sweep = Callable[[Session], int]
"""Deletes at most some hundred rows that are over, in the caller's transaction; how many."""


class JobLease(Base):
    """Who runs a job now, and how often it broke: in a row, and ever; of the last time when, by what, its reference."""

    __tablename__ = "job_lease"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    holder: Mapped[str] = mapped_column(String(36))
    held_until: Mapped[datetime] = mapped_column(Instant)
    failures_in_row: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    failures: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    failed_at: Mapped[datetime | None] = mapped_column(Instant)
    problem: Mapped[str | None] = mapped_column(String(100))
    """The name of the exception's class: its text may hold what it worked on."""
    reference: Mapped[str | None] = mapped_column(String(36))
    """By which the worker's log tells more."""


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
        self._broken: set[str] = set()
        self._fault: BaseException | None = None

    def stop(self) -> None:
        """Ask the worker to end after the job at hand, or its step."""
        self._stop.set()

    def run(self) -> None:
        """Run until stopped. What a job raises ends this turn of it alone; what ends a process ends all of them."""
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
        self._give_back()
        if self._fault is not None:
            raise self._fault

    def _run_apart(self, job: Job) -> None:
        try:
            while not self._stop.is_set():
                self._stop.wait(self._run(job))
        except BaseException as fault:  # noqa: BLE001 (a thread that died unseen would leave its job undone for ever)
            self._fault = fault
            self._stop.set()

    def run_once(self) -> list[str]:
        """Run every job once, now; the names of those that broke."""
        for job in self._jobs:
            self._run(job)
        self._give_back()
        return [job.name for job in self._jobs if job.name in self._broken]

    def _run(self, job: Job) -> float:
        """Run the job if its lease is ours; the seconds until its next turn."""
        try:
            failures_before = _hold(self._sessions, job.name, self._id)
            if failures_before is not None:
                self._take_steps(job.handler(self._sessions, self._settings))
            if failures_before:
                _note_success(self._sessions, job.name)
        except _away() as problem:
            if _is_refused(problem):
                self._tell(job, problem)
                return self._longer_pause(job)
            # A mail server or database that is away comes back, and so does room on the journal's disk; the pause grows
            # so that it is not hammered. What cannot be audited is not done.
            log.warning("job_postponed", job=job.name, problem=type(problem).__name__)
            return self._longer_pause(job)
        except Exception as fault:  # noqa: BLE001 (the other jobs of this worker have no part in it)
            self._tell(job, fault)
            return self._longer_pause(job)
        self._pauses.pop(job.name, None)
        self._broken.discard(job.name)
        return job.every_seconds

    def _take_steps(self, turn: object) -> None:
        if not isinstance(turn, Generator):
            return
        until = time.monotonic() + _TURN_SECONDS
        with closing(turn):
            for _ in turn:
                if self._stop.is_set() or time.monotonic() >= until:
                    return

    def _longer_pause(self, job: Job) -> float:
        self._pauses[job.name] = min(_LONGEST_PAUSE, 2 * self._pauses.get(job.name, job.every_seconds))
        return self._pauses[job.name]

    def _tell(self, job: Job, fault: Exception) -> None:
        self._broken.add(job.name)
        problem, reference = type(fault).__name__, new_id()
        log.error("job_failed", job=job.name, problem=problem, reference=reference, exc_info=fault)
        try:
            _note_failure(self._sessions, job.name, self._id, problem[:_LONGEST_NAME], reference)
        except Exception as second:  # noqa: BLE001 (it is in the log; the lease ends by itself)
            log.warning("job_failure_not_counted", job=job.name, problem=type(second).__name__)

    def _give_back(self) -> None:
        """Let another worker have the jobs at once, not when the leases of this one are over."""
        try:
            with self._sessions.begin() as session:
                held = (JobLease.holder == self._id, JobLease.held_until > now())
                session.execute(update(JobLease).where(*held).values(held_until=now()))
        except _away() as problem:
            log.warning("leases_kept", problem=type(problem).__name__)


def _away() -> tuple[type[Exception], ...]:
    own = (ServerUnreachable, OperationalError, InterfaceError, NotAudited, NotJournalled)
    return *own, *operational_errors()


def _is_refused(problem: BaseException | None) -> bool:
    """Whether SQLite refused the statement itself (no such column, syntax), which it names as it does being away."""
    while problem is not None:
        known: Any = getattr(problem, "orig", problem)
        if isinstance(known, sqlite3.OperationalError):
            return getattr(known, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        problem = problem.__cause__
    return False


def take_lease(sessions: sessionmaker[Session], name: str, holder: str) -> bool:
    """Take or keep the lease of job `name` for a minute; False while another holds it."""
    return _hold(sessions, name, holder) is not None


def failing(session: Session, names: Iterable[str]) -> list[JobLease]:
    """Of these jobs those that broke at their last turn, by name."""
    broken = (JobLease.failures_in_row > 0, JobLease.name.in_(list(names)))
    return list(session.scalars(select(JobLease).where(*broken).order_by(JobLease.name)))


def _hold(sessions: sessionmaker[Session], name: str, holder: str) -> int | None:
    """How often in a row the job broke before, where its lease is this holder's for a minute; None where another's."""
    moment = now()
    with sessions.begin() as session:
        on_postgresql = session.get_bind().dialect.name == "postgresql"
        insert = postgresql.insert(JobLease) if on_postgresql else sqlite.insert(JobLease)
        first = insert.values(name=name, holder=holder, held_until=moment).on_conflict_do_nothing()
        session.execute(first)
        taken = (
            update(JobLease)
            .where(JobLease.name == name, or_(JobLease.holder == holder, JobLease.held_until <= moment))
            .values(holder=holder, held_until=moment + _LEASE)
            .returning(JobLease.failures_in_row)
        )
        return session.scalars(taken).one_or_none()


def _note_failure(sessions: sessionmaker[Session], name: str, holder: str, problem: str, reference: str) -> None:
    """Count it, and give the lease back: what is wrong may be this worker's machine alone."""
    moment = now()
    told = update(JobLease).values(
        failures_in_row=JobLease.failures_in_row + 1, failures=JobLease.failures + 1, failed_at=moment,
        problem=problem, reference=reference,
    )  # fmt: skip
    ours = (JobLease.name == name, JobLease.holder == holder, JobLease.held_until > moment)
    with sessions.begin() as session:
        session.execute(told.where(JobLease.name == name))
        session.execute(update(JobLease).where(*ours).values(held_until=moment))


def _note_success(sessions: sessionmaker[Session], name: str) -> None:
    with sessions.begin() as session:
        session.execute(update(JobLease).where(JobLease.name == name).values(failures_in_row=0))


def janitor(sweeps: Sequence[Sweep]) -> Callable[[sessionmaker[Session], Settings], Generator[int]]:
    """The job that deletes what is over, in short transactions so that nobody waits for it.

    A step is one of them, and says how many were deleted. The sweeps have it in turn: none waits for another's heap.
    """

    def clean(sessions: sessionmaker[Session], _settings: Settings) -> Generator[int]:
        waiting = deque(sweeps)
        while waiting:
            sweep = waiting.popleft()
            with sessions.begin() as session:
                deleted = sweep(session)
            if deleted >= _BATCH:
                waiting.append(sweep)
            yield deleted

    return clean


def delete_claimed_values(session: Session) -> int:
    """Forget claimed values that would be refused anyway."""
    over = select(single_use.ClaimedValue.value).where(single_use.ClaimedValue.expires_at <= now()).limit(_BATCH)
    table = single_use.ClaimedValue
    result = session.execute(table.__table__.delete().where(table.value.in_(over), table.expires_at <= now()))  # type: ignore[attr-defined]
    return cast(CursorResult[Any], result).rowcount
