"""Changes of an address beside what else the account's browsers do (security.md, case 113)."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.accounts.models import Account
from service.db import new_id
from service.settings import Settings
from tests.accounts.visitor import Visitor, newest_code
from tests.attacks.test_email_change import NEW, Mover
from tests.factories import PASSWORD, make_account

_KEPT_WAITING = text(
    "WITH RECURSIVE kept(pid) AS (SELECT pid FROM pg_stat_activity WHERE :pid = ANY(pg_blocking_pids(pid)) UNION"
    " SELECT a.pid FROM pg_stat_activity a JOIN kept ON kept.pid = ANY(pg_blocking_pids(a.pid)))"
    " SELECT count(*) FROM kept"
)


def _last_step(app: Flask, mover: Mover) -> Callable[[], TestResponse]:
    assert mover.begin() == 303 and mover.enter(mover.code_to(mover.old)) == 303
    code = mover.code_to(NEW)
    mover.visitor.get("/settings/email/confirm")
    return lambda: mover.visitor.post("/settings/email/confirm", code=code)


def _undo(app: Flask, mover: Mover) -> Callable[[], TestResponse]:
    path, owner = mover.change(), Visitor(app, "192.0.2.8")
    owner.get(path)
    return lambda: owner.post(path)


def _account_where_many_write(engine: Engine, session: Session) -> Account:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets one write at a time")
    account = make_account(session)
    session.commit()
    return account


@pytest.mark.parametrize("prepare", [_last_step, _undo])
def test_case_113_another_session_that_writes_at_that_moment_stops_neither(
    app: Flask, engine: Engine, session: Session, settings: Settings,
    prepare: Callable[[Flask, Mover], Callable[[], TestResponse]],
) -> None:  # fmt: skip
    account = _account_where_many_write(engine, session)
    step = prepare(app, Mover(app, account, session, settings))
    Visitor(app, "192.0.2.9").sign_in(account)
    with ThreadPoolExecutor(1) as pool, engine.connect() as other:
        # A page is looked at in the other browser, and writes a row of the account.
        other.execute(text("UPDATE login_session SET last_seen_at = last_seen_at + 1 WHERE ip = '192.0.2.9'"))
        answer = pool.submit(step)
        _wait_until_kept(engine, _pid_of(other))
        _remember_a_device(other, account.id)
        assert answer.result(30).status_code == 303


def _reset(app: Flask, mover: Mover) -> Callable[[], TestResponse]:
    account, visitor = mover.account, Visitor(app, "192.0.2.8")
    visitor.ask_for_code(account.username, account.email)
    code = newest_code(mover._session, mover._settings, account.email)
    visitor.enter_code(account.username, account.email, code)
    visitor.get("/password-reset/new")
    new = "Quiet-river-58"
    return lambda: visitor.post("/password-reset/new", password=new, confirmation=new)


@pytest.mark.parametrize("prepare", [_last_step, _undo, _reset])
def test_case_113_a_browser_that_signs_in_anew_at_that_moment_stops_neither(
    app: Flask, engine: Engine, session: Session, settings: Settings,
    prepare: Callable[[Flask, Mover], Callable[[], TestResponse]],
) -> None:  # fmt: skip
    account = _account_where_many_write(engine, session)
    step = prepare(app, Mover(app, account, session, settings))
    elsewhere = Visitor(app, "192.0.2.9")
    assert elsewhere.sign_in(account).status_code == 303
    elsewhere.get("/settings/email")
    with ThreadPoolExecutor(2) as pool, _held(engine, "UPDATE OF ended_at ON login_session FOR EACH ROW") as pid:
        # Its older session has ended in this transaction; of the account it has changed nothing yet.
        form = {"username": account.username, "password": PASSWORD}
        signing_in = pool.submit(lambda: elsewhere.post("/sign-in", **form))
        _wait_until_kept(engine, pid)
        changing = pool.submit(step)
        _wait_until_kept(engine, pid, waiting=2)
    assert [one.result(30).status_code for one in (signing_in, changing)] == [303, 303]


def test_case_113_a_new_password_and_a_sign_in_in_a_browser_that_is_not_known_stop_neither(
    app: Flask, engine: Engine, session: Session, settings: Settings
) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets one write at a time")
    account = make_account(session)
    session.commit()
    step = _reset(app, Mover(app, account, session, settings))
    stranger = Visitor(app, "192.0.2.9")
    stranger.get("/sign-in")
    with ThreadPoolExecutor(2) as pool, _held(engine, "INSERT ON login_session FOR EACH STATEMENT") as pid:
        # It has ended the account's count of wrong tries, as a new password does, and has yet to write at the account.
        form = {"username": account.username, "password": PASSWORD}
        signing_in = pool.submit(lambda: stranger.post("/sign-in", **form))
        _wait_until_kept(engine, pid)
        changing = pool.submit(step)
        _wait_until_kept(engine, pid, waiting=2)
    assert [one.result(30).status_code for one in (signing_in, changing)] == [303, 303]
    assert stranger.get("/settings").status_code == 303, "signed in by the password of before"


@contextmanager
def _held(engine: Engine, deed: str) -> Iterator[int]:
    """Whoever does this waits for this connection until the block is left; of a row, when it has locked it."""
    with engine.connect() as holding, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as ours:
        ours.execute(
            text(
                "CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN PERFORM pg_advisory_xact_lock(113); RETURN NEW; END'"
            )
        )
        ours.execute(text(f"CREATE TRIGGER held BEFORE {deed} EXECUTE FUNCTION held()"))
        holding.execute(text("SELECT pg_advisory_xact_lock(113)"))
        try:
            yield _pid_of(holding)
        finally:
            holding.rollback()
            ours.execute(text("DROP TRIGGER held ON login_session"))
            ours.execute(text("DROP FUNCTION held"))


def _pid_of(connection: Connection) -> int:
    found: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return found


def _wait_until_kept(engine: Engine, pid: int, waiting: int = 1) -> None:
    """Until so many wait for this connection, or for one that does."""
    ends = time.monotonic() + 20
    with engine.connect() as looking:
        while looking.execute(_KEPT_WAITING, {"pid": pid}).scalar_one() < waiting:
            assert time.monotonic() < ends, "nobody waits"
            looking.rollback()
            time.sleep(0.02)


def _remember_a_device(other: Connection, account_id: str) -> None:
    row = {"id": new_id(), "account": account_id}
    other.execute(text("INSERT INTO known_device VALUES (:id, 'x', :account, 1)"), row)
    other.commit()
