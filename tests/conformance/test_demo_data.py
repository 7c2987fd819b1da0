"""Searches over records of other origin: a member of the real data finds what is theirs, as the guides say."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.policy import plan_system
from fhir.loading import ingest, profiles
from service.accounts import opening, passwords
from service.conformance import runner, sandbox_file
from service.conformance.report import Verdict
from service.conformance.sections import REQUIREMENTS
from service.conformance.trial import Trial
from service.conformance.wire import Wire
from service.db import make_engine
from service.plan.members import roster
from service.plan.models import Member
from service.sandbox.sign_ins import PASSWORD
from service.settings import Settings
from tests.conformance.conftest import make_sandbox
from tests.conftest import SHARED, require, running_server

SECTIONS = ("searching", "following", "replays")
USERNAME = "real.member"


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A sandbox with the real data beside its own, and an account of the member with the most kinds of records."""
    require(SHARED is not None, "the folder with real data is not here (set SHARED)")
    assert SHARED
    folder = SHARED / "data" / "demo"
    server = running_server(Settings.from_environment({"VAR": str(tmp_path_factory.mktemp("var"))}))
    make_sandbox(server.settings)
    number = _load(server.settings, folder)
    told = json.loads(server.settings.sandbox_file.read_text())
    told["accounts"].append({"username": USERNAME, "password": PASSWORD,
                             "members": [{"relation": "self", "fhir_id": number}]})  # fmt: skip
    server.settings.sandbox_file.write_text(json.dumps(told))
    with server as running:
        yield Trial(Wire(), sandbox_file.read(running.settings.sandbox_file, USERNAME), definitions=profiles)


def _load(settings: Settings, folder: Path) -> str:
    """Load records and roster, and open the account; the FHIR id of its member."""
    engine = make_engine(settings.database_url)
    ingest.load(engine, [folder], access=plan_system("tests"))
    with (folder / "members.csv").open(encoding="utf-8", newline="") as lines:
        # Some came without a number: any will do.
        rows = [
            {**row, "member_id": row["member_id"] or f"NUMBER-{place}"}
            for place, row in enumerate(csv.DictReader(lines))
        ]
    patient = _most_kinds(folder, [row["patient"] for row in rows])
    with Session(engine) as session:
        roster.load(session, rows)
        session.flush()
        member = session.scalars(select(Member).where(Member.patient_id == patient)).one()
        person = opening.NewPerson("Real", "Member", "real.member@example.org", member_id=member.id)
        opening.open_account(session, person, username=USERNAME, password_hash=passwords.make_hash(PASSWORD))
        session.commit()
    engine.dispose()
    return patient


def _most_kinds(folder: Path, patients: Sequence[str]) -> str:
    texts = [path.read_text("utf-8") for path in folder.glob("*.ndjson")]
    return max(patients, key=lambda patient: sum(f'"Patient/{patient}"' in text for text in texts))


def test_every_search_finds_what_the_records_say(trial: Trial) -> None:
    report = runner.run(trial, REQUIREMENTS, sections=SECTIONS)

    assert [outcome.line() for outcome in report.outcomes if outcome.verdict is Verdict.FAIL] == []
    assert report.sums[Verdict.PASS] > 300
