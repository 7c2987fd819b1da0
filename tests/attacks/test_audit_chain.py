"""Cases 170 to 172 of security.md: the chain of the audit against whoever owns the database, and against accidents."""

import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from service import audit
from service.audit_chain import restoring, sealer
from service.audit_chain.checkpoints import Disagrees
from service.audit_chain.restoring import NothingToAccept
from service.db import make_sessions
from service.settings import Settings
from tests.attacks.chains import ROWS, Chain, cut
from tests.attacks.vandals import Vandal, vandal_of
from tests.conftest import ROOT, MovableClock, wait_until

MUTATIONS = 1_000


@pytest.mark.slow
def test_case_170_the_first_bad_row_is_named_for_1000_of_1000_mutations(sealed: Chain) -> None:
    luck = random.Random(170)
    vandal = vandal_of(sealed, luck)
    deeds = [Vandal.field, Vandal.link, Vandal.restamp, Vandal.delete, Vandal.insert, Vandal.swap, Vandal.reorder]
    found, missed = 0, []
    for number in range(MUTATIONS):
        deed = deeds[number % len(deeds)]
        with sealed.owned() as connection:
            vandal(connection).mend()
            expected = deed(vandal(connection))
        fault = sealed.verify().fault
        if fault is not None and (fault.position == expected if expected else fault.event_id < 0):
            found += 1
        else:
            missed.append((deed.__name__, expected, fault))
    with sealed.owned() as connection:
        vandal(connection).mend()
    assert (found, missed) == (MUTATIONS, [])
    assert sealed.verify().fault is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_case_170_bytes_that_are_no_text_are_named_too(sealed: Chain) -> None:
    """PostgreSQL keeps no text that is not UTF-8."""
    with sealed.owned() as connection:
        connection.execute(text("UPDATE audit_event SET reason = CAST(x'fffe' AS TEXT) WHERE id = 7"))
    fault = sealed.verify().fault
    assert fault is not None and fault.event_id == 7


def test_case_170_an_old_file_is_found(sealed: Chain, tmp_path: Path) -> None:
    """What the database was before, and then went on from there."""
    with sealed.engine.connect() as connection:
        last = connection.scalar(text("SELECT max(id) FROM audit_event"))
    sealed.record(10)
    sealed.checkpoint()
    with sealed.owned() as connection:
        cut(connection, f"event_id > {last}")
    fault = sealed.verify().fault
    assert fault is not None and fault.position == ROWS + 1

    sealed.record(20, reason="after the restore")
    # The worker does not write over what it saw.
    with pytest.raises(Disagrees):
        sealed.checkpoint()
    fault = sealed.verify().fault
    assert fault is not None and fault.position == ROWS + 1


def test_case_171_a_cut_tail_is_found_by_the_checkpoint(sealed: Chain) -> None:
    with sealed.owned() as connection:
        cut(connection, "position > 35")
    fault = sealed.verify().fault
    assert fault is not None and fault.position == 36


def test_case_171_a_chain_written_anew_by_the_owner_of_the_database_is_found(sealed: Chain) -> None:
    sealed.record(5)
    sealed.checkpoint()
    with sealed.owned() as connection:
        connection.execute(
            text("UPDATE audit_event SET count = 77 WHERE id = (SELECT event_id FROM audit_seal WHERE position = 3)")
        )
    sealed.rewrite()
    fault = sealed.verify().fault
    # Between which checkpoints: the rows between them are told apart by nothing any more.
    assert fault is not None and fault.position == 1 and f"1 to {ROWS}" in fault.sentence


def test_case_171_what_no_checkpoint_saw_can_be_rewritten_and_this_is_the_loss_window(sealed: Chain) -> None:
    sealed.record(5)
    sealed.seal()
    with sealed.owned() as connection:
        connection.execute(text("UPDATE audit_event SET count = 77 WHERE id = (SELECT max(id) FROM audit_event)"))
    sealed.rewrite()
    assert sealed.verify().fault is None
    sealed.checkpoint()
    with sealed.owned() as connection:
        connection.execute(text("UPDATE audit_event SET count = 78 WHERE id = (SELECT max(id) FROM audit_event)"))
    sealed.rewrite()
    assert sealed.verify().fault is not None


@pytest.mark.parametrize("how", ["flip", "drop", "swap", "forge"])
def test_case_171_lines_that_somebody_else_wrote_are_found(sealed: Chain, how: str) -> None:
    for _ in range(3):
        sealed.record(2)
        sealed.checkpoint()
    (path,) = sealed.files
    lines = path.read_bytes().splitlines()
    if how == "flip":
        lines[1] = lines[1].replace(b'"position":4', b'"position":5')
    elif how == "drop":
        del lines[1]
    elif how == "swap":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        stranger = Chain(sealed.engine, replace(sealed.settings, secret_key=b"s" * 32))
        shutil.rmtree(sealed.settings.checkpoints_folder)
        stranger.checkpoint()
        lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join(lines))
    fault = sealed.verify().fault
    assert fault is not None and "Checkpoints" in fault.sentence


