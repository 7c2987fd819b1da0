"""What programs without a person read and copy is told to the members whom it was about, and to nobody else."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from consent.policy import Access, plan_system
from fhir.loading import ingest
from fhir.merges import merging
from service.audit_chain import reading
from service.audit_chain.reading import Wanted
from service.clock import now
from service.db import make_sessions
from service.plan.models import Member
from service.reports import disclosures
from tests.conftest import MovableClock
from tests.factories import make_entry, make_group, make_member, make_organization, make_portal_staff
from tests.fhir import records
from tests.fhir.conftest import OTHER, Api, entries
from tests.fhir.exporting import Exporter, exporter
from tests.fhir.programs.looks import AUDIT_SCOPE, NOBODY, People, looks, subjects
from tests.fhir.programs.test_prepared import MATCH, parameters
from tests.member.console import connected
from tests.member.counting import Statements
from tests.member.pages import Reader
from tests.oauth.desk import Desk
from tests.oauth.keyed import register_backend


def test_an_answer_about_one_member_names_them(plan: Exporter, people: People, engine: Engine, loaded: str) -> None:
    for path in (
        f"Patient/{loaded}", f"Patient/{loaded}/_history", f"Patient/{loaded}/_history/1", f"Patient?_id={loaded}",
        f"ExplanationOfBenefit?patient={loaded}", f"ExplanationOfBenefit/eob-1-{loaded}",
        f"Patient/{loaded}/$everything", f"Immunization?patient=Patient/{loaded}&date=1901",
        f"DocumentReference/$docref?patient={loaded}",
    ):  # fmt: skip
        assert plan.api.get(path).status_code == 200, path
    assert plan.api.get("Organization").status_code == 200
    assert plan.api.get("Patient/nobody").status_code == 404

    *about, shared, refused = looks(engine)

    assert {row.member_id for row in about} == {people.rosa.member_id}
    assert shared.member_id is None and refused.member_id is None
    assert subjects(engine, *looks(engine)) == {}
    page = people.page(people.rosa)
    assert "Quality program (a program of your plan)" in page and "Why: To run the health plan" in page
    assert people.page(people.omar).count(NOBODY) == people.page(people.nora).count(NOBODY) == 1


def test_an_answer_about_several_is_one_row_and_names_each_with_what_was_theirs(
    plan: Exporter, people: People, engine: Engine, system: Access
) -> None:
    more = records.claim("more", OTHER)
    assert ingest.load_resources(engine, [more], access=system).added == 1

    answer = plan.api.get("ExplanationOfBenefit?_include=ExplanationOfBenefit:patient&_count=50")

    (row,) = looks(engine)
    claims = [one["patient"]["reference"] for one in entries(answer)]
    mine = claims.count(f"Patient/{people.desk.member.patient_id}")
    assert row.member_id is None and row.count == len(claims) + 2 and mine + 1 == len(claims) - mine
    assert subjects(engine, row) == {
        (people.rosa.member_id, "ExplanationOfBenefit"): mine, (people.rosa.member_id, "Patient"): 1,
        (people.omar.member_id, "ExplanationOfBenefit"): mine + 1, (people.omar.member_id, "Patient"): 1,
    }  # fmt: skip
    assert row.detail is not None and row.detail["members"]["count"] == 2
    assert f"Claims and costs ({mine} records)" in people.page(people.rosa)
    assert f"Claims and costs ({mine + 1} records)" in people.page(people.omar)
    assert NOBODY in people.page(people.nora)


def test_what_a_providers_program_reads_is_told(desk: Desk, people: People, session: Session, loaded: str) -> None:
    group = make_group(session, tax_id="071234501")
    office = make_organization(session)
    make_entry(session, make_portal_staff(session, office), tax_id="071234501")
    session.commit()
    billed = {"provider": records.to(f"Organization/{group.organization_id}")}
    claims = [records.claim("hers", loaded, **billed), records.claim("his", OTHER, **billed)]
    engine = desk.app.extensions["latchstring"].engine
    assert ingest.load_resources(engine, claims, access=plan_system("tests")).rejected == 0
    program = register_backend(desk, name="Billing system", provider_organization_id=office.id)
    token = program.token("system/ExplanationOfBenefit.rs")
    api = Api(desk.app.test_client(), "", token, desk.settings.fhir_base)

    assert sorted(api.ids("ExplanationOfBenefit")) == ["hers", "his"]
    assert api.get("ExplanationOfBenefit/hers").status_code == 200

    for who, number in ((people.rosa, "2 records"), (people.omar, "1 record")):
        page = people.page(who)
        assert "Billing system (a provider's program)" in page and "To be paid for care" in page
        assert f"Claims and costs ({number})" in page
    assert NOBODY in people.page(people.nora)


def test_a_search_that_names_many_and_finds_nothing_names_each_of_them(
    plan: Exporter, people: People, engine: Engine, loaded: str
) -> None:
    named = [f"somebody-else-{number}" for number in range(38)]
    # What is kept of the words ends in the midst of one: it must not be taken for a member's.
    cut = ",".join(named)[:200].rpartition(",")[2]
    with make_sessions(engine).begin() as session:
        stump = make_member(session, patient_id=cut).id
    assert (
        plan.api.get(f"Coverage?patient={','.join([*named, loaded, OTHER])}&status=cancelled").get_json()["total"] == 0
    )
    (row,) = looks(engine)
    assert subjects(engine, row) == {
        (people.rosa.member_id, "Coverage"): 0, (people.omar.member_id, "Coverage"): 0,
    }, stump  # fmt: skip


def test_the_officers_search_finds_earlier_ones_on_later_pages(
    plan: Exporter, people: People, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_MOST_NAMED", 1)
    for _ in range(2):
        assert plan.api.get("Coverage").status_code == 200
    earlier, later = looks(engine)
    assert people.omar.member_id
    wanted = Wanted(now() - timedelta(days=1), now() + timedelta(days=1), [people.omar.member_id], tag="fhir:")
    with make_sessions(engine).begin() as session:
        assert [one.id for one in reading.search(session, wanted, by_account_id="x")] == [later.id]
        page = reading.search(session, wanted, by_account_id="x", before_id=later.id)
        assert [one.id for one in page] == [earlier.id]


def test_merged_records_are_told_to_whom_they_are_part_of_while_they_are(
    plan: Exporter, people: People, session: Session
) -> None:
    assert plan.api.get("Coverage").status_code == 200
    omar, nora = (session.get_one(Member, one.member_id) for one in (people.omar, people.nora))
    merging.merge(session, plan_system("tests"), omar, nora, reason="one person")
    session.commit()
    assert "Quality program" in people.page(people.nora)
    assert plan.api.get(f"Coverage?patient={nora.patient_id}").status_code == 200
    merging.unmerge(session, plan_system("tests"), omar, reason="two people")
    session.commit()
    assert "Insurance coverage (1 record)" in people.page(
        people.omar
    ) and "Insurance coverage (1 record)" in people.page(people.nora)


def test_they_are_audit_events_of_the_members_app(
    plan: Exporter, people: People, desk: Desk, clock: MovableClock
) -> None:
    clock.advance(10)
    plan.lines(plan.manifest("Patient/$export?_type=Coverage"))
    assert plan.api.get("Coverage?_count=50").status_code == 200
    app = connected(desk, None, desk.register(scopes=AUDIT_SCOPE), scope=AUDIT_SCOPE)

    found = entries(app.api.get("AuditEvent"))

    several, copied = found
    for one in found:
        assert app.api.get(f"AuditEvent/{one['id']}").get_json() == one
        assert one["agent"][0]["name"] == "Quality program"
        assert one["purposeOfEvent"][0]["coding"][0]["code"] == "HOPERAT"
    assert several["entity"][1]["detail"] == [{"type": "count", "valueString": "1"}], "the member's own number"
    assert copied["type"]["code"] == "110106" and "detail" not in copied["entity"][1]
    assert OTHER not in json.dumps(found)
    assert [one["id"] for one in entries(app.api.get("AuditEvent?_count=1&entity-type=Coverage"))] == [several["id"]]
    (page,) = [one["url"] for one in app.api.get("AuditEvent?_count=1").get_json()["link"] if one["relation"] == "next"]
    assert [one["id"] for one in entries(app.api.get(page))] != [several["id"]]


def test_matching_for_another_payer_is_told(plan: Exporter, people: People, session: Session) -> None:
    member = session.get_one(Member, people.rosa.member_id)
    session.commit()
    assert plan.api.call("POST", MATCH, json=parameters(member)).status_code == 200
    assert "Found you as a member, for another health plan that asked" in people.page(people.rosa)
    assert NOBODY in people.page(people.omar)


def test_what_one_program_did_in_a_day_stands_under_one_heading(
    plan: Exporter, app: Flask, desk: Desk, people: People, clock: MovableClock
) -> None:
    clock.advance(10)
    other = exporter(app, desk, name="Care program")
    for one in (plan, other):
        assert one.api.get("Coverage").status_code == 200
    for one in (plan, other):
        one.lines(one.manifest("Patient/$export?_type=Coverage,Patient"))
        one.lines(one.manifest("Patient/$export?_type=Observation&_typeFilter=Observation?category=laboratory"))
    page = people.page(people.rosa)
    for name in ("Quality program", "Care program"):
        own = page.partition(f"{name} (a program of your plan)")[2].partition("(a program of your plan)")[0]
        assert page.count(name) == 1 and own.count("Why: To run the health plan") == 3
        assert own.index("Read from your record") < own.index("yours among them") < own.index("perhaps some of yours")


def test_the_account_of_disclosures_and_the_officers_search_tell_of_them(
    plan: Exporter, people: People, engine: Engine, clock: MovableClock
) -> None:
    clock.advance(10)
    assert plan.api.get("Coverage").status_code == 200
    assert plan.api.get(f"Patient/{OTHER}").status_code == 200
    plan.lines(plan.manifest("Patient/$export?_type=Coverage"))
    with make_sessions(engine).begin() as session:
        omar, nora = (session.get_one(Member, one.member_id) for one in (people.omar, people.nora))
        accounts = [disclosures.account(session, one, by_account_id=None).others for one in (omar, nora)]
        wanted = Wanted(now() - timedelta(days=1), now() + timedelta(days=1), tag="fhir:")
        found = [
            reading.search(session, replace(wanted, member_ids=[one.id]), by_account_id="x") for one in (omar, nora)
        ]

    assert [(one.reader, one.kind, one.requests) for one in accounts[0]] == [("Quality program", "program", 3)]
    assert accounts[1] == []
    assert [row.tag for row in found[0]] == ["fhir:Patient:read", "fhir:Coverage:search"] and found[1] == []


def test_the_page_takes_no_more_statements_than_without_programs(
    plan: Exporter, people: People, engine: Engine
) -> None:
    assert plan.api.get("Coverage").status_code == 200
    plan.lines(plan.manifest("Patient/$export?_type=Coverage,Patient,ExplanationOfBenefit"))
    reader = Reader(people.desk, people.rosa)
    reader.get("/who-has-looked")
    counted = Statements(engine)
    # What is asked of the database once a second, for whichever request, is no statement of a page.
    people.desk.app.extensions["latchstring.trials"]._until = float("inf")
    page = reader.get("/who-has-looked")
    noted = [one for one in counted.said if one.startswith("UPDATE login_session SET last_seen_at")]
    assert "yours among them" in page.text and len(counted.said) - len(noted) <= 6, [one[:90] for one in counted.said]
    assert len(page.data) < 100_000


def test_what_is_read_at_the_plans_own_base_is_told(plan: Exporter, people: People, engine: Engine) -> None:
    headers = {"Authorization": f"Bearer {plan.api.token}"}
    for path in (f"Patient/{OTHER}", f"Coverage/cov-{OTHER}/_history/1", "Organization/payer"):
        assert plan.api.client.get(f"/plan/fhir/r4/{path}", headers=headers).status_code == 200
    assert [row.member_id for row in looks(engine)] == [people.omar.member_id, people.omar.member_id, None]
    assert "Insurance coverage (1 record)" in people.page(people.omar) and NOBODY in people.page(people.rosa)


def test_the_page_is_in_spanish_too(plan: Exporter, people: People, clock: MovableClock) -> None:
    clock.advance(10)
    plan.lines(plan.manifest("Patient/$export?_type=Coverage"))
    assert plan.api.get("Coverage").status_code == 200
    page = people.page(people.rosa, "es")
    for sentence in (
        "un programa de su plan", "Leyó de su expediente:", "(1 registro)", "Para administrar el plan de salud",
        "Copió los registros de todos los miembros, entre ellos los suyos:",
    ):  # fmt: skip
        assert sentence in page, sentence


@pytest.mark.parametrize("statement", [
    "UPDATE audit_subject SET count = 9", "DELETE FROM audit_subject", "UPDATE audit_subject SET member_id = 'x'",
])  # fmt: skip
def test_whom_an_event_was_about_is_not_changed(plan: Exporter, people: People, engine: Engine, statement: str) -> None:
    assert plan.api.get("Coverage").status_code == 200
    with pytest.raises(DatabaseError), engine.begin() as connection:
        connection.execute(text(statement))
    assert "Insurance coverage" in people.page(people.omar)
