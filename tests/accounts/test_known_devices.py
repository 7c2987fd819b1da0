"""Signing in on a browser that the account knows: rows written together, and nothing less asked than elsewhere."""

import sqlite3

import psycopg
import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from service import audit
from service.accounts import passwords, session_rows, sessions, statements
from service.accounts.models import Account, AttemptCounter, CodeReason, KnownDevice, LoginSession
from service.audit import AuditEvent
from service.clock import now
from service.databases.group_commit import NotWritten
from service.databases.reading import ReadingSessions
from service.db import Statement, microseconds, write_together
from service.plan.models import StaffRole
from service.plan.staff import plan_staff
from tests.accounts.visitor import Visitor
from tests.conftest import MovableClock
from tests.factories import PASSWORD, make_account


@pytest.fixture
def at_home(app: Flask, account: Account) -> Visitor:
    """A browser on which the account has signed in before, and is not signed in now."""
    visitor = Visitor(app)
    visitor.sign_in(account)
    visitor.get("/member")
    assert visitor.post("/sign-out").status_code == 303
    return visitor


def test_the_row_tells_of_the_device_and_the_audit_of_the_session(
    at_home: Visitor, account: Account, session: Session, clock: MovableClock
) -> None:
    clock.advance(60)
    assert at_home.sign_in(account).location == "/start"
    row = _newest(session, account)
    device = session.scalars(select(KnownDevice)).one()
    assert (row.device_id, row.ip, row.ended_at) == (device.id, "192.0.2.7", None)
    assert row.expires_at - row.created_at == session_rows.ABSOLUTE
    event = session.scalars(
        select(AuditEvent).where(AuditEvent.tag == "accounts:login_session:start").order_by(AuditEvent.id.desc())
    ).first()
    assert event is not None and (event.login_session_id, event.account_id) == (row.id, account.id)
    session.refresh(account)
    assert account.last_signed_in_at == row.created_at


def test_wrong_tries_are_counted_and_a_right_one_ends_the_count(
    at_home: Visitor, account: Account, session: Session
) -> None:
    assert at_home.sign_in(account, "wrong-Password-1").status_code == 401
    assert _counted(session, account) == 1
    failed = select(AuditEvent.account_id).where(AuditEvent.outcome == audit.Outcome.FAILED)
    assert session.scalars(failed).all() == [account.id]
    session.commit()
    assert at_home.sign_in(account).status_code == 303
    session.expire_all()
    assert _counted(session, account) is None


def test_signing_in_again_ends_the_session_before(at_home: Visitor, account: Account, session: Session) -> None:
    at_home.sign_in(account)
    first = _newest(session, account)
    at_home.get("/confirm-password")
    assert at_home.post("/sign-in", username=account.username, password=PASSWORD).status_code == 303
    session.refresh(first)
    session.commit()
    assert first.ended_at is not None
    assert at_home.get("/settings").status_code == 200


def test_the_plans_own_people_have_the_shorter_session(app: Flask, session: Session) -> None:
    ann = make_account(session)
    visitor = Visitor(app)
    session.commit()
    visitor.sign_in(ann)
    visitor.get("/member")
    visitor.post("/sign-out")
    plan_staff.appoint(session, ann, [StaffRole.MEMBER_SERVICES], by_account_id=None)
    session.commit()
    visitor.sign_in(ann)
    row = _newest(session, ann)
    assert row.device_id is not None and row.expires_at - row.created_at == session_rows.STAFF_ABSOLUTE


def test_a_code_that_is_due_is_asked_for_there_too(at_home: Visitor, account: Account, session: Session) -> None:
    sessions.require_code(account, CodeReason.SHARING)
    session.commit()
    assert at_home.sign_in(account).location == "/sign-in/code?next=/start"
    assert at_home.get("/settings").status_code == 303


def test_a_factor_is_asked_for_and_the_account_is_not_noted_as_signed_in(
    app: Flask, account: Account, session: Session, clock: MovableClock
) -> None:
    visitor = Visitor(app)
    visitor.sign_in_with_factor(account)
    session.refresh(account)
    before = account.last_signed_in_at
    session.commit()
    visitor.get("/member")
    visitor.post("/sign-out")
    clock.advance(60)
    answer = visitor.sign_in(account, following="/settings")
    assert answer.location == "/sign-in/factor?next=/settings"
    session.refresh(account)
    session.commit()
    assert account.last_signed_in_at == before
    assert visitor.get("/settings").status_code == 303


def test_an_older_hash_is_made_anew(at_home: Visitor, account: Account, session: Session) -> None:
    account.password_hash = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    session.commit()
    assert at_home.sign_in(account).status_code == 303
    session.refresh(account)
    assert not passwords.is_outdated(account.password_hash) and passwords.verify_hash(account.password_hash, PASSWORD)


def test_no_connection_is_held_while_a_password_is_compared(
    app: Flask, at_home: Visitor, account: Account, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, compare, taken = app.extensions["latchstring"], passwords.verify_hash, []

    def look(stored: str | None, password: str) -> bool:
        taken.append(held.engine.pool.checkedout() - len(held.reading._idle))
        return compare(stored, password)

    monkeypatch.setattr(passwords, "verify_hash", look)
    session.close()
    assert at_home.sign_in("nobody").status_code == 401
    assert at_home.sign_in(account, "wrong-Password-1").status_code == 401
    assert at_home.sign_in(account).status_code == 303
    assert taken == [0, 0, 0], "whoever's name was typed, and whoever's browser it is"


def test_a_hash_is_not_put_over_a_password_set_meanwhile(account: Account, session: Session) -> None:
    kept = account.password_hash
    write_together(session, ((statements.KEEP_HASH, ("renewed", account.id, "of before")),))
    session.refresh(account)
    assert account.password_hash == kept


def test_what_is_written_together_stands_or_falls_together(engine: Engine, account: Account, session: Session) -> None:
    add = Statement("INSERT INTO attempt_counter (key, count, expires_at) VALUES (%s, 1, %s) RETURNING key")
    change = Statement("UPDATE attempt_counter SET count = count + %s WHERE key = %s")
    at = microseconds(now())
    reading = ReadingSessions(engine)
    with reading.open() as own:
        assert write_together(own, (), ((add, ("one", at)),)) == [("one",)]
        changes = ((change, (1, "one")), (change, (5, "one")), (change, (1, "none")))
        assert write_together(own, changes[:1], ((add, ("two", at)),)) == [("two",)]
        with pytest.raises((NotWritten, sqlite3.Error, psycopg.Error)):
            write_together(own, changes, ((add, ("three", at)), (add, ("two", at))))
    found = session.execute(text("SELECT key, count FROM attempt_counter ORDER BY key")).all()
    assert [tuple(row) for row in found] == [("one", 2), ("two", 1)]


def _newest(session: Session, account: Account) -> LoginSession:
    statement = select(LoginSession).where(LoginSession.account_id == account.id)
    row = session.scalars(statement.order_by(LoginSession.created_at.desc()).limit(1)).one()
    session.refresh(row)
    # SQLite has one writer: what the test looks at must not keep the next request waiting.
    session.commit()
    return row


def _counted(session: Session, account: Account) -> int | None:
    key = AttemptCounter.key == f"sign-in:device:{account.id}"
    found = session.scalar(select(AttemptCounter.count).where(key))
    session.commit()
    return found
