"""Cases 170 to 173 of security.md: the chain of the audit against whoever owns the database, and against accidents."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DatabaseError

from service import audit
from service.audit_chain import purging, restoring, sealer, stubs
from service.audit_chain.checkpoints import Disagrees, KeyChanged, Untrustworthy
from service.audit_chain.links import COLUMNS
from service.audit_chain.restoring import NothingToAccept
from service.audit_chain.verifier import ChainBroken
from service.clock import now
from service.db import make_sessions
from service.settings import Settings
from tests.attacks.chains import Chain
from tests.conftest import ROOT, MovableClock, wait_until

ROWS, MUTATIONS = 40, 1_000
YEARS = 7 * 366 * 86_400


@pytest.fixture
def chain(app: Flask, engine: Engine, settings: Settings) -> Chain:
    """An audit of one database, empty."""
    return Chain(engine, settings)


@pytest.fixture
def sealed(chain: Chain, clock: MovableClock) -> Chain:
    """ROWS events in a chain with a checkpoint; nothing is under way that could still be sealed among them."""
    chain.record(ROWS)
    for _ in range(3):
        clock.advance(6)
        chain.checkpoint()
    assert chain.verify().fault is None
    return chain


@dataclass
class Vandal:
    """Changes one thing at a time, and puts it right again."""

    connection: Connection
    luck: random.Random
    events: dict[int, Any]
    seals: dict[int, Any]

    def field(self) -> int:
        """A byte of a field of an event; NULL becomes something."""
        position, event = self._event()
        name = self.luck.choice(COLUMNS)
        value = event[name]
        if name == "id":
            changed: Any = value + 1_000_000
        elif name in {"at", "count"}:
            changed = value ^ (1 << self.luck.randrange(30))
        elif name == "detail":
            changed = value.replace("read", self._flipped("read"))
        else:
            changed = self._flipped(value) if value else "x"
        self._set("audit_event", "id", event["id"], name, changed)
        return position

    def link(self) -> int:
        """A byte of a hash, or another event for a link."""
        position = self.luck.randint(1, ROWS)
        name = self.luck.choice(("prev", "hash", "event_id"))
        value = self.seals[position][name]
        at = self.luck.randrange(32)
        changed = value + 5_000 if name == "event_id" else value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
        self._set("audit_seal", "position", position, name, changed)
        return position

    def restamp(self) -> int:
        """The time of an event."""
        position, event = self._event()
        self._set("audit_event", "id", event["id"], "at", event["at"] - 86_400_000_000)
        return position

    def delete(self) -> int:
        """An event, its link, or both."""
        position, event = self._event()
        which = self.luck.randrange(3)
        if which != 1:
            self._run("DELETE FROM audit_event WHERE id = :id", id=event["id"])
        if which != 0:
            self._run("DELETE FROM audit_seal WHERE position = :position", position=position)
        return position

    def insert(self) -> int:
        """An event among the old ones, under an id that was never used."""
        _, event = self._event()
        names = [name for name in COLUMNS if name != "id"]
        self._run(
            f"INSERT INTO audit_event (id, {', '.join(names)}) SELECT :new, {', '.join(names)} FROM audit_event"
            " WHERE id = :old", new=-self.luck.randint(1, 1_000_000), old=event["id"],
        )  # fmt: skip
        return 0

    def swap(self) -> int:
        """What two events say."""
        one, other = sorted(self.luck.sample(range(1, ROWS + 1), 2))
        ids = [self.seals[place]["event_id"] for place in (one, other)]
        for old, new in ((ids[0], -1), (ids[1], ids[0]), (-1, ids[1])):
            self._set("audit_event", "id", old, "id", new)
        return one

    def reorder(self) -> int:
        """Two links."""
        one, other = sorted(self.luck.sample(range(1, ROWS + 1), 2))
        for old, new in ((one, -1), (other, one), (-1, other)):
            self._set("audit_seal", "position", old, "position", new)
        return one

    def mend(self) -> None:
        """Everything as it was."""
        for table, rows in (("audit_event", self.events.values()), ("audit_seal", self.seals.values())):
            self._run(f"DELETE FROM {table}")
            names = list(next(iter(rows)))
            values = ", ".join(self._given(name, name) for name in names)
            self.connection.execute(text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})"), list(rows))

    def _given(self, name: str, parameter: str) -> str:
        is_json = name == "detail" and self.connection.dialect.name == "postgresql"
        return f"CAST(:{parameter} AS JSON)" if is_json else f":{parameter}"

    def _event(self) -> tuple[int, Any]:
        position = self.luck.randint(1, ROWS)
        return position, self.events[self.seals[position]["event_id"]]

    def _flipped(self, value: str) -> str:
        at = self.luck.randrange(len(value))
        return value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]

    def _set(self, table: str, by: str, of: Any, name: str, value: Any) -> None:
        self._run(f"UPDATE {table} SET {name} = {self._given(name, 'value')} WHERE {by} = :of", of=of, value=value)

    def _run(self, statement: str, **given: Any) -> None:
        self.connection.execute(text(statement), given)


def _cut(connection: Connection, which: str) -> None:
    connection.execute(text(f"DELETE FROM audit_event WHERE id IN (SELECT event_id FROM audit_seal WHERE {which})"))
    connection.execute(text(f"DELETE FROM audit_seal WHERE {which}"))


def _vandal(chain: Chain, luck: random.Random) -> Callable[[Connection], Vandal]:
    read = ", ".join(f"CAST({name} AS TEXT) AS detail" if name == "detail" else name for name in COLUMNS)
    with chain.engine.connect() as connection:
        events = {row.id: dict(row._mapping) for row in connection.execute(text(f"SELECT {read} FROM audit_event"))}
        found = connection.execute(text("SELECT position, event_id, prev, hash FROM audit_seal"))
        seals = {row.position: {**row._mapping, "prev": bytes(row.prev), "hash": bytes(row.hash)} for row in found}
    return lambda connection: Vandal(connection, luck, events, seals)


@pytest.mark.slow
def test_case_170_the_first_bad_row_is_named_for_1000_of_1000_mutations(sealed: Chain) -> None:
    luck = random.Random(170)
    vandal = _vandal(sealed, luck)
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
        _cut(connection, f"event_id > {last}")
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
        _cut(connection, "position > 35")
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
        _cut(connection, "position > 45")
        connection.execute(text("UPDATE audit_sealing SET settled = (SELECT max(id) FROM audit_event), candidate = 0"))
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


def test_case_173_the_chain_verifies_after_the_key_was_changed(sealed: Chain) -> None:
    changed = Chain(sealed.engine, replace(sealed.settings, secret_key=b"n" * 32))
    changed.record(2)
    with pytest.raises(KeyChanged):
        changed.checkpoint()
    assert changed.verify().fault is not None
    with make_sessions(changed.engine)() as session:
        restoring.rotate_key(session, changed.log, changed.key, operator="ops")
        with pytest.raises(NothingToAccept):
            restoring.rotate_key(session, changed.log, changed.key, operator="ops")
    changed.checkpoint()
    assert changed.verify().fault is None
    # What the old key signed is vouched for by the new one: nothing of it can be changed.
    (path,) = changed.files
    path.write_bytes(path.read_bytes().replace(b'"position":40', b'"position":39', 1))
    assert changed.verify().fault is not None


def test_case_173_no_key_vouches_for_lines_that_do_not_hold(sealed: Chain) -> None:
    sealed.record(1)
    sealed.checkpoint()
    (path,) = sealed.files
    path.write_bytes(path.read_bytes().replace(b'"position":40', b'"position":39', 1))
    changed = Chain(sealed.engine, replace(sealed.settings, secret_key=b"n" * 32))
    with make_sessions(changed.engine)() as session, pytest.raises(Untrustworthy):
        restoring.rotate_key(session, changed.log, changed.key, operator="ops")


def test_case_173_a_purge_leaves_a_signed_stub_and_the_chain_still_verifies(sealed: Chain, clock: MovableClock) -> None:
    clock.advance(YEARS)
    sealed.record(5)
    sealed.checkpoint()
    long_ago = now() - timedelta(days=6 * 366 + 1)
    assert purging.purge(sealed.engine, sealed.settings, long_ago, operator="ops") == ROWS
    sealed.checkpoint()

    verdict = sealed.verify()
    assert (verdict.fault, verdict.purged, verdict.rows) == (None, ROWS, 6)
    with make_sessions(sealed.engine)() as session:
        (stub,) = stubs.of_chain(session)
        assert stub.is_signed() and (stub.first, stub.last) == (1, ROWS)
        told = session.execute(text("SELECT count, detail FROM audit_event WHERE tag = 'audit:event:purge'")).one()
        assert told.count == ROWS
    assert purging.purge(sealed.engine, sealed.settings, long_ago, operator="ops") == 0

    changed = Chain(sealed.engine, replace(sealed.settings, secret_key=b"n" * 32))
    with make_sessions(changed.engine)() as session:
        restoring.rotate_key(session, changed.log, changed.key, operator="ops")
    assert changed.verify().fault is None, "a stub signed by an earlier key still counts"


def test_case_173_what_is_younger_than_six_years_or_on_hold_or_was_changed_is_not_purged(
    sealed: Chain, clock: MovableClock
) -> None:  # fmt: skip
    with pytest.raises(purging.TooYoung):
        purging.purge(sealed.engine, sealed.settings, now() - timedelta(days=5 * 365), operator="ops")
    clock.advance(YEARS)
    long_ago = now() - timedelta(days=6 * 366 + 1)
    with pytest.raises(purging.OnHold):
        purging.purge(sealed.engine, replace(sealed.settings, audit_hold=True), long_ago, operator="ops")
    with sealed.owned() as connection:
        connection.execute(text("UPDATE audit_event SET count = 77 WHERE count = 7"))
    with pytest.raises(ChainBroken):
        purging.purge(sealed.engine, sealed.settings, long_ago, operator="ops")
    fault = sealed.verify().fault
    assert fault is not None and fault.position == 8


@pytest.mark.parametrize("signature", [b"", b"x" * 64])
def test_case_173_a_stub_that_nobody_signed_is_found(sealed: Chain, signature: bytes) -> None:
    """The triggers let rows go for it; the verifier does not."""
    with sealed.engine.begin() as connection:
        connection.execute(text(
            "INSERT INTO audit_purge SELECT 20, 1, 0, 0, (SELECT prev FROM audit_seal WHERE position = 1), hash, 0,"
            " :key, :signature FROM audit_seal WHERE position = 20"
        ), {"key": sealed.key.id, "signature": signature})  # fmt: skip
        _cut(connection, "position < 21")
    fault = sealed.verify().fault
    assert fault is not None and fault.position == 1


DELETIONS: Sequence[str] = (
    "UPDATE audit_event SET tag = 'x'", "DELETE FROM audit_event", "UPDATE audit_seal SET event_id = 0",
    "DELETE FROM audit_seal WHERE position = 40", "UPDATE audit_purge SET at = 0",
)  # fmt: skip


@pytest.mark.parametrize("change", DELETIONS)
def test_case_169_nobody_changes_or_deletes_without_a_stub(
    sealed: Chain, clock: MovableClock, change: str
) -> None:  # fmt: skip
    clock.advance(YEARS)
    sealed.record(3)
    sealed.checkpoint()
    purging.purge(sealed.engine, sealed.settings, now() - timedelta(days=6 * 366 + 1), operator="ops")
    sealed.seal()
    last = change.replace("position = 40", "position > 40")
    with (
        sealed.engine.begin() as connection,
        pytest.raises(DatabaseError, match="append-only"),
        connection.begin_nested(),
    ):
        connection.execute(text(last))


def test_case_169_a_row_is_not_replaced_either(sealed: Chain) -> None:
    if sealed.engine.dialect.name == "postgresql":
        pytest.skip("a statement of SQLite")
    with sealed.engine.begin() as connection, pytest.raises(DatabaseError, match="append-only"):
        connection.execute(text("REPLACE INTO audit_event (id, at, tag, outcome) VALUES (3, 0, 'x', 'success')"))


def test_case_173_two_purges_at_once_leave_one_chain(
    sealed: Chain, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    clock.advance(86_400)
    sealed.record(5)
    sealed.checkpoint()
    first_day = now() - timedelta(hours=1)
    clock.advance(YEARS)
    later = now() - timedelta(days=6 * 366 + 1)
    ranged, others = purging._range, [first_day]

    def overtaken(engine: Engine, settings: Settings, before: datetime) -> Any:
        found = ranged(engine, settings, before)
        while others:
            assert purging.purge(engine, settings, others.pop(), operator="another") == ROWS
        return found

    monkeypatch.setattr(purging, "_range", overtaken)
    gone = purging.purge(sealed.engine, sealed.settings, later, operator="ops")
    sealed.checkpoint()

    verdict = sealed.verify()
    assert (verdict.fault, gone, verdict.purged) == (None, 5, ROWS + 5)
