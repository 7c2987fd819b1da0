"""What programs without a person copy is told to the members who were in the copy, and to nobody else."""

import re
from threading import Barrier, Thread

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from consent.policy import Access, plan_system
from fhir import store
from fhir.bulk import groups, whose
from fhir.bulk.models import BulkExport, BulkFile, GroupKind, Status
from fhir.loading import ingest
from fhir.storage import exported
from service.audit import EVERYBODY, AuditEvent, AuditSubject
from service.clock import now
from service.db import make_sessions
from service.plan.models import Member
from service.reports import disclosures
from tests.conftest import MovableClock
from tests.factories import make_account, make_member
from tests.fhir import records
from tests.fhir.conftest import OTHER, entries
from tests.fhir.exporting import Exporter
from tests.fhir.programs.looks import AUDIT_SCOPE, NOBODY, People, looks, patient_of, subjects
from tests.member.console import connected


def test_a_copy_for_a_list_is_told_to_whom_it_held_once_it_is_fetched(
    plan: Exporter, people: People, session: Session, engine: Engine
) -> None:
    listed = session.scalars(select(Member).where(Member.patient_id.in_((OTHER, "nobody")))).all()
    groups.load(session, "clinic", "Lakeside Clinic", GroupKind.ATTRIBUTION, [one.member_number for one in listed])
    session.commit()
    ready = plan.manifest("Group/clinic/$export?_type=Patient,ExplanationOfBenefit")
    assert NOBODY in people.page(people.omar), "made, and not fetched"

    (patients,) = [one for one in ready["output"] if one["type"] == "Patient"]
    for _ in range(2):
        assert plan.api.get(patients["url"]).status_code == 200

    page = people.page(people.omar)
    assert "Copied from your record: " in page and "For these providers: Lakeside Clinic" in page
    assert "Claims and costs" not in page and "(1 record)" in page and "For the providers who care for you" in page
    first, again = [row for row in looks(engine) if row.tag == "fhir:Patient:export-file"]
    assert subjects(engine, first) == {(people.omar.member_id, "Patient"): 1}
    assert again.reason == "provider access" and again.detail and again.detail["export"] == first.detail["export"]
    assert subjects(engine, again) == {} and "members" not in again.detail
    assert NOBODY in people.page(people.rosa) and NOBODY in people.page(people.nora)


def test_a_copy_for_a_list_that_was_made_before_names_were_kept_is_told_to_nobody(
    plan: Exporter, people: People, engine: Engine
) -> None:
    asked = {"name": "patient", "valueReference": {"reference": f"Patient/{OTHER}"}}
    ready = plan.manifest(json={"resourceType": "Parameters", "parameter": [asked]})
    with engine.begin() as connection:
        connection.execute(text("UPDATE bulk_file SET members = NULL"))
    plan.lines(ready)
    assert all(NOBODY in people.page(one) for one in (people.rosa, people.omar, people.nora))


def test_a_copy_of_named_members_is_told_to_them_alone(plan: Exporter, people: People) -> None:
    asked = {"name": "patient", "valueReference": {"reference": f"Patient/{OTHER}"}}
    plan.lines(plan.manifest(json={"resourceType": "Parameters", "parameter": [asked]}))
    assert "Copied from your record: " in people.page(people.omar)
    assert all(NOBODY in people.page(one) for one in (people.rosa, people.nora))


def test_a_copy_of_everybodys_is_one_row_and_told_to_those_who_were_in_it(
    plan: Exporter, people: People, session: Session, engine: Engine, system: Access, clock: MovableClock
) -> None:
    gone = records.record_of("gone-patient")
    assert ingest.load_resources(engine, gone, access=system).rejected == 0
    session.add(leaver := make_member(session, patient_id="gone-patient"))
    former = make_account(session, member=leaver)
    session.commit()
    with make_sessions(engine).begin() as writing:
        for one in gone:
            if one["resourceType"] == "Coverage":
                store.delete(writing, system, "Coverage", one["id"])
    clock.advance(10)

    plan.lines(plan.manifest("Patient/$export?_type=Coverage"))

    (row,) = [one for one in looks(engine) if one.tag == "fhir:Coverage:export-file"]
    assert subjects(engine, row) == {(EVERYBODY, "Coverage"): None}
    assert "Copied the records of all members, yours among them: Insurance coverage" in people.page(people.rosa)
    clock.advance(10)
    nora = patient_of(engine, people.nora)
    joined = [one for one in records.record_of(nora) if one["resourceType"] in {"Patient", "Coverage"}]
    assert ingest.load_resources(engine, joined, access=system).rejected == 0
    assert NOBODY in people.page(people.nora), "who came later was not in it"
    assert NOBODY in people.page(former), "what was deleted before was not in it"
    with make_sessions(engine).begin() as writing:
        for one in records.record_of(OTHER):
            if one["resourceType"] == "Coverage":
                store.delete(writing, system, "Coverage", one["id"])
    assert "yours among them: Insurance coverage" in people.page(people.omar), "what was deleted since was in it"


