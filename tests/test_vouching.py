"""Checkpoints of the audit that are not written: the job fails, and the gauge, `verify` and `doctor` say since when."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine

from service import jobs
from service.app import JOBS, create_app
from service.audit_chain import vouching
from service.clock import now
from service.db import make_sessions
from service.jobs import JobLease
from service.settings import Settings
from tests.attacks.chains import Chain, cut
from tests.conftest import MovableClock

JOB = next(job for job in JOBS if job.name == "checkpoints of the audit")
LATER = vouching.PATIENCE.total_seconds() + 1


@pytest.fixture
def chain(engine: Engine, settings: Settings) -> Chain:
    """Three events under a checkpoint, and three that none has seen."""
    made = Chain(engine, settings)
    made.record(3)
    made.checkpoint()
    made.record(3)
    made.seal()
    return made


def a_file_in_the_way(chain: Chain) -> None:
    shutil.rmtree(chain.settings.checkpoints_folder)
    chain.settings.checkpoints_folder.write_text("")
    chain.settings = replace(chain.settings, audit_checkpoints=chain.settings.checkpoints_folder / "below")


def another_key(chain: Chain) -> None:
    chain.settings = replace(chain.settings, secret_key=bytes(range(32)))


def an_older_database(chain: Chain) -> None:
    with chain.owned() as connection:
        cut(connection, "position > 2")


def a_line_nobody_signed(chain: Chain) -> None:
    (path,) = chain.files
    path.write_text(path.read_text().replace('"position":6', '"position":5'))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (a_file_in_the_way, "NotADirectoryError"), (another_key, "KeyChanged"), (an_older_database, "Disagrees"),
        (a_line_nobody_signed, "Untrustworthy"),
    ],
)  # fmt: skip
def test_a_checkpoint_that_cannot_be_written_is_a_failure_of_the_job(
    chain: Chain, spoil: Callable[[Chain], None], problem: str
) -> None:
    sessions = make_sessions(chain.engine)
    assert jobs.Worker(sessions, chain.settings, [JOB]).run_once() == []
    chain.record(1)
    chain.seal()
    spoil(chain)
    assert jobs.Worker(sessions, chain.settings, [JOB]).run_once() == [JOB.name]
    with sessions() as session:
        lease = session.get_one(JobLease, JOB.name)
        assert (lease.failures_in_row, lease.problem) == (1, problem)


def test_what_none_has_seen_is_as_old_as_its_oldest_event_sealed_or_not(chain: Chain, clock: MovableClock) -> None:
    def age() -> float | None:
        with make_sessions(chain.engine)() as session:
            since = vouching.missing_since_last(session, chain.log)
            return None if since is None else (now() - since).total_seconds()

    clock.advance(100)
    assert 100 <= (age() or 0) < 110
    chain.checkpoint()
    assert age() is None
    chain.record(1)
    clock.advance(50)
    assert 50 <= (age() or 0) < 60, "nobody sealed it"
    a_line_nobody_signed(chain)
    assert (age() or 0) >= 150, "a line that cannot be trusted vouches for nothing"


def verified(app: Flask, *more: str) -> tuple[int, str]:
    told = app.test_cli_runner().invoke(args=["audit", "verify", *more])
    return told.exit_code, told.output


def test_verifying_fails_where_no_checkpoint_was_written_for_minutes(
    chain: Chain, clock: MovableClock, tmp_path: Path
) -> None:
    app = create_app(chain.settings, chain.engine)
    status, words = verified(app)
    assert status == 0 and words.startswith("Whole: 6 rows"), words
    copy = tmp_path / "copy"
    shutil.copytree(chain.settings.checkpoints_folder, copy)
    clock.advance(LATER)

    status, words = verified(app)
    assert status == 1 and "Whole: 6 rows" in words and "Is a worker running, and may it write there?" in words
    assert f"No checkpoint of {chain.settings.checkpoints_folder} saw what was audited since " in words
    chain.checkpoint()
    assert verified(app)[0] == 0
    status, words = verified(app, "--checkpoints", str(copy))
    assert status == 0 and f"No checkpoint of {copy} saw" in words, "of a copy it is said"

    chain.record(1)
    clock.advance(LATER)
    assert verified(app)[0] == 1, "nobody seals, so nobody vouches"


def test_the_doctor_says_how_old_the_last_checkpoint_is_and_whether_it_holds(chain: Chain, clock: MovableClock) -> None:
    def found() -> str:
        told = create_app(chain.settings, chain.engine).test_cli_runner().invoke(args=["doctor"])
        return next(line for line in told.stdout.splitlines() if " audit: " in line)

    assert found().startswith("ok        audit: the last checkpoint, of ") and "saw position 3" in found()
    clock.advance(LATER)
    assert found().startswith("BAD       audit: no checkpoint saw what was audited since ")
    chain.checkpoint()
    assert "saw position 6" in found()
    an_older_database(chain)
    assert found().startswith("BAD       audit: The database does not hold what the last checkpoint saw")
    another_key(chain)
    assert found().startswith("BAD       audit: The last checkpoint was signed by another key")
    a_line_nobody_signed(chain)
    assert found().startswith("BAD       audit: the last checkpoint cannot be used: ")


def test_an_installation_that_audited_nothing_yet_is_sound(engine: Engine, settings: Settings) -> None:
    told = create_app(settings, engine).test_cli_runner().invoke(args=["doctor"])
    assert "ok        audit: nothing waits for its first checkpoint yet." in told.stdout
