"""When a delivery came: the first of a source when its load began, every other one when its newest file was changed."""

import json
import os
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.loading import freshness, ingest
from fhir.loading.freshness import Watch
from service.clock import now
from tests.conftest import MovableClock
from tests.fhir import records

NEW_YORK = ZoneInfo("America/New_York")


def written(path: Path, ago: timedelta) -> Path:
    """A file of one person that was last changed so long ago."""
    path.write_text(json.dumps(records.patient(path.stem)) + "\n")
    at = (now() - ago).timestamp()
    os.utime(path, (at, at))
    return path


def watch(session: Session) -> list[Watch]:
    found = [one.watch for one in freshness.deliveries(session, NEW_YORK)]
    session.commit()
    return found


def test_a_history_that_is_loaded_first_is_not_late_nor_when_it_is_loaded_again(
    engine: Engine, session: Session, system: Access, tmp_path: Path, clock: MovableClock
) -> None:
    before = now()
    first, second = (written(tmp_path / f"{name}.ndjson", timedelta(days=400)) for name in ("one", "two"))
    ingest.load(engine, [first], access=system, source="claims")
    ingest.load(engine, [second], access=system, source="claims")
    (one,) = freshness.deliveries(session, NEW_YORK)
    assert one.watch is Watch.IN_TIME and before <= one.received_at <= now() and one.written == 2
    session.commit()

    clock.advance(9 * 86_400)
    ingest.load(engine, [first], access=system, source="claims")
    assert watch(session) == [Watch.IN_TIME], "the same delivery again"

    ingest.load(engine, [written(tmp_path / "three.ndjson", timedelta(days=5))], access=system, source="claims")
    assert watch(session) == [Watch.LATE], "the next one came when its file was written"
    ingest.load(engine, [first], access=system, source="labs")
    assert watch(session) == [Watch.IN_TIME, Watch.LATE], "each source has a first load of its own"


@pytest.mark.parametrize("again", [False, True])
def test_a_first_load_that_is_interrupted_is_due_a_business_day_after_it_began(
    engine: Engine, session: Session, system: Access, tmp_path: Path, clock: MovableClock, again: bool
) -> None:
    path = tmp_path / "many.ndjson"
    path.write_text("".join(json.dumps(records.patient(f"p{n}")) + "\n" for n in range(2_500)))
    at = (now() - timedelta(days=400)).timestamp()
    os.utime(path, (at, at))

    def stop(_: ingest.LoadSummary) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        ingest.load(engine, [path], access=system, source="claims", progress=stop, processes=0)
    assert watch(session) == [Watch.WAITING]
    clock.advance(9 * 86_400)
    assert watch(session) == [Watch.OVERDUE]
    ingest.load(engine, [path], access=system, source="claims", processes=0, again=again)
    assert watch(session) == [Watch.LATE]