def test_a_copy_of_what_changed_is_told_to_those_of_whom_something_had(
    plan: Exporter, people: People, engine: Engine, system: Access, clock: MovableClock
) -> None:
    clock.advance(10)
    first = plan.manifest("Patient/$export?_type=ExplanationOfBenefit")
    clock.advance(10)
    assert ingest.load_resources(engine, [records.claim("new", OTHER)], access=system).added == 1
    clock.advance(10)

    plan.lines(plan.manifest(f"Patient/$export?_type=ExplanationOfBenefit&_since={first['transactionTime']}"))

    assert "yours among them: Claims and costs" in people.page(people.omar)
    assert NOBODY in people.page(people.rosa)


def test_what_changed_while_a_copy_was_made_is_told_to_nobody(
    plan: Exporter, people: People, engine: Engine, system: Access, clock: MovableClock
) -> None:
    clock.advance(10)
    plan.lines(plan.manifest("Patient/$export?_type=Patient"))
    clock.advance(10)
    place = plan.begin("Patient/$export?_type=Coverage")
    with make_sessions(engine).begin() as session:
        session.scalars(select(BulkExport).where(BulkExport.status == Status.ACCEPTED)).one().began_at = now()
    clock.advance(10)
    changed = records.coverage(OTHER) | {"order": 2}
    assert ingest.load_resources(engine, [changed], access=system).changed == 1
    clock.advance(10)
    plan.work()
    (line,) = plan.lines(plan.ready(place))
    assert line["beneficiary"]["reference"] != f"Patient/{OTHER}"
    his, hers = people.page(people.omar), people.page(people.rosa)
    assert "yours among them" in his and "Insurance coverage" not in his, "by the time of this export, not of another"
    assert "yours among them" in hers and "Insurance coverage" in hers


def test_whether_a_record_was_in_a_copy_is_asked_of_its_own_event_alone() -> None:
    asked = select(AuditSubject.event_id).join(AuditEvent, AuditEvent.id == AuditSubject.event_id)
    said = str(asked.where(exported.was_in(plan_system("tests"), {"member": "patient"})))
    assert len(re.findall(r"\baudit_event\b(?!\.)", said)) == 1 and said.count("EXISTS") == 4


def test_of_two_that_fetch_a_file_at_one_time_one_tells_whom_it_is_about(
    plan: Exporter, people: People, engine: Engine
) -> None:
    asked = {"name": "patient", "valueReference": {"reference": f"Patient/{OTHER}"}}
    plan.manifest(json={"resourceType": "Parameters", "parameter": [asked]})
    sessions, told = make_sessions(engine), list[int]()
    both_read = Barrier(2)

    def fetch() -> None:
        with sessions.begin() as session:
            file = session.scalars(select(BulkFile).where(BulkFile.type == "Coverage")).one()
            if engine.dialect.name == "postgresql":
                both_read.wait(20)
            told.append(len(whose.told(session, plan_system("tests"), file).subjects))

    threads = [Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [0, 1]


def test_a_copy_of_a_part_of_everybodys_says_no_more_than_that(
    plan: Exporter, people: People, engine: Engine, clock: MovableClock
) -> None:
    clock.advance(10)
    plan.lines(plan.manifest("Patient/$export?_type=Observation&_typeFilter=Observation?category=laboratory"))
    assert "Copied some records of all members, perhaps some of yours: " in people.page(people.rosa)
    assert NOBODY in people.page(people.nora)
    plan.lines(plan.manifest("Patient/$export?_type=Observation"))
    app = connected(people.desk, None, people.desk.register(scopes=AUDIT_SCOPE), scope=AUDIT_SCOPE)
    of_all, of_some = entries(app.api.get("AuditEvent"))
    assert of_some["entity"][1]["description"] == "Perhaps some of the member's"
    assert of_some["entity"][1]["type"]["code"] == "Observation" and "description" not in of_all["entity"][1]
    with make_sessions(engine).begin() as session:
        rosa = session.get_one(Member, people.rosa.member_id)
        others = disclosures.account(session, rosa, by_account_id=None).others
    assert sorted((one.kind, one.requests) for one in others if one.kind != "app") == [
        ("program", 1), ("program, perhaps (a part of all members' records)", 1),
    ]  # fmt: skip
