"""Bulk export of a Group: its members, whole for who joined since, and what is told of Patients who are in none."""

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from fhir.bulk import groups
from fhir.bulk.models import GroupKind
from service.plan.models import Member
from tests.conftest import MovableClock
from tests.factories import make_member
from tests.fhir import records
from tests.fhir.conftest import OTHER
from tests.fhir.exporting import Exporter, exporter, keys, naming
from tests.oauth.desk import Desk


@pytest.fixture
def plan(app: Flask, desk: Desk, loaded: str) -> Exporter:
    """A program of the plan's own, with two members' records stored."""
    return exporter(app, desk)


def test_a_group_is_exported_for_who_is_in_it(
    plan: Exporter, session: Session, engine: Engine, loaded: str, clock: MovableClock
) -> None:
    other = make_member(session, patient_id=OTHER)
    groups.load(session, "diabetes", "Diabetes programme", GroupKind.PLAN, [other.member_number, "UNKNOWN"])
    session.commit()
    assert keys(plan.lines(plan.manifest("Group/diabetes/$export"))) == {
        f"{one['resourceType']}/{one['id']}" for one in records.record_of(OTHER)
    }
    told = plan.api.get("Group/diabetes").get_json()
    assert told["member"] == [{"entity": {"reference": f"Patient/{OTHER}"}}] and told["quantity"] == 1
    assert [one["resource"]["id"] for one in plan.api.get("Group?name=diab").get_json()["entry"]] == ["diabetes"]
    assert plan.api.get("Group?name=diab,care&name=other").get_json()["total"] == 0, "a name given twice means both"
    assert plan.api.get("Group?name=care,diab&name=diabetes").get_json()["total"] == 1
    clock.advance(60)
    token = plan.with_scope("system/*.rs")
    since = token.manifest("Group/diabetes/$export?_type=Coverage")["transactionTime"]
    clock.advance(60)
    newcomer = session.scalars(select(Member).where(Member.patient_id == loaded)).one()
    members = [other.member_number, newcomer.member_number]
    groups.load(session, "diabetes", "Diabetes programme", GroupKind.PLAN, members)
    session.commit()
    later = token.lines(token.manifest(f"Group/diabetes/$export?_since={since}"))
    assert keys(later) == {f"{one['resourceType']}/{one['id']}" for one in records.record_of(loaded)}, (
        "the new one's whole"
    )


def test_patients_who_are_not_in_the_group_are_told_of(plan: Exporter, session: Session, loaded: str) -> None:
    member = make_member(session, patient_id=OTHER)
    groups.load(session, "diabetes", "Diabetes programme", GroupKind.PLAN, [member.member_number])
    session.commit()

    refused = [plan.ask("Group/diabetes/$export", **naming(OTHER, one)) for one in (loaded, "nobody")]
    assert [one.status_code for one in refused] == [400, 400]
    assert refused[0].get_json() == refused[1].get_json(), "who exists is not told"
    found = plan.manifest("Group/diabetes/$export", prefer="handling=lenient", **naming(OTHER, loaded))
    (told,) = plan.lines(found, "error")
    assert told["issue"][0]["diagnostics"].startswith("1 of the Patients named")
    assert f"Patient/{OTHER}" in keys(plan.lines(found))
    assert f"Patient/{loaded}" not in keys(plan.lines(found))
