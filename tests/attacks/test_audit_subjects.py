"""Cases 167, 168, 170 and 173 of security.md for what programs are told about several members at once."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select, text

from consent.policy import plan_system
from fhir.loading import ingest
from service import audit
from service.audit import EVERYBODY, AuditEvent, AuditSubject, Subject
from service.audit_chain import purging
from service.clock import now
from service.db import make_sessions
from tests.attacks.chains import ROWS, Chain
from tests.conftest import MovableClock
from tests.factories import make_account, make_member
from tests.fhir import records
from tests.fhir.exporting import exporter
from tests.member.pages import Reader
from tests.oauth.desk import Desk

MEMBERS, EACH = 40, 25
YEARS = 7 * 366 * 86_400


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk whose member has no record, beside forty members with some laboratory results each."""
    made = Desk(app)
    engine = app.extensions["latchstring"].engine
    with make_sessions(engine).begin() as session:
        patients = [make_member(session, patient_id=f"many-{number}").patient_id for number in range(MEMBERS)]
    labs = [records.observation(f"{one}-{number}", one) for one in patients for number in range(EACH)]
    loaded = [*map(records.patient, patients), *labs]
    assert ingest.load_resources(engine, loaded, access=plan_system("tests")).rejected == 0
    return made


def test_case_168_an_answer_of_1000_resources_about_40_members_is_one_row_and_each_of_them_sees_it(
    app: Flask, desk: Desk, engine: Engine
) -> None:
    plan = exporter(app, desk, name="Quality program")
    answer = plan.api.get("Observation?_count=1000", headers={"X-Request-Id": "case-168"})
    sent = len(answer.get_json()["entry"])
    with make_sessions(engine)() as session:
        (row,) = session.scalars(select(AuditEvent).where(AuditEvent.request_id == "case-168")).all()
        told = session.scalars(select(AuditSubject).where(AuditSubject.event_id == row.id)).all()
        assert session.scalar(select(func.count()).select_from(AuditSubject)) == len(told)
        person = make_account(session, member=make_member(session, patient_id="canary"))
        hers = {one.member_id: one.count for one in told}
        (seen,) = session.execute(text("SELECT id FROM member WHERE patient_id = 'many-7'")).one()
        other = make_account(session, member=session.get_one(type(desk.member), seen))
        session.commit()
    assert sent == row.count == sum(hers.values()) and sent >= 100 and len(row.detail["ids"]) == 64
    assert row.member_id is None and row.detail["members"]["count"] == len(told)
    page = Reader(desk, other).get("/who-has-looked").text
    assert ("Quality program" in page) == (seen in hers)
    for nobody in (person, desk.account):
        assert "Nobody has looked at your information." in Reader(desk, nobody).get("/who-has-looked").text


def test_case_167_nothing_is_told_of_several_members_whom_the_audit_cannot_name(
    app: Flask, desk: Desk, engine: Engine
) -> None:
    plan = exporter(app, desk)
    ready = plan.manifest("Patient/$export?_type=Observation")
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text(
                "CREATE TRIGGER full BEFORE INSERT ON audit_subject BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            ))  # fmt: skip
        else:
            connection.execute(text("ALTER TABLE audit_subject ADD CONSTRAINT full_disk CHECK (false) NOT VALID"))
    try:
        before = _events(engine)
        for place in ("Observation?_count=50", ready["output"][0]["url"]):
            answer = plan.api.get(place)
            assert answer.status_code == 503 and "many-" not in answer.text, place
        assert _events(engine) == before, "the row stands with the members or not at all"
    finally:
        with engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.execute(text("DROP TRIGGER full"))
            else:
                connection.execute(text("ALTER TABLE audit_subject DROP CONSTRAINT full_disk"))
    assert plan.api.get("Observation?_count=50").status_code == 200


def _events(engine: Engine) -> int:
    with make_sessions(engine)() as session:
        return session.scalar(select(func.count()).where(AuditEvent.tag.startswith("fhir:"))) or 0


def told(chain: Chain) -> int:
    """An event about two members, sealed; its id."""
    subjects = [Subject("one", "Coverage", 2), Subject("one", "Patient", 1), Subject("two", "Coverage", 3)]
    with make_sessions(chain.engine).begin() as session:
        audit.record_about(session, "fhir:Coverage:search", subjects, client_id="client", resource_type="Coverage")
        audit.record_about(session, "fhir:Coverage:export-file", [Subject(EVERYBODY, "Coverage", None)])
        found = session.scalars(select(AuditEvent.id).where(AuditEvent.tag == "fhir:Coverage:search")).one()
    chain.checkpoint()
    return found


@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE audit_subject SET count = 1 WHERE member_id = 'two'",
        "UPDATE audit_subject SET member_id = 'three' WHERE member_id = 'two'",
        "UPDATE audit_subject SET resource_type = 'Claim' WHERE member_id = 'two'",
        "DELETE FROM audit_subject WHERE member_id = 'two'",
        "DELETE FROM audit_subject WHERE event_id = :id",
        "INSERT INTO audit_subject (member_id, event_id, resource_type, count) VALUES ('three', :id, 'Coverage', 1)",
        "INSERT INTO audit_subject (member_id, event_id, resource_type, count) VALUES ('three', :plain, 'Coverage', 1)",
        "UPDATE audit_subject SET event_id = :plain WHERE event_id = :id AND member_id = 'one'",
        "UPDATE audit_subject SET count = 5 WHERE member_id = '*'",
    ],
)
def test_case_170_whom_an_event_was_about_is_held_to_the_chain(sealed: Chain, deed: str) -> None:
    event_id = told(sealed)
    assert sealed.verify().fault is None
    with sealed.owned() as connection:
        plain = connection.scalar(text("SELECT event_id FROM audit_seal WHERE position = :at"), {"at": ROWS})
        connection.execute(text(deed).bindparams(**{
            name: value for name, value in {"id": event_id, "plain": plain}.items() if f":{name}" in deed
        }))  # fmt: skip
    fault = sealed.verify().fault
    assert fault is not None and fault.event_id in {event_id, event_id + 1, plain}
    assert fault.sentence == "Whom this event is about is not what was told with it."


def test_case_173_a_purge_takes_whom_its_events_were_about_along(sealed: Chain, clock: MovableClock) -> None:
    told(sealed)
    clock.advance(YEARS)
    kept = told_later(sealed)
    long_ago = now() - timedelta(days=6 * 366 + 1)
    assert purging.purge(sealed.engine, sealed.settings, long_ago, operator="ops") == ROWS + 2
    sealed.checkpoint()
    assert sealed.verify().fault is None
    with make_sessions(sealed.engine)() as session:
        assert set(session.scalars(select(AuditSubject.event_id))) == {kept}


def told_later(chain: Chain) -> int:
    """One more, of these days."""
    with make_sessions(chain.engine).begin() as session:
        audit.record_about(session, "fhir:Patient:search", [Subject("one", "Patient", 1), Subject("two", "Patient", 1)])
        found = session.scalars(select(AuditEvent.id).where(AuditEvent.tag == "fhir:Patient:search")).one()
    chain.checkpoint()
    return found
