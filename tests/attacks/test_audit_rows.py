"""Cases 166 to 169 of security.md: each look leaves its row, nothing leaves without one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from consent.policy import plan_system
from fhir.bulk.models import BulkExport, Status
from fhir.loading import ingest
from service.audit import AuditEvent, Outcome
from service.db import make_sessions
from service.plan.models import StaffRole
from tests.attacks.test_every_route import DIRECTORY, TABLE, WHO, World, world
from tests.fhir import records
from tests.fhir.exporting import exporter
from tests.oauth.desk import Desk
from tests.staff.console import make_clerk

__all__ = ["world"]
OPEN = ("capabilities", "nowhere", "member_match", "data_export")
"""What looks at nobody: the statement of what there is, addresses with nothing, operations that are off here."""


@pytest.mark.parametrize("endpoint", sorted(TABLE))
def test_case_166_every_route_leaves_one_row_for_each_answer_and_each_denial(world: World, endpoint: str) -> None:
    wrong: list[tuple[Any, ...]] = []
    asked = 0
    sessions = make_sessions(world.app.extensions["latchstring"].engine)
    for who in WHO:
        for ask in TABLE[endpoint](world, world.ids[who]):
            with sessions() as session:
                last = session.scalar(select(func.max(AuditEvent.id))) or 0
            answer = world.call(ask.method, ask.path, **ask.given)
            with sessions() as session:
                rows = session.scalars(select(AuditEvent).where(AuditEvent.id > last)).all()
            asked += 1
            told = [(row.tag, row.outcome) for row in rows]
            if not _is_right(endpoint, ask.path, answer.status_code, answer, rows):
                wrong.append((who, ask.method, ask.path, answer.status_code, told))
    assert asked and not wrong


def _is_right(endpoint: str, path: str, status: int, answer: Any, rows: Any) -> bool:
    if path.startswith(DIRECTORY) or endpoint.endswith(OPEN) or status in {400, 405}:
        return not rows
    if endpoint.startswith("fhir.base"):
        # A batch is as many looks as it has entries.
        return status != 200 or len(rows) == len(answer.get_json()["entry"])
    if len(rows) != 1:
        return False
    (row,) = rows
    known = row.account_id and row.client_id and row.grant_id and row.ip and row.member_id
    return bool(known) and (row.outcome is Outcome.SUCCESS) == (status < 300)


@contextmanager
def unwritable(engine: Engine, *, code: str = "disk_full") -> Iterator[None]:
    """No row can be added to the audit; `code` is how PostgreSQL says so."""
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text(
                "CREATE TRIGGER full BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            ))  # fmt: skip
        else:
            connection.execute(text(
                "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = 'disk full'; END $$"
            ))  # fmt: skip
            connection.execute(text(
                "CREATE TRIGGER full_disk BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION disk_full()"
            ))  # fmt: skip
    yield
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER full"))
        else:
            connection.execute(text("DROP TRIGGER full_disk ON audit_event"))
            connection.execute(text("DROP FUNCTION disk_full"))


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk whose member has a record."""
    made = Desk(app)
    loaded = records.record_of(made.member.patient_id)
    engine = app.extensions["latchstring"].engine
    assert ingest.load_resources(engine, [*records.shared(), *loaded], access=plan_system("tests")).rejected == 0
    return made


def test_case_167_nothing_is_answered_that_the_audit_cannot_keep(
    app: Flask, desk: Desk, engine: Engine
) -> None:  # fmt: skip
    token = desk.connect(desk.register(), scope="openid launch/patient patient/*.rs")["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    own = desk.member.patient_id
    with unwritable(engine):
        for path in (f"Patient/{own}", "ExplanationOfBenefit", f"Patient/{own}/$everything", "Patient/another"):
            answer = app.test_client().get(f"/fhir/r4/{path}", headers=headers)
            assert answer.status_code == 503, path
            assert answer.headers["Retry-After"] and own not in answer.text and "Canary" not in answer.text
    assert app.test_client().get(f"/fhir/r4/Patient/{own}", headers=headers).status_code == 200


def test_case_167_a_background_job_stops_and_goes_on_when_the_audit_can_be_written(
    app: Flask, desk: Desk, engine: Engine
) -> None:
    plan = exporter(app, desk)
    plan.begin()
    with unwritable(engine):
        plan.work()
        with make_sessions(engine)() as session:
            assert session.scalars(select(BulkExport.status)).one() in {Status.ACCEPTED, Status.RUNNING}
    plan.work()
    with make_sessions(engine)() as session:
        assert session.scalars(select(BulkExport.status)).one() is Status.DONE


def test_case_168_an_answer_of_1000_resources_is_one_row_with_the_hash_of_their_ids(
    app: Flask, desk: Desk, session: Session
) -> None:
    own = desk.member.patient_id
    labs = [one for one in records.record_of(own) if one["resourceType"] == "Observation"]
    many = [{**labs[0], "id": f"many-{number}"} for number in range(1_000)]
    engine = app.extensions["latchstring"].engine
    assert ingest.load_resources(engine, many, access=plan_system("tests")).rejected == 0
    token = desk.connect(desk.register(), scope="openid launch/patient patient/*.rs")["access_token"]

    answer = app.test_client().get(
        "/fhir/r4/Observation?_count=1000", headers={"Authorization": f"Bearer {token}", "X-Request-Id": "case-168"}
    )

    sent = len(answer.get_json()["entry"])
    (row,) = session.scalars(select(AuditEvent).where(AuditEvent.request_id == "case-168")).all()
    assert sent == row.count and sent >= 100
    assert row.detail is not None and len(row.detail["ids"]) == 64
    assert (row.member_id, row.account_id) == (desk.member.id, desk.account.id)


def test_case_169_whoever_reads_the_audit_is_in_it(app: Flask, session: Session) -> None:
    officer = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    officer.browser.get("/staff/audit/")
    for _ in range(2):
        assert officer.browser.post("/staff/audit/", since="2020-01-01", until="2099-12-31").status_code == 200
    told = session.scalars(select(AuditEvent).where(AuditEvent.tag == "audit:event:search")).all()
    assert [row.account_id for row in told] == [officer.account.id] * 2
    other = make_clerk(app, session, StaffRole.ADMINISTRATOR)
    assert other.browser.get("/staff/audit/").status_code == 404