def test_case_171_a_line_torn_by_a_fall_is_passed_over(sealed: Chain) -> None:
    (path,) = sealed.files
    with path.open("ab") as file:
        file.write(b'\n{"kind":"checkpoint","at":"2026-')
    sealed.record(2)
    sealed.checkpoint()
    verdict = sealed.verify()
    assert (verdict.fault, verdict.checkpoints) == (None, 2)


def test_case_171_a_restore_that_somebody_answers_for_is_named_ever_after(sealed: Chain) -> None:
    sealed.record(10)
    sealed.checkpoint()
    with sealed.owned() as connection:
        cut(connection, "position > 45")
        connection.execute(text("UPDATE audit_sealing SET settled = (SELECT max(id) FROM audit_event), candidate = 0"))
    fault = sealed.verify().fault
    assert fault is not None and "flask audit accept-loss" in fault.sentence, "what to do after a restore"
    sealed.record(3)
    with make_sessions(sealed.engine)() as session:
        restoring.accept_loss(session, sealed.log, sealed.key, reason="disk broke", operator="ops")
        with pytest.raises(NothingToAccept):
            restoring.accept_loss(session, sealed.log, sealed.key, reason="again", operator="ops")
    sealed.checkpoint()
    verdict = sealed.verify()
    assert verdict.fault is None
    assert [(loss.position, loss.reason) for loss in verdict.losses] == [(ROWS, "disk broke")]


@pytest.mark.slow
def test_case_172_two_that_append_at_once_make_one_chain(chain: Chain) -> None:
    over = Event()

    def append(_: int) -> None:
        sessions = make_sessions(chain.engine)
        for number in range(500):
            with sessions() as session:
                for _ in range(10):
                    audit.record(session, "test:thing:do", count=number)
                # Some of what was numbered is never there.
                session.rollback() if number % 50 == 49 else session.commit()

    def seal() -> None:
        while not over.is_set():
            chain.seal()

    with ThreadPoolExecutor(4) as pool:
        sealers = [pool.submit(seal) for _ in range(2)]
        list(pool.map(append, range(2)))
        over.set()
        for one in sealers:
            one.result()
    chain.seal()
    with chain.engine.connect() as connection:
        kept, seals, last, prevs = connection.execute(text(
            "SELECT (SELECT count(*) FROM audit_event), count(*), max(position), count(DISTINCT prev) FROM audit_seal"
        )).one()  # fmt: skip
    assert kept == seals == last == prevs == 2 * 490 * 10
    verdict = chain.verify()
    assert (verdict.fault, verdict.rows, verdict.waiting) == (None, kept, 0)


def test_case_172_an_event_that_commits_late_has_its_place_at_the_end(chain: Chain, clock: MovableClock) -> None:
    if chain.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with make_sessions(chain.engine)() as late:
        audit.record(late, "test:late:do")
        chain.record(3)
        for _ in range(4):
            clock.advance(6)
            chain.seal()
        assert chain.verify().rows == 3
        late.commit()
    assert chain.seal() == 1
    verdict = chain.verify()
    assert (verdict.fault, verdict.rows, verdict.waiting) == (None, 4, 0)


def test_case_172_a_second_link_to_the_same_one_is_refused(sealed: Chain) -> None:
    with sealed.engine.connect() as connection, pytest.raises(DatabaseError):
        connection.execute(text(
            "INSERT INTO audit_seal SELECT 1000, 1000, prev, hash FROM audit_seal WHERE position = 7"
        ))  # fmt: skip


@pytest.mark.slow
def test_case_172_what_a_killed_worker_left_is_sealed_on_start(chain: Chain) -> None:
    for _ in range(4):
        chain.record(2_500)

    def sealed_rows() -> int:
        with chain.engine.connect() as connection:
            return connection.scalar(text("SELECT count(*) FROM audit_seal")) or 0

    worker = _worker(chain.settings)
    try:
        wait_until(lambda: sealed_rows() > 0, 60, "nothing is sealed")
    finally:
        worker.kill()
        worker.wait()
    assert sealed_rows() % sealer.BATCH == 0
    assert chain.verify().fault is None
    chain.record(1)
    # The lease of the one that was killed is over in a minute; its work does not wait for that here.
    left = 10_001 - sealed_rows()
    assert chain.seal() == left
    verdict = chain.verify()
    assert (verdict.fault, verdict.rows) == (None, 10_001)


def _worker(settings: Settings) -> subprocess.Popen[bytes]:
    environment = {
        "MODE": "sandbox", "VAR": str(settings.var), "DATABASE_URL": settings.database_url,
        "BASE_URL": settings.base_url, "SECRET_KEY": settings.secret_key.hex(), "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    command = [sys.executable, "-m", "flask", "--app", "wsgi:app", "worker", "run"]
    return subprocess.Popen(command, cwd=ROOT, env=environment)
