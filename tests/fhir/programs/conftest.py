"""A plan that has lists of attribution and matching for other payers switched on, its program, and its members."""

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.settings import Settings
from tests.factories import make_account, make_member
from tests.fhir.conftest import OTHER
from tests.fhir.exporting import Exporter, exporter
from tests.fhir.programs.looks import People
from tests.oauth.desk import Desk


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Lists of attribution and matching for other payers are there."""
    var = tmp_path / "var"
    var.mkdir()
    environment = {"VAR": str(var), "DATABASE_URL": database_url, "BASE_URL": "http://localhost"}
    switched_on = {"PROVIDER_ACCESS": "yes", "PAYER_TO_PAYER": "yes"}
    return replace(Settings.from_environment(environment | switched_on), testing=True)


@pytest.fixture
def people(desk: Desk, loaded: str, session: Session) -> People:
    """Rosa is the desk's member, Omar has the other record, Nora has none."""
    omar, nora = make_member(session, patient_id=OTHER), make_member(session)
    made = People(desk, desk.account, make_account(session, member=omar), make_account(session, member=nora))
    session.commit()
    return made


@pytest.fixture
def plan(app: Flask, desk: Desk, loaded: str) -> Exporter:
    return exporter(app, desk, name="Quality program")
