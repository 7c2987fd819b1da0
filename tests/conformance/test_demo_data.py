"""Searches over records of other origin: a member of the real data finds what is theirs, as the guides say."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from consent.policy import plan_system
from fhir.loading import ingest, profiles
from service.conformance import runner, sandbox_file
from service.conformance.report import Verdict
from service.conformance.sections import REQUIREMENTS
from service.conformance.trial import Trial
from service.conformance.wire import Wire
from service.db import make_engine, make_sessions
from service.sandbox import data_members
from service.settings import Settings
from tests.conformance.conftest import make_sandbox
from tests.conftest import SHARED, require, running_server

SECTIONS = ("searching", "following", "replays")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A sandbox with the real data beside its own, for the member with the most kinds of records."""
    require(SHARED is not None, "the folder with real data is not here (set SHARED)")
    assert SHARED
    folder = SHARED / "data" / "demo"
    server = running_server(Settings.from_environment({"VAR": str(tmp_path_factory.mktemp("var"))}))
    make_sandbox(server.settings)
    engine = make_engine(server.settings.database_url)
    ingest.load(engine, [folder], access=plan_system("tests"))
    names = data_members.add(make_sessions(engine), server.settings, folder)
    engine.dispose()
    patients = {one: sandbox_file.read(server.settings.sandbox_file, one).account.patient_id for one in names}
    chosen = _most_kinds(folder, list(patients.values()))
    username = next(name for name, patient in patients.items() if patient == chosen)
    with server as running:
        yield Trial(Wire(), sandbox_file.read(running.settings.sandbox_file, username), definitions=profiles)


def _most_kinds(folder: Path, patients: Sequence[str]) -> str:
    texts = [path.read_text("utf-8") for path in folder.glob("*.ndjson")]
    return max(patients, key=lambda patient: sum(f'"Patient/{patient}"' in text for text in texts))


def test_every_search_finds_what_the_records_say(trial: Trial) -> None:
    report = runner.run(trial, REQUIREMENTS, sections=SECTIONS)

    assert [outcome.line() for outcome in report.outcomes if outcome.verdict is Verdict.FAIL] == []
    assert report.sums[Verdict.PASS] > 300
