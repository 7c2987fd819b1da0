"""Interrupted loads that are given up: what is lost is said, nobody waits for it, and one that runs is left alone."""

import json
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.loading import checkpoints, freshness, giving_up, ingest
from fhir.loading.freshness import Watch
from fhir.loading.tables import FhirLoad, FhirLoadFile, FhirLoadWaiting
from fhir.models import StoredResource
from service.audit import AuditEvent
from service.plan.models import StaffRole
from tests.conftest import MovableClock
from tests.fhir import records
from tests.staff.console import make_clerk

NEW_YORK = ZoneInfo("America/New_York")
_PEOPLE = 2_500


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder of people, of whom one batch is written before the load ends, and what waits for one who never comes."""
    folder = tmp_path / "in"
    folder.mkdir()
    early = records.provenance("v", "Observation/nowhere")
    people = [records.patient(f"p{n}") for n in range(_PEOPLE)]
    (folder / "Patient.ndjson").write_text("".join(json.dumps(one) + "\n" for one in (early, *people)))
    return folder


def load(engine: Engine, system: Access, files: Path, source: str, then: Callable[[], object] | None = None) -> None:
    """Load them; behind the first batch `then` happens, or the load is interrupted."""

    def stop(_: ingest.LoadSummary) -> None:
        if then is None:
            raise InterruptedError
        then()

    ingest.load(engine, [files], access=system, source=source, progress=stop, processes=0)


def interrupt(engine: Engine, system: Access, files: Path, source: str = "claimz") -> None:
    with pytest.raises(InterruptedError):
        load(engine, system, files, source)


def flask(app: Flask, *arguments: str) -> tuple[int, str]:
    told = app.test_cli_runner().invoke(args=list(arguments))
    return told.exit_code, told.output


def give_up(app: Flask, source: str = "claimz") -> tuple[int, str]:
    return flask(app, "fhir", "give-up", source, "--reason", "It is claims.")


def counted(session: Session, table: type) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def test_an_interrupted_load_is_given_up_once_and_is_overdue_no_longer(
    app: Flask, engine: Engine, session: Session, system: Access, files: Path, clock: MovableClock
) -> None:
    interrupt(engine, system, files)
    clock.advance(9 * 86_400)
    assert flask(app, "fhir", "freshness")[0] == 1
    assert counted(session, FhirLoadWaiting) == 1
    session.commit()

    code, told = give_up(app)

    assert code == 0, told
    assert "Given up: the delivery of claimz that came " in told and "2 resources" not in told
    assert "  1999 resources were added, changed or deleted by it, which stays so." in told
    assert f"  {files}/Patient.ndjson: lost is what stands behind line 2000." in told
    assert "  Lost are 1 resources that waited for their patient." in told and "flask fhir load FILES" in told
    assert counted(session, FhirLoadFile) == counted(session, FhirLoadWaiting) == 0
    assert counted(session, StoredResource) == 1_999
    (event,) = session.scalars(select(AuditEvent).where(AuditEvent.tag == "fhir:load:give_up"))
    assert event.reason == "It is claims." and event.detail is not None
    assert event.detail["source"] == "claimz" and event.detail["waiting"] == 1 and event.detail["operator"]
    (one,) = freshness.deliveries(session, NEW_YORK)
    assert one.watch is Watch.GIVEN_UP and freshness.pressing(session, NEW_YORK) == []
    session.commit()

    code, shown = flask(app, "fhir", "freshness")
    assert code == 0 and "claimz  given up" in shown and "never" in shown
    page = make_clerk(app, session, StaffRole.ADMINISTRATOR).browser.get("/staff/data-freshness").text
    assert "Never: given up" in page and "Overdue" not in page
    session.commit()

    code, told = give_up(app)
    assert code == 0 and "was given up before" in told
    assert len(session.scalars(select(AuditEvent).where(AuditEvent.tag == "fhir:load:give_up")).all()) == 1


def test_it_is_told_for_a_month_or_until_its_source_delivers(
    app: Flask, engine: Engine, session: Session, system: Access, files: Path, clock: MovableClock
) -> None:
    for source in ("claimz", "labz"):
        interrupt(engine, system, files, source)
        clock.advance(3_600)
        assert give_up(app, source)[0] == 0
    assert [one.source for one in freshness.given_up(session, NEW_YORK)] == ["claimz", "labz"]
    session.commit()

    load(engine, system, files, "labz", then=lambda: None)

    assert [one.watch for one in freshness.deliveries(session, NEW_YORK)] == [Watch.IN_TIME, Watch.GIVEN_UP]
    assert counted(session, StoredResource) == _PEOPLE, "the files were read from their start"
    clock.advance(31 * 86_400)
    assert [one.source for one in freshness.deliveries(session, NEW_YORK)] == ["labz"]


def test_a_load_that_runs_is_not_given_up(
    app: Flask, engine: Engine, session: Session, system: Access, files: Path
) -> None:
    told: list[tuple[int, str]] = []
    load(engine, system, files, "claims", then=lambda: told.append(give_up(app, "claims")))

    assert told and all(code == 1 and "may be running. Nothing was given up." in said for code, said in told[:1])
    assert [one.watch for one in freshness.deliveries(session, NEW_YORK)] == [Watch.IN_TIME]
    assert "fhir:load:give_up" not in session.scalars(select(AuditEvent.tag)).all()


def test_a_load_that_was_silent_and_given_up_ends_at_its_next_batch(
    app: Flask, engine: Engine, session: Session, system: Access, files: Path, clock: MovableClock
) -> None:
    def fall_silent() -> None:
        clock.advance(giving_up.QUIET.total_seconds() + 1)
        assert give_up(app)[0] == 0

    with pytest.raises(checkpoints.GivenUp):
        load(engine, system, files, "claimz", then=fall_silent)

    assert counted(session, StoredResource) == 1_999
    assert counted(session, FhirLoadFile) == 0 and freshness.sources(session) == []


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_name_that_no_interrupted_load_has_is_told(
    app: Flask, engine: Engine, session: Session, system: Access, files: Path, interrupted: bool
) -> None:
    load(engine, system, files, "claims", then=lambda: None)
    if interrupted:
        interrupt(engine, system, files)
    code, told = give_up(app, "claims")
    assert code == 1 and "No load of claims was interrupted." in told
    assert ("Unfinished are: claimz." if interrupted else "No load is unfinished.") in told
    assert flask(app, "fhir", "give-up", "claimz", "--reason", " ")[0] == 2
    assert flask(app, "fhir", "give-up", "claimz")[0] == 2
    assert session.scalars(select(FhirLoad).where(FhirLoad.given_up_at.is_not(None))).all() == []


def test_the_doctor_tells_of_it(
    app: Flask, engine: Engine, system: Access, files: Path, clock: MovableClock
) -> None:  # fmt: skip
    interrupt(engine, system, files)
    clock.advance(9 * 86_400)
    assert "BAD       data: the delivery of claimz" in flask(app, "doctor")[1]
    give_up(app)
    told = flask(app, "doctor")[1]
    assert "ok        data: the delivery of claimz that came " in told and "BAD       data" not in told
