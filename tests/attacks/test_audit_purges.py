"""Cases 169 and 173 of security.md: new keys, retention with signed stubs, and nobody who deletes without one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DatabaseError

from service import audit
from service.audit import Subject
from service.audit_chain import purging, restoring, stubs
from service.audit_chain.checkpoints import KeyChanged, Untrustworthy
from service.audit_chain.restoring import NothingToAccept
from service.audit_chain.verifier import ChainBroken
from service.clock import now
from service.db import make_sessions
from service.settings import Settings
from tests.attacks.chains import ROWS, Chain, cut
from tests.conftest import MovableClock

YEARS = 7 * 366 * 86_400


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


def test_case_173_a_purge_takes_few_members_at_a_time(
    sealed: Chain, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "_MOST_SUBJECTS", 5)
    with make_sessions(sealed.engine).begin() as session:
        for number in (7, 2, 2, 2):
            about = [Subject(f"member-{one}", "Coverage", 1) for one in range(number)]
            audit.record_about(session, "fhir:Coverage:search", about, client_id="program")
    sealed.checkpoint()
    clock.advance(YEARS)
    said: list[int] = []

    def note(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("DELETE FROM audit_subject"):
            said.append(cursor.rowcount)

    event.listen(sealed.engine, "after_cursor_execute", note)
    assert (
        purging.purge(sealed.engine, sealed.settings, now() - timedelta(days=6 * 366 + 1), operator="ops") == ROWS + 4
    )
    assert sum(said) == 13 and max(said) == 7 and all(one <= 5 for one in said if one != 7)
    with make_sessions(sealed.engine)() as session:
        assert session.scalar(text("SELECT count(*) FROM audit_subject")) == 0
    assert sealed.verify().fault is None


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
        cut(connection, "position < 21")
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
