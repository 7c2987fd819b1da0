"""security.md, case 195: a database of each release is brought to the newest schema, and everything in it goes on."""

import configparser
from dataclasses import replace

import pytest
from sqlalchemy import text

from service.app import create_app
from service.audit_chain import verifier
from service.audit_chain.checkpoints import CheckpointLog
from service.audit_chain.keys import AuditKey
from service.clock import now
from service.databases import schema
from service.db import make_engine, microseconds
from service.sandbox.schema import bring_up_to_date
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.conftest import ROOT, MovableClock
from tests.upgrades import snapshots
from tests.upgrades.snapshots import KEY


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Releases start from nothing."""
    return empty_database_url


def _dialect(settings: Settings) -> str:
    return settings.database_url.partition(":")[0].partition("+")[0]


@pytest.mark.parametrize("version", snapshots.versions("sqlite"))
def test_case_195_what_a_release_left_is_served_by_this_one(
    settings: Settings, clock: MovableClock, version: str
) -> None:
    settings = replace(settings, secret_key=KEY)
    kept = snapshots.read(version, _dialect(settings))
    snapshots.restore(settings, kept)
    bring_up_to_date(settings)
    clock.advance((kept.at - microseconds(now())) / 1_000_000 + 60)
    engine = make_engine(settings.database_url)
    app = create_app(settings, engine)
    told, browser = kept.told, app.test_client()

    # Who was signed in still is, and sees the app; nobody is asked again.
    browser.set_cookie("sid", told["sid"])
    page = browser.get("/apps")
    assert page.status_code == 200 and told["app"] in page.text
    headers = {"Authorization": f"Bearer {told['access_token']}"}
    patient = app.test_client().get(f"/fhir/r4/Patient/{told['patient']}", headers=headers)
    assert patient.status_code == 200 and patient.get_json()["id"] == told["patient"]
    claims = app.test_client().get("/fhir/r4/ExplanationOfBenefit", headers=headers)
    assert claims.get_json()["entry"]
    form = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"], "client_id": told["client"]}
    assert app.test_client().post("/oauth/token", data=form).status_code == 200
    assert Visitor(app).sign_in(told["username"]).status_code == 303
    verdict = verifier.verify(engine, CheckpointLog(settings.var / "none"), AuditKey(KEY))
    assert verdict.fault is None and verdict.rows > 0
    assert app.test_client().get("/health/ready").status_code == 200
    engine.dispose()


def test_case_195_every_release_has_its_snapshot_on_both_databases() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["version"] in snapshots.versions("sqlite")
    assert snapshots.versions("sqlite") == snapshots.versions("postgresql")


def test_case_195_this_release_waits_on_an_older_schema_and_works_on_a_newer_one(settings: Settings) -> None:
    """Rolling on: migrate, then the new servers. Rolling back: the old servers, on the schema as it is."""
    bring_up_to_date(settings)
    engine = make_engine(settings.database_url)
    app = create_app(settings, engine)
    for number, status in (("0001", 503), (schema.newest(), 200), ("0999", 200), ("1000", 503)):
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})
        assert app.test_client().get("/health/ready").status_code == status, number
    engine.dispose()
