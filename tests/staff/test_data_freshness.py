"""Freshness of data in the staff console: who sees it, and how deliveries stand to their one business day."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from fhir.loading import freshness
from fhir.loading.freshness import Watch
from fhir.loading.tables import FhirLoad
from service.clock import now
from service.days import business_day_after
from service.plan.models import StaffRole
from tests.conftest import MovableClock
from tests.fhir import records
from tests.staff.console import make_clerk

PAGE = "/staff/data-freshness"
NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-11-25T09:30", "2026-11-26T09:30"),
        ("2026-11-27T16:00", "2026-11-30T16:00"),
        ("2026-11-28T11:00", "2026-12-01T00:00"),
        ("2026-10-30T12:00", "2026-11-02T12:00"),
    ],
)
def test_a_business_day_passes_over_the_weekend(received: str, due: str) -> None:
    at = datetime.fromisoformat(received).replace(tzinfo=NEW_YORK)
    assert business_day_after(at.astimezone(UTC), NEW_YORK) == datetime.fromisoformat(due).replace(tzinfo=NEW_YORK)


def _begun(session: Session, source: str, ago: timedelta) -> None:
    session.add(FhirLoad(source=source, files_digest=source, received_at=now() - ago, started_at=now()))
    session.flush()


def test_deliveries_are_watched_until_they_are_visible(session: Session) -> None:
    freshness.note(session, "claims", received_at=now(), written=7)
    freshness.note(session, "labs", received_at=now() - timedelta(days=9), written=1)
    for source, ago in (("fresh", timedelta()), ("old", timedelta(days=9))):
        _begun(session, source, ago)

    found = {one.source: one for one in freshness.deliveries(session, NEW_YORK)}

    assert {name: one.watch for name, one in found.items()} == {
        "claims": Watch.IN_TIME, "labs": Watch.LATE, "fresh": Watch.WAITING, "old": Watch.OVERDUE,
    }  # fmt: skip
    assert [one.source for one in freshness.pressing(session, NEW_YORK)] == ["old", "labs"]


def test_a_delivery_that_is_loaded_again_stays_as_early_as_it_was(session: Session, clock: MovableClock) -> None:
    came = now()
    freshness.note(session, "labs", received_at=came, written=7)
    clock.advance(9 * 86_400)
    freshness.note(session, "labs", received_at=came, written=0)

    (one,) = freshness.deliveries(session, NEW_YORK)
    assert one.watch is Watch.IN_TIME and one.visible_at is not None and one.visible_at - came < timedelta(days=1)
    assert freshness.sources(session)[0].written == 7


def test_what_a_delivery_had_rejected_is_told(app: Flask, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "Patient.ndjson"
    path.write_text(json.dumps(records.patient("p")) + '\n{"resourceType":"Patient"}\nbroken\n')
    told = app.test_cli_runner().invoke(args=["fhir", "load", str(path), "--source", "claims"])
    assert told.exit_code == 1, told.output
    freshness.note(session, "other", received_at=now(), written=7)
    session.commit()

    found = {one.source: (one.written, one.rejected) for one in freshness.deliveries(session, NEW_YORK)}
    assert found == {"claims": (1, 2), "other": (7, 0)}
    session.commit()
    shown = app.test_cli_runner().invoke(args=["fhir", "freshness"]).stdout
    assert [line.split()[-2:] for line in shown.splitlines()[1:]] == [["7", "0"], ["1", "2"]]
    assert [line.split()[:3] for line in shown.splitlines()[1:]] == [["other", "in", "time"], ["claims", "in", "time"]]
    page = make_clerk(app, session, StaffRole.ADMINISTRATOR).browser.get(PAGE)
    assert '<td data-label="Rejected lines">2</td>' in page.text


def test_the_command_tells_of_what_is_not_visible_and_fails_where_that_is_overdue(app: Flask, session: Session) -> None:
    freshness.note(session, "labs", received_at=now() - timedelta(days=9), written=1)
    _begun(session, "fresh", timedelta())
    session.commit()
    told = app.test_cli_runner().invoke(args=["fhir", "freshness"])
    assert told.exit_code == 0, told.output
    rows = [line.split() for line in told.stdout.splitlines()[1:]]
    assert [row[:2] for row in rows] == [["fresh", "waiting"], ["labs", "late"]] and "not yet" in told.stdout
    _begun(session, "a source with a name that is longer than most, and whole", timedelta(days=9))
    session.commit()

    told = app.test_cli_runner().invoke(args=["fhir", "freshness"])

    assert told.exit_code == 1 and "1 overdue: run the same flask fhir load again" in told.stderr
    assert "a source with a name that is longer than most, and whole  overdue" in told.stdout


def test_a_load_that_a_later_one_replaced_is_not_waited_for(session: Session) -> None:
    _begun(session, "claims", timedelta(days=9))
    freshness.note(session, "claims", received_at=now(), written=7)

    assert [one.watch for one in freshness.deliveries(session, NEW_YORK)] == [Watch.IN_TIME]


def test_the_page_shows_what_waits_first_to_those_who_may(app: Flask, session: Session) -> None:
    freshness.note(session, "claims", received_at=now(), written=7)
    _begun(session, "<b>labs</b>", timedelta(days=9))
    session.commit()

    page = make_clerk(app, session, StaffRole.ADMINISTRATOR).browser.get(PAGE)

    assert page.status_code == 200
    assert page.text.index("&lt;b&gt;labs") < page.text.index("claims")
    assert "Overdue" in page.text and "Visible in time" in page.text and "Not yet" in page.text
    assert make_clerk(app, session, StaffRole.APP_REVIEWER).browser.get(PAGE).status_code == 404
