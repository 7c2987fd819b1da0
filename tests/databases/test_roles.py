"""deploy/roles.sql: the servers' role of PostgreSQL serves all there is to serve, and cannot touch what was audited.

Case 169 of security.md.
"""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from consent.policy import plan_system
from fhir.loading import ingest
from service.app import JOBS, create_app
from service.audit_chain import verifier
from service.audit_chain.checkpoints import CheckpointLog
from service.audit_chain.keys import AuditKey
from service.db import make_engine, make_sessions
from service.jobs import Worker
from service.settings import Settings
from tests.cli.conftest import lines_of, look_over, sound
from tests.conftest import ROOT, require
from tests.fhir import records
from tests.oauth.desk import Desk

__all__ = ["sound"]
AUDIT = ("audit_event", "audit_subject", "audit_seal", "audit_purge")
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def schema_of(url: str) -> str:
    """The schema that a test's database URL names first."""
    options = make_url(url).query["options"]
    return str(options).partition("search_path=")[2].partition(" ")[0]


def as_role(settings: Settings, role: str) -> Settings:
    """The same database, asked by this role."""
    url = make_url(settings.database_url)
    query = {key: value for key, value in url.query.items() if key != "user"}
    return replace(
        settings, database_url=url.set(username=role, password=None, query=query).render_as_string(hide_password=False)
    )


@pytest.fixture
def role(settings: Settings, engine: Engine) -> Iterator[str]:
    """A role that deploy/roles.sql made, twice over."""
    psql, name = shutil.which("psql"), f"server_{uuid4().hex[:12]}"
    require(psql, "psql is missing: install the client of PostgreSQL")
    assert psql
    url = make_url(settings.database_url).set(drivername="postgresql", query={
        key: value for key, value in make_url(settings.database_url).query.items() if key != "options"
    })  # fmt: skip
    command = [
        psql, "-X", "-q", "-d", url.render_as_string(hide_password=False), "-v", f"server={name}", "-v",
        f"schema={schema_of(settings.database_url)}", "-f", str(ROOT / "deploy/roles.sql"),
    ]  # fmt: skip
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and not done.stderr, done.stderr
    yield name
    with engine.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))


@pytest.fixture
def served(settings: Settings, role: str) -> Iterator[Flask]:
    """The application as the servers' role."""
    theirs = as_role(settings, role)
    made = make_engine(theirs.database_url)
    yield create_app(theirs, made)
    made.dispose()


def test_case_169_the_servers_role_serves_and_cannot_change_what_was_audited(
    served: Flask, settings: Settings, engine: Engine, role: str
) -> None:
    desk = Desk(served)
    theirs = make_engine(desk.settings.database_url)
    patient = desk.member.patient_id
    assert patient is not None
    assert ingest.load_resources(theirs, records.record_of(patient), access=plan_system("test")).rejected == 0
    app = desk.register()
    tokens = desk.connect(app)
    browser, bearer = served.test_client(), {"Authorization": f"Bearer {tokens['access_token']}"}
    assert browser.get(f"/fhir/r4/Patient/{patient}", headers=bearer).status_code == 200
    assert browser.get("/fhir/r4/ExplanationOfBenefit", headers=bearer).get_json()["total"] > 0
    assert desk.sign_in(browser).status_code == 303
    tokens = desk.refresh(app, tokens["refresh_token"]).get_json()
    revoked = browser.post("/oauth/revoke", data={"token": tokens["refresh_token"], "client_id": app.id})
    assert revoked.status_code == 200 and not desk.works(tokens["access_token"])
    sessions = make_sessions(theirs)
    assert Worker(sessions, desk.settings, JOBS).run_once() == []

    with engine.connect() as connection:
        counts = {one: connection.execute(text(f"SELECT count(*) FROM {one}")).scalar_one() for one in AUDIT}
    assert counts["audit_event"] > 5 and counts["audit_seal"] == counts["audit_event"]
    for deed in (
        "UPDATE audit_event SET reason = 'x'", "UPDATE audit_subject SET event_id = 1",
        "UPDATE audit_seal SET hash = 'x'",
        *(f"DELETE FROM {one}" for one in AUDIT), *(f"TRUNCATE {one}" for one in AUDIT),
        "ALTER TABLE audit_event DISABLE TRIGGER ALL", "DROP TABLE audit_seal", "DELETE FROM audit_sealing",
        "SET session_replication_role = replica",
    ):  # fmt: skip
        with theirs.connect() as connection, pytest.raises(ProgrammingError) as refused:
            connection.execute(text(deed))
        assert refused.value.orig is not None and type(refused.value.orig).__name__ == "InsufficientPrivilege", deed
    theirs.dispose()
    whole = verifier.verify(engine, CheckpointLog(settings.checkpoints_folder), AuditKey(settings.secret_key))
    assert whole.fault is None


def test_the_doctor_tells_the_owner_from_the_servers_role(sound: Flask, role: str, settings: Settings) -> None:
    (owners, *_) = [line for line in lines_of(look_over(sound), "audit") if "may change what was audited" in line]
    assert owners.startswith("doubtful") and "deploy/roles.sql" in owners
    theirs = as_role(settings, role)
    made = make_engine(theirs.database_url)
    told = look_over(create_app(theirs, made))
    made.dispose()
    assert lines_of(told, "audit") and "may change what was audited" not in told.stdout
