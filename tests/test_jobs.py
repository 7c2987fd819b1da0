"""The worker: one leader a job, jobs that fail do not stop the others, rows that are over go."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from service import jobs
from service.accounts import expiry
from service.accounts.models import CodePurpose, EmailCode
from service.audit import NotAudited
from service.clock import now
from service.db import make_sessions
from service.jobs import Job, Worker, take_lease
from service.mail import ServerUnreachable
from service.revocations import NotJournalled
from service.settings import Settings
from service.single_use import ClaimedValue
from tests.conftest import MovableClock


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


def test_a_job_apart_that_breaks_ends_the_worker_with_its_fault(engine: Engine, settings: Settings) -> None:
    def breaks(_sessions: sessionmaker[Session], _settings: Settings) -> None:
        raise LookupError("unexpected")

    with pytest.raises(LookupError):
        Worker(make_sessions(engine), settings, [Job("breaks", 1, breaks, apart=True)]).run()


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
    jobs.janitor([*expiry.SWEEPS, jobs.delete_claimed_values])(sessions, settings)
    with sessions() as session:
        assert list(session.scalars(select(EmailCode.id))) == ["live"]
        assert list(session.scalars(select(ClaimedValue.value))) == ["live"]
