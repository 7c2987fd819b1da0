"""Bulk export: asked for, made by the worker, polled, fetched, ended."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir import store
from fhir.bulk import files, standing, work
from fhir.bulk.models import BulkExport, BulkFile
from fhir.loading import ingest
from fhir.storage import statements
from fhir.storage.results import Sweep, Swept
from service.audit import AuditEvent
from service.db import driver_cursor, make_sessions
from tests.conftest import MovableClock
from tests.fhir import records
from tests.fhir.conftest import OTHER, Api
from tests.fhir.exporting import Exporter, exporter, keys, naming
from tests.oauth.desk import Desk


@pytest.fixture
def plan(app: Flask, desk: Desk, loaded: str) -> Exporter:
    """A program of the plan's own, with two members' records stored."""
    return exporter(app, desk)


def test_an_export_holds_every_record_once(plan: Exporter, loaded: str, session: Session) -> None:
    answer = plan.ask()
    assert answer.status_code == 202 and answer.get_json()["resourceType"] == "OperationOutcome"
    place = answer.headers["Content-Location"]
    waiting = plan.api.get(place)
    assert waiting.status_code == 202 and not waiting.data
    assert waiting.headers["Retry-After"] == "1" and len(waiting.headers["X-Progress"]) < 100
    plan.work()
    found = plan.ready(place)
    assert found["request"] == f"{plan.api.base}/Patient/$export" and found["requiresAccessToken"] is True
    assert found["error"] == found["deleted"] == [] and found["transactionTime"].endswith("Z")
    lines = plan.lines(found)
    expected = [f"{one['resourceType']}/{one['id']}" for who in (loaded, OTHER) for one in records.record_of(who)]
    assert sorted(f"{one['resourceType']}/{one['id']}" for one in lines) == sorted(expected)
    assert plan.lines(found, **{"Accept-Encoding": "gzip"}) == lines
    rows = session.scalars(
        select(AuditEvent).where(AuditEvent.client_id == plan.program.id).order_by(AuditEvent.id)
    ).all()
    tags = [row.tag for row in rows if row.tag.startswith("fhir:")]
    assert tags[0] == "fhir:Patient:export" and tags.count("fhir:ExplanationOfBenefit:export-file") == 2
    claims = [row for row in rows if row.tag == "fhir:ExplanationOfBenefit:export-file"]
    assert {row.count for row in claims} == {8} and all(row.reason for row in claims)


def test_the_whole_system_brings_the_directory_too(plan: Exporter) -> None:
    found = keys(plan.lines(plan.manifest("$export")))
    assert {"Practitioner/doctor", "Organization/payer", f"Patient/{OTHER}"} <= found
    some = plan.lines(plan.manifest("$export?_type=Practitioner,Coverage"))
    assert {one["resourceType"] for one in some} == {"Practitioner", "Coverage"}


def test_parameters_narrow_and_cannot_widen(plan: Exporter, loaded: str) -> None:
    filters = "Observation?category=laboratory,ExplanationOfBenefit?type=pharmacy"
    some = f"Patient/$export?_type=Observation,ExplanationOfBenefit&_typeFilter={filters}"
    assert keys(plan.lines(plan.manifest(some))) == {
        f"{kind}/{name}-{who}"
        for who in (loaded, OTHER)
        for kind, name in (("Observation", "lab"), ("ExplanationOfBenefit", "eob-2"))
    }
    either = "_type=Observation&_typeFilter=Observation?category=laboratory&_typeFilter=Observation?code=8867-4"
    assert len(plan.lines(plan.manifest(f"Patient/$export?{either}"))) == 4
    one = {"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": f"Patient/{loaded}"}},
        {"name": "_type", "valueString": "Patient,Coverage"},
        {"name": "_outputFormat", "valueString": "ndjson"},
    ]}  # fmt: skip
    assert keys(plan.lines(plan.manifest(json=one))) == {f"Patient/{loaded}", f"Coverage/cov-{loaded}"}
    narrow = plan.with_scope("system/Coverage.rs system/Observation.rs?category=laboratory")
    assert {one["id"] for one in narrow.lines(narrow.manifest())} == {
        f"{name}-{who}" for who in (loaded, OTHER) for name in ("cov", "lab")
    }
    wide = "Patient/$export?_type=Observation&_typeFilter=Observation?category=vital-signs"
    assert narrow.manifest(wide)["output"] == [], "a filter cannot widen a scope"


def test_since_brings_changes_and_deletions(plan: Exporter, loaded: str, engine: Engine, system: Access) -> None:
    first = plan.manifest()
    changed = records.claim(f"eob-9-{loaded}", loaded)
    assert ingest.load_resources(engine, [changed], access=system).rejected == 0
    with make_sessions(engine).begin() as writing:
        store.delete(writing, system, "Observation", f"lab-{loaded}")
    found = plan.manifest(f"Patient/$export?_since={first['transactionTime']}")
    assert keys(plan.lines(found)) == {f"ExplanationOfBenefit/eob-9-{loaded}"}
    (deleted,) = plan.lines(found, "deleted")
    assert deleted["type"] == "transaction"
    assert [one["request"] for one in deleted["entry"]] == [{"method": "DELETE", "url": f"Observation/lab-{loaded}"}]
    until = plan.manifest(f"Patient/$export?_type=ExplanationOfBenefit&_until={first['transactionTime']}")
    assert f"ExplanationOfBenefit/eob-9-{loaded}" not in keys(plan.lines(until))


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("_outputFormat=csv", 400), ("_type=Nonsense", 400), ("_since=yesterday", 400), ("bogus=1", 400),
        ("_elements=id", 400), ("_typeFilter=Observation", 400), ("_typeFilter=Observation?bogus=1", 400),
        ("_typeFilter=Observation?_include=*", 400), ("_typeFilter=Observation?_has:x=1", 400),
        ("_type=Patient&_typeFilter=Observation?code=1", 400), ("patient=Patient/x", 400),
        ("_since=2026-01-01T00:00:00Z&_since=2026-01-02T00:00:00Z", 400),
        ("_since=2026-01-02T00:00:00Z&_until=2026-01-02T00:00:00Z", 400),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_is_told_at_once(plan: Exporter, query: str, status: int, session: Session) -> None:
    answer = plan.ask(f"Patient/$export?{query}")
    assert answer.status_code == status
    assert answer.get_json()["issue"][0]["diagnostics"]
    assert session.scalars(select(BulkExport)).all() == []


def test_only_a_program_of_the_plan_exports_and_only_in_the_background(
    plan: Exporter, api: Api, connect: Callable[..., Api], loaded: str
) -> None:
    levels = ("$export", "Patient/$export", "Group/g/$export")
    assert [api.get(one, headers={"Prefer": "respond-async"}).status_code for one in levels] == [403, 403, 403]
    assert [api.client.get(f"/fhir/r4/{one}").status_code for one in levels] == [401, 401, 401]
    refused = plan.api.get("Patient/$export")
    assert refused.status_code == 400 and "respond-async" in refused.text
    assert plan.with_scope("system/Coverage.rs").ask("Patient/$export?_type=Patient").status_code == 403
    assert plan.with_scope("system/Coverage.r").ask().status_code == 403
    assert plan.ask("Group/unknown/$export").status_code == 404
    assert plan.api.call("HEAD", "Patient/$export").status_code == 405
    assert plan.ask("Patient/$export", prefer="handling=lenient").status_code == 202


def test_lenient_handling_tells_in_a_file_what_was_left_out(plan: Exporter) -> None:
    found = plan.manifest("Patient/$export?_elements=id&_type=Coverage", prefer="handling=lenient")
    (told,) = plan.lines(found, "error")
    assert "_elements" in told["issue"][0]["diagnostics"]


def test_patients_of_whom_nothing_is_known_are_told_of(plan: Exporter, loaded: str) -> None:
    refused = plan.ask("Patient/$export", **naming(loaded, "nobody", "no-one"))
    assert refused.status_code == 400 and "2 of these Patients are not known here" in refused.text
    found = plan.manifest("Patient/$export", prefer="handling=lenient", **naming(loaded, "nobody"))
    (told,) = plan.lines(found, "error")
    assert told["issue"][0]["diagnostics"].startswith("1 of the Patients named are not known here")
    assert f"Patient/{loaded}" in keys(plan.lines(found))
    whole = plan.manifest("Patient/$export", **naming(loaded))
    assert not whole["error"] and keys(plan.lines(whole)) == keys(plan.lines(found))


def test_one_export_at_a_time_and_questions_apart(plan: Exporter, app: Flask, desk: Desk, clock: MovableClock) -> None:
    place = plan.begin()
    second = plan.ask()
    assert second.status_code == 429 and int(second.headers["Retry-After"]) > 0
    assert exporter(app, desk).ask().status_code == 202, "another client's own"
    assert plan.api.get(place).status_code == 202
    hasty = plan.api.get(place)
    assert hasty.status_code == 429 and int(hasty.headers["Retry-After"]) > 0
    clock.advance(1)
    assert plan.api.get(place).status_code == 202


def test_of_many_that_ask_at_once_one_begins(plan: Exporter) -> None:
    statuses: list[int] = []
    app = plan.api.client.application
    gate = threading.Barrier(4)

    def ask() -> None:
        mine = Exporter(Api(app.test_client(), "", plan.api.token, plan.api.base), plan.program, plan.settings)
        gate.wait()
        statuses.append(mine.ask().status_code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [202, 429, 429, 429]


def test_ending_an_export_deletes_its_files(plan: Exporter) -> None:
    place = plan.begin()
    plan.work()
    found = plan.ready(place)
    folder = files.folder_of(plan.settings, place.rpartition("/")[2])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert plan.api.call("DELETE", place).status_code == 202
    assert not folder.exists()
    gone = plan.api.get(place)
    assert gone.status_code == 404 and gone.get_json()["resourceType"] == "OperationOutcome"
    assert plan.api.get(found["output"][0]["url"]).status_code == 404
    assert plan.api.call("DELETE", place).status_code == 404
    running = plan.begin()
    assert plan.api.call("DELETE", running).status_code == 202
    plan.work()
    assert plan.api.get(running).status_code == 404
    assert plan.ask().status_code == 202, "the way is free"


def test_an_export_is_over_after_a_day(plan: Exporter, clock: MovableClock, session: Session) -> None:
    place = plan.begin("Patient/$export?_type=Coverage")
    plan.work()
    found = plan.ready(place)
    clock.advance(86_400 + 60)
    later = plan.with_scope("system/*.rs")
    assert later.api.get(place).status_code == 404
    assert later.api.get(found["output"][0]["url"]).status_code == 404
    standing.delete_over(plan.api.client.application.extensions["latchstring"].sessions, plan.settings)
    assert session.scalars(select(BulkFile)).all() == []
    assert not list((plan.settings.var / "exports").iterdir())


@pytest.mark.parametrize("pages", ["one page a transaction", "several"])
def test_case_181_a_worker_that_is_killed_is_followed_by_one_that_goes_on(
    plan: Exporter, monkeypatch: pytest.MonkeyPatch, session: Session, loaded: str, pages: str
) -> None:
    monkeypatch.setattr(work, "PAGE", 2)
    monkeypatch.setattr(work, "TRANSACTION_SECONDS", 60.0 if pages == "several" else 0.0)
    sessions = plan.api.client.application.extensions["latchstring"].sessions
    place = plan.begin("Patient/$export?_type=ExplanationOfBenefit,Observation")
    whole = files.append
    written = 0

    def dying(settings: Any, file: Any, lines: Any) -> Path:
        nonlocal written
        written += 1
        if written == 2:
            with files.path_of(settings, file).open("ab") as opened:
                opened.write(b'{"resourceType":"half a li')
            raise KeyboardInterrupt
        return whole(settings, file, lines)

    monkeypatch.setattr(files, "append", dying)
    with pytest.raises(KeyboardInterrupt):
        work.run(sessions, plan.settings)
    assert plan.api.get(place).status_code == 202
    plan.work()
    lines = plan.lines(plan.ready(place))
    assert len(lines) == len(keys(lines)) == 12


def test_case_190_two_workers_at_once_write_each_line_once(plan: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "PAGE", 1)
    place = plan.begin()
    threads = [threading.Thread(target=plan.work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    plan.work()
    lines = plan.lines(plan.ready(place))
    assert len(lines) == len(keys(lines)) == 18


def test_who_writes_gets_a_turn_while_an_export_is_made(
    plan: Exporter, loaded: str, engine: Engine, system: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [records.observation(f"turn-{number}", loaded) for number in range(3_000)]
    assert ingest.load_resources(engine, many, access=system).added == len(many)
    monkeypatch.setattr(work, "PAGE", 1)
    plan.begin()
    sessions, ended, waited = make_sessions(engine), threading.Event(), list[bool]()

    def write() -> None:
        ended.wait(0.7)
        with sessions.begin() as session:
            session.execute(text("UPDATE fhir_source SET written = 0"))
            waited.append(ended.is_set())

    other = threading.Thread(target=write)
    other.start()
    work.run(sessions, plan.settings)
    ended.set()
    other.join()

    # Not only when the worker had ended its own turn.
    assert waited == [False]


def test_files_are_split_and_a_bad_disk_is_told(plan: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "PAGE", 2)
    monkeypatch.setattr(work, "FILE_LINES", 4)
    found = plan.manifest("Patient/$export?_type=ExplanationOfBenefit")
    assert [one["count"] for one in found["output"]] == [4, 4]
    assert len(keys(plan.lines(found))) == 8

    monkeypatch.setattr(work, "FILE_BYTES", 1)
    assert [one["count"] for one in plan.manifest("Patient/$export?_type=Coverage,Observation")["output"]] == [2, 2, 2]

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(files, "append", full)
    place = plan.begin()
    plan.work()
    failed = plan.api.get(place)
    assert failed.status_code == 500 and failed.get_json()["issue"][0]["severity"] == "error"
    assert plan.ask().status_code == 202, "and another may be asked for"


def test_pages_end_by_their_bytes_too_and_slices_by_what_members_have(
    plan: Exporter, loaded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = plan.lines(plan.manifest("Patient/$export"))
    held: list[int] = []
    sweep = store.sweep
    monkeypatch.setattr(store, "sweep", lambda *given, **more: _noted(held, sweep(*given, **more)))
    monkeypatch.setattr(store, "SWEEP_BYTES", 1)
    monkeypatch.setattr(files, "_BLOCK", 1)
    assert plan.lines(plan.manifest("Patient/$export")) == whole and set(held) == {0, 1}

    held.clear()
    monkeypatch.setattr(store, "SWEEP_BYTES", 1_000_000)
    monkeypatch.setattr(work, "PAGE", 3)
    monkeypatch.setattr(work, "SLICE", 1)
    some = {"name": "patient", "valueReference": {"reference": f"Patient/{loaded}"}}
    other = {"name": "patient", "valueReference": {"reference": f"Patient/{OTHER}"}}
    asked = {"json": {"resourceType": "Parameters", "parameter": [some, other]}}
    of_two = plan.lines(plan.manifest("Patient/$export", **asked))
    assert keys(of_two) == keys(whole) and len(of_two) == len(whole) and max(held) == 3


def _noted(held: list[int], found: Swept) -> Swept:
    held.append(len(found.ids))
    return found


def test_a_sweep_goes_by_an_index_however_large_the_table(
    engine: Engine, session: Session, monkeypatch: pytest.MonkeyPatch, system: Access
) -> None:
    some = [
        records.claim(f"c-{number}-{claim}", f"p-{number}", f"2026-01-{claim + 1:02}")
        for number in range(60)
        for claim in range(20)
    ]
    assert ingest.load_resources(engine, some, access=system).rejected == 0
    session.execute(text("ANALYZE"))
    asked: list[tuple[str, tuple[Any, ...]]] = []
    nothing = driver_cursor(session).execute("SELECT 1 WHERE 1 = 0")
    monkeypatch.setattr(statements, "_run", lambda _session, text, values: asked.append((text, values)) or nothing)
    claims = "ExplanationOfBenefit"
    store.sweep(session, system, Sweep(claims, until=2**60), "c-3", 100)
    store.sweep(session, system, Sweep(claims, patients=frozenset({"p-1", "p-2"}), since=1), "", 100)
    everybody, some_members = (_explained(session, *one) for one in asked)

    assert "ix_resource_patient_type_date" in some_members, some_members
    for plan in (everybody, some_members):
        assert "SCAN resource" not in plan and "Seq Scan" not in plan, plan
    assert "Sort" not in everybody and "TEMP B-TREE" not in everybody, "in order of ids as it comes"


def _explained(session: Session, sql: str, values: tuple[Any, ...]) -> str:
    dialect = session.get_bind().dialect.name
    explain = "EXPLAIN" if dialect == "postgresql" else "EXPLAIN QUERY PLAN"
    return str(driver_cursor(session).execute(f"{explain} {sql}", values).fetchall())
