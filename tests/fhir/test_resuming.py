"""A load that is killed goes on behind its last batch: nothing is lost, counted, stored or rejected twice."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from consent.policy import Access
from fhir.loading import freshness, ingest
from fhir.loading.tables import FhirLoad, FhirLoadFile, FhirLoadWaiting
from fhir.models import StoredResource, StoredVersion
from service.clock import now
from service.db import make_engine, make_sessions
from service.settings import Settings
from tests.conftest import ROOT
from tests.fhir import records

_PEOPLE = 5_000
_KILLED = """
import os, signal, sys
from pathlib import Path
import service.app
from consent.policy import plan_system
from fhir.loading import ingest
from service.db import make_engine

if __name__ == "__main__":
    url, folder, rejects, processes = sys.argv[1:]
    ingest.load(make_engine(url), [Path(folder)], access=plan_system("tests"), rejects=Path(rejects),
                processes=int(processes), progress=lambda summary: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.parametrize("processes", [2])
def test_case_178_a_killed_load_goes_on(settings: Settings, system: Access, tmp_path: Path, processes: int) -> None:
    # Through an engine of its own: a killed process leaves nothing tidy behind.
    engine = make_engine(settings.database_url)
    folder, rejects, script = tmp_path / "in", tmp_path / "rejects.ndjson", tmp_path / "killed.py"
    folder.mkdir()
    script.write_text(_KILLED)
    people = [json.dumps(records.patient(f"p{n}")) if n % 100 else "broken" for n in range(_PEOPLE)]
    (folder / "Patient.ndjson").write_text("\n".join(people))
    early = [json.dumps(records.provenance(f"v{n}", f"Observation/o{n}")) for n in range(100)]
    (folder / "Location.ndjson").write_text("\n".join(early))
    (folder / "Observation.ndjson").write_text("\n".join(
        json.dumps(records.observation(f"o{n}", f"p{n}")) for n in range(99)
    ))  # fmt: skip

    killed = subprocess.run(
        [sys.executable, str(script), settings.database_url, str(folder), str(rejects), str(processes)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2_000:]
    with make_sessions(engine)() as session:
        kept = session.scalars(select(func.count()).select_from(StoredResource)).one()
        assert 0 < kept < _PEOPLE - 100 and session.scalars(select(FhirLoadFile)).all()
        assert session.scalars(select(func.count()).select_from(FhirLoadWaiting)).one() == 100
    with rejects.open("a") as file:
        file.write("what the killed load wrote after its last batch")

    summary = ingest.load(engine, [folder], access=system, rejects=rejects, processes=0)

    assert summary.resumed
    assert (summary.read, summary.added, summary.rejected) == (_PEOPLE + 199, _PEOPLE - 50 + 198, 51)
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [one["line"] for one in told if one["rule"] == "json"] == list(range(1, _PEOPLE, 100))
    assert [one["resource"]["id"] for one in told if one["rule"] == "patient"] == ["v99"]
    with make_sessions(engine)() as session:
        assert session.scalars(select(func.count()).select_from(StoredVersion)).one() == 0
        for table in (FhirLoadFile, FhirLoadWaiting):
            assert session.scalars(select(table)).all() == []
        (load,) = session.scalars(select(FhirLoad)).all()
        assert load.finished_at is not None and load.added == summary.added
        (source,) = freshness.sources(session)
        assert source.name == "plan" and source.received_at <= source.visible_at and source.written == summary.added
    afresh = ingest.load(engine, [folder], access=system, processes=0)
    assert (afresh.resumed, afresh.added, afresh.unchanged) == (False, 0, _PEOPLE - 50 + 198)
    engine.dispose()


def test_a_load_begins_again_when_told_to(engine: Engine, system: Access, tmp_path: Path) -> None:
    path = tmp_path / "Patient.ndjson"
    path.write_text("\n".join(json.dumps(records.patient(f"p{n}")) for n in range(2_500)))

    def stop(summary: ingest.LoadSummary) -> None:
        raise InterruptedError

    for again, resumed in ((False, True), (True, False)):
        with pytest.raises(InterruptedError):
            ingest.load(engine, [path], access=system, progress=stop, processes=0, again=True)
        summary = ingest.load(engine, [path], access=system, again=again, processes=0)
        assert (summary.resumed, summary.read) == (resumed, 2_500)


def test_a_file_that_changed_meanwhile_is_read_from_its_start(engine: Engine, system: Access, tmp_path: Path) -> None:
    path = tmp_path / "Patient.ndjson"
    people = [json.dumps(records.patient(f"p{n}")) for n in range(2_500)]
    path.write_text("\n".join(people))

    def stop(summary: ingest.LoadSummary) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        ingest.load(engine, [path], access=system, progress=stop, processes=0)
    path.write_text("\n".join([json.dumps(records.patient("first")), *people]))
    before = now() - timedelta(seconds=5)
    summary = ingest.load(engine, [path], access=system, processes=0)

    with make_sessions(engine)() as session:
        assert session.scalars(select(func.count()).select_from(StoredResource)).one() == 2_501
        assert freshness.sources(session)[0].received_at > before
    assert summary.unchanged >= 2_000


def test_what_came_in_no_file_was_received_when_it_came(engine: Engine, system: Access) -> None:
    before = now()
    ingest.load_resources(engine, [records.patient("by-hand")], access=system)

    with make_sessions(engine)() as session:
        (source,) = freshness.sources(session)
        assert before <= source.received_at <= source.visible_at
