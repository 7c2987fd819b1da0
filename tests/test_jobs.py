"""The worker: one leader a job, jobs that fail do not stop the others, rows that are over go."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count, pairwise

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from service import jobs
from service.accounts import expiry
from service.accounts.models import CodePurpose, EmailCode
from service.app import JOBS
from service.audit import NotAudited
from service.clock import now
from service.db import Statement, make_sessions
from service.jobs import Job, JobLease, Worker, take_lease
from service.mail_delivery import ServerUnreachable
from service.revocations import NotJournalled
from service.settings import Settings
from service.single_use import ClaimedValue
from service.watching import logs
from tests.conftest import MovableClock, wait_until


def test_case_190_a_job_has_one_leader_until_its_lease_is_over(engine: Engine, clock: MovableClock) -> None:
    sessions = make_sessions(engine)
    assert take_lease(sessions, "mail", "one")
    assert not take_lease(sessions, "mail", "other")
    assert take_lease(sessions, "mail", "one")
    clock.advance(61)
    assert take_lease(sessions, "mail", "other")
    assert not take_lease(sessions, "mail", "one")


@pytest.mark.parametrize("problem", [ServerUnreachable, NotAudited, NotJournalled])
def test_a_job_that_cannot_work_now_does_not_stop_the_others(
    engine: Engine, settings: Settings, problem: type[Exception]
) -> None:
    done: list[str] = []

    def fails(_sessions: sessionmaker[Session], _settings: Settings) -> None:
        raise problem

    def works(_sessions: sessionmaker[Session], _settings: Settings) -> None:
        done.append("worked")

    Worker(make_sessions(engine), settings, [Job("fails", 1, fails), Job("works", 1, works)]).run_once()
    assert done == ["worked"]


def test_a_statement_that_the_database_refuses_is_a_failure_and_no_outage(engine: Engine, settings: Settings) -> None:
    def asks(sessions: sessionmaker[Session], _settings: Settings) -> None:
        with sessions() as session:
            session.execute(text("SELECT nope FROM job_lease"))

    def asks_without_words(sessions: sessionmaker[Session], _settings: Settings) -> None:
        with sessions() as session:
            Statement("SELECT nope FROM job_lease").run(session)

    def asks_for_an_audit(sessions: sessionmaker[Session], settings: Settings) -> None:
        try:
            asks(sessions, settings)
        except DBAPIError as problem:
            raise NotAudited from problem

    every = [Job("asks", 1, asks), Job("bare", 1, asks_without_words), Job("audit", 1, asks_for_an_audit)]
    broken = Worker(make_sessions(engine), settings, every).run_once()
    assert broken == (["asks", "bare", "audit"] if engine.dialect.name == "sqlite" else ["asks", "bare"])
    with make_sessions(engine)() as session:
        assert [one.name for one in jobs.failing(session, ["asks", "bare"])] == ["asks", "bare"]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR])
def test_a_database_that_is_away_is_no_failure_of_the_job(engine: Engine, settings: Settings, code: int) -> None:
    def waits(_sessions: sessionmaker[Session], _settings: Settings) -> None:
        problem = sqlite3.OperationalError("away")
        problem.sqlite_errorcode = code
        raise OperationalError("SELECT 1", None, problem)

    assert Worker(make_sessions(engine), settings, [Job("waits", 1, waits)]).run_once() == []


def test_a_worker_runs_until_it_is_stopped(engine: Engine, settings: Settings) -> None:
    turns = threading.Semaphore(0)
    worker = Worker(make_sessions(engine), settings, [Job("turn", 0.1, lambda _sessions, _settings: turns.release())])
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        assert turns.acquire(timeout=20)
        assert turns.acquire(timeout=20)
    finally:
        worker.stop()
        thread.join(20)
    assert not thread.is_alive()


def test_jobs_come_in_time_though_another_takes_long(engine: Engine, settings: Settings) -> None:
    turns = threading.Semaphore(0)
    slow = Job("slow", 0.1, lambda _sessions, _settings: time.sleep(1))
    worker = Worker(
        make_sessions(engine), settings, [slow, Job("turn", 2, lambda _sessions, _settings: turns.release())]
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        assert turns.acquire(timeout=20)
        # Counted by its own pauses alone, the worker would be there after eight rounds of the other.
        assert turns.acquire(timeout=6)
    finally:
        worker.stop()
        thread.join(20)


def test_a_long_job_apart_keeps_nobody_waiting(engine: Engine, settings: Settings) -> None:
    turns, ended = threading.Semaphore(0), threading.Event()

    def long(_sessions: sessionmaker[Session], _settings: Settings) -> None:
        ended.wait(20)

    every = [Job("long", 1, long, apart=True), Job("turn", 0.1, lambda _sessions, _settings: turns.release())]
    worker = Worker(make_sessions(engine), settings, every)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        assert turns.acquire(timeout=20)
        assert turns.acquire(timeout=20)
    finally:
        worker.stop()
        ended.set()
        thread.join(20)
    assert not thread.is_alive()


def test_a_job_that_works_in_steps_ends_its_turn_when_its_time_is_up(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_TURN_SECONDS", 0.2)
    ended: list[str] = []

    def endless(_sessions: sessionmaker[Session], _settings: Settings) -> Iterator[None]:
        try:
            while True:
                time.sleep(0.05)
                yield
        finally:
            ended.append("closed what it held")

    worker = Worker(make_sessions(engine), settings, [Job("endless", 1, endless)])
    assert worker.run_once() == []
    assert ended == ["closed what it held"]


@pytest.mark.parametrize("apart", [False, True])
def test_a_worker_that_is_stopped_ends_a_job_between_two_steps(engine: Engine, settings: Settings, apart: bool) -> None:
    steps: list[int] = []

    def endless(_sessions: sessionmaker[Session], _settings: Settings) -> Iterator[None]:
        for step in count():
            steps.append(step)
            if step == 2:
                worker.stop()
            yield

    worker = Worker(make_sessions(engine), settings, [Job("endless", 1, endless, apart)])
    worker.run()
    assert steps == [0, 1, 2]


def test_jobs_that_may_take_long_have_threads_of_their_own() -> None:
    long = {"mail", "janitor", "privacy policies", "bulk exports", "self-test", "report days"}
    assert {job.name for job in JOBS if job.apart} == long


def breaks(_sessions: sessionmaker[Session], _settings: Settings) -> None:
    raise LookupError("Rosa Diaz")


def test_a_job_that_breaks_is_told_and_counted_and_the_others_go_on(
    engine: Engine, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    done: list[str] = []
    sessions = make_sessions(engine)
    every = [Job("breaks", 1, breaks), Job("works", 1, lambda _sessions, _settings: done.append("worked"))]
    worker = Worker(sessions, settings, every)
    assert worker.run_once() == ["breaks"] and worker.run_once() == ["breaks"]

    assert done == ["worked"] * 2
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "job_failed" in line]
    assert [(one["job"], one["problem"]) for one in told] == [("breaks", "LookupError")] * 2
    assert any("test_jobs.py" in line for line in told[1]["trace"]) and "Rosa" not in str(told)
    with sessions() as session:
        [lease] = jobs.failing(session, ["breaks", "works"])
        assert (lease.failures_in_row, lease.failures, lease.problem) == (2, 2, "LookupError")
        assert lease.reference == told[1]["reference"] != told[0]["reference"] and lease.failed_at is not None
        # Of a job that this release has no more, nothing can be mended.
        assert jobs.failing(session, ["works"]) == []


def test_a_job_that_goes_well_again_has_not_broken_in_a_row(engine: Engine, settings: Settings) -> None:
    sessions, faults = make_sessions(engine), [LookupError(), LookupError()]

    def mends(_sessions: sessionmaker[Session], _settings: Settings) -> None:
        if faults:
            raise faults.pop()

    # Another worker each time: what is known of a job outlives who ran it.
    assert [Worker(sessions, settings, [Job("mends", 1, mends)]).run_once() for _ in range(3)] == [["mends"]] * 2 + [[]]
    with sessions() as session:
        assert jobs.failing(session, ["mends"]) == []
        assert session.get_one(JobLease, "mends").failures == 2


@pytest.mark.parametrize("apart", [False, True])
def test_a_worker_outlives_a_job_that_breaks_and_lets_it_rest_longer_and_longer(
    engine: Engine, settings: Settings, apart: bool
) -> None:
    turns, broke = threading.Semaphore(0), []

    def fails(_sessions: sessionmaker[Session], _settings: Settings) -> None:
        broke.append(time.monotonic())
        raise LookupError

    every = [Job("fails", 0.3, fails, apart), Job("turn", 0.1, lambda _sessions, _settings: turns.release())]
    worker = Worker(make_sessions(engine), settings, every)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        wait_until(lambda: len(broke) >= 4, 30, "four turns")
        while turns.acquire(blocking=False):
            pass
        assert turns.acquire(timeout=20), "the other job goes on"
    finally:
        worker.stop()
        thread.join(20)
    assert not thread.is_alive()
    pauses = [second - first for first, second in pairwise(broke[:4])]
    # A pause counts from the begin of a turn; on a busy machine the lease takes a part of it before the job is there.
    assert pauses[0] >= 0.45 and pauses[1] >= 0.9 and pauses[2] >= 1.8


@pytest.mark.parametrize("apart", [False, True])
def test_what_ends_a_process_ends_the_worker(engine: Engine, settings: Settings, apart: bool) -> None:
    def ends(_sessions: sessionmaker[Session], _settings: Settings) -> None:
        raise SystemExit(7)

    with pytest.raises(SystemExit):
        Worker(make_sessions(engine), settings, [Job("ends", 1, ends, apart)]).run()


def test_a_job_that_breaks_here_is_taken_by_another_worker_at_once(engine: Engine, settings: Settings) -> None:
    sessions, done = make_sessions(engine), []
    Worker(sessions, settings, [Job("mail", 1, breaks)]).run_once()
    assert not done and take_lease(sessions, "mail", "other")
    # Who is told of its failure only now takes nothing away from who holds it.
    jobs._note_failure(sessions, "mail", "somebody else", "LookupError", "r")
    assert not take_lease(sessions, "mail", "third")


def test_case_190_a_worker_that_ends_gives_its_leases_back_and_one_that_is_killed_does_not(
    engine: Engine, settings: Settings, clock: MovableClock
) -> None:
    sessions = make_sessions(engine)
    nothing = Job("mail", 1, lambda _sessions, _settings: None)
    take_lease(sessions, "seal", "other")
    Worker(sessions, settings, [nothing]).run_once()
    assert take_lease(sessions, "mail", "next"), "flask worker run --once, twice within a minute"
    assert not take_lease(sessions, "seal", "next"), "those of others stay"

    worker = Worker(sessions, settings, [nothing])
    worker.stop()
    worker.run()
    killed = Worker(sessions, settings, [nothing])
    clock.advance(61)
    killed._run(nothing)
    assert not take_lease(sessions, "mail", "next")
    clock.advance(61)
    assert take_lease(sessions, "mail", "next")


def test_a_database_that_refuses_the_statement_is_no_database_that_is_away(engine: Engine, settings: Settings) -> None:
    def asks_nonsense(sessions: sessionmaker[Session], _settings: Settings) -> None:
        with sessions.begin() as session:
            session.add(JobLease(name="twice", holder="a", held_until=now()))
            session.flush()
            session.execute(insert(JobLease).values(name="twice", holder="b", held_until=now()))

    assert Worker(make_sessions(engine), settings, [Job("nonsense", 1, asks_nonsense)]).run_once() == ["nonsense"]


def test_no_sweep_of_the_janitor_waits_for_anothers_heap(engine: Engine, settings: Settings) -> None:
    done: list[str] = []

    def heap(_session: Session) -> int:
        done.append("heap")
        return 500

    def few(_session: Session) -> int:
        done.append("few")
        return 3

    turn = jobs.janitor([heap, few])(make_sessions(engine), settings)
    assert [next(turn) for _ in range(4)] == [500, 3, 500, 500]
    assert done == ["heap", "few", "heap", "heap"]


def test_case_191_the_janitor_deletes_what_is_over_and_nothing_live(engine: Engine, settings: Settings) -> None:
    sessions = make_sessions(engine)
    with sessions.begin() as session:
        for name, age in [("old", timedelta(days=3)), ("live", timedelta())]:
            session.add(
                EmailCode(
                    id=name, purpose=CodePurpose.PASSWORD_RESET, browser_id="b", email_key="a@b.org", code_hash="h",
                    sent_at=now() - age, expires_at=now() - age + timedelta(minutes=5),
                )
            )  # fmt: skip
            session.add(ClaimedValue(kind="jti", value=name, expires_at=now() - age + timedelta(minutes=5)))
    list(jobs.janitor([*expiry.SWEEPS, jobs.delete_claimed_values])(sessions, settings))
    with sessions() as session:
        assert list(session.scalars(select(EmailCode.id))) == ["live"]
        assert list(session.scalars(select(ClaimedValue.value))) == ["live"]
