"""security.md, cases 183 and 184: SQLite is locked by somebody else, or its disk is full, and then is no longer."""

import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, event, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from service.audit import AuditEvent
from service.db import make_engine, make_sessions
from service.settings import Settings
from tests.accounts.visitor import Visitor, csrf_token
from tests.factories import PASSWORD, make_account, make_member
from tests.fhir.conftest import Api, connect, loaded, system

__all__ = ["connect", "loaded", "system"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
_HOLDS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
connection.execute("SELECT count(*) FROM member").fetchall()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """With a shorter patience than the product's ten seconds."""
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 300"))
    engine.dispose()
    return engine


@contextmanager
def held_by_another(settings: Settings, begin: str) -> Iterator[None]:
    """Another process is in a transaction on the database."""
    command = [sys.executable, "-c", _HOLDS, str(_file(settings)), begin]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    try:
        assert process.stdout.readline() == "held\n"
        yield
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


@contextmanager
def full_disk(settings: Settings) -> Iterator[None]:
    """No file of this process grows beyond what its database's log has by now, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = Path(f"{_file(settings)}-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_case_184_the_product_waits_ten_seconds_and_begins_to_write_at_once(
    settings: Settings, session: Session
) -> None:  # fmt: skip
    made = make_engine(settings.database_url)
    with make_sessions(made)() as reader:
        assert reader.connection().exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000
        reader.scalars(select(func.count()).select_from(AuditEvent)).one()
        # One that has only read holds the lock already: its own write cannot be refused in the middle.
        with pytest.raises(OperationalError, match="locked"):
            make_member(session)
        make_member(reader)
        reader.commit()
    made.dispose()


@pytest.mark.parametrize("fault", ["locked", "full"])
def test_case_183_and_184_who_needs_to_write_is_asked_to_come_again_and_then_is_served(
    app: Flask, connect: Callable[..., Api], session: Session, settings: Settings, fault: str
) -> None:
    api = connect()
    account = make_account(session, member=make_member(session))
    session.commit()
    session.close()
    visitor = Visitor(app)
    token = csrf_token(visitor.get("/sign-in").text)
    form = {"username": account.username, "password": PASSWORD, "csrf_token": token}
    read = f"Patient/{api.patient_id}"
    assert api.get(read).status_code == 200
    before = _audit_rows(settings)

    with held_by_another(settings, "BEGIN IMMEDIATE") if fault == "locked" else full_disk(settings):
        refused = [api.get(read), api.get("ExplanationOfBenefit"), visitor.browser.post("/sign-in", data=form)]
        page = Visitor(app).get("/sign-in") if fault == "full" else visitor.page
    for answer in refused:
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1, answer.text
    assert api.patient_id not in refused[0].text
    assert page.status_code == 200 and 'name="password"' in page.text
    assert _audit_rows(settings) == before, "an answer that was refused tells of nothing"

    assert api.get(read).status_code == 200
    assert visitor.browser.post("/sign-in", data=form).status_code == 303
    assert _integrity(settings) == ["ok"]


def test_case_184_a_log_that_grew_under_a_long_reader_is_used_again_afterwards(
    engine: Engine, settings: Settings
) -> None:
    log = Path(f"{_file(settings)}-wal")

    def write(rows: int) -> int:
        for _ in range(rows):
            with make_sessions(engine).begin() as session:
                make_member(session, address_line="x" * 200)
        return log.stat().st_size

    with held_by_another(settings, "BEGIN"):
        grown = write(400)
    assert grown > 1_000 * 4_096, "more than what is moved into the database at a time"
    settled = write(10)
    assert write(400) == settled


def _file(settings: Settings) -> Path:
    return Path(settings.database_url.removeprefix("sqlite:///"))


def _audit_rows(settings: Settings) -> int:
    connection = sqlite3.connect(_file(settings))
    count: int = connection.execute("SELECT count(*) FROM audit_event WHERE tag LIKE 'fhir:%'").fetchone()[0]
    connection.close()
    return count


def _integrity(settings: Settings) -> list[str]:
    connection = sqlite3.connect(_file(settings))
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    connection.close()
    return found
