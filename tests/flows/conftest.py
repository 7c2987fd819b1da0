"""Fixtures of the whole stories: a running server for all of a file, and a desk on its database for each story."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask

from consent.policy import plan_system
from fhir import store
from service import clock
from service.app import create_app
from service.db import Base, make_engine
from tests.conftest import BOTH, new_schema, running_server, settings_on
from tests.oauth.desk import Desk


@pytest.fixture(scope="module", params=BOTH)
def served(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """The application, and a server with two workers on the same database and address."""
    folder: Path = tmp_path_factory.mktemp("served")
    with ExitStack() as stack:
        if request.param == "sqlite":
            shutil.copy(sqlite_template, folder / "latchstring.db")
            url = f"sqlite:///{folder}/latchstring.db"
        else:
            url = stack.enter_context(new_schema())
        engine = make_engine(url)
        stack.callback(engine.dispose)
        Base.metadata.create_all(engine)
        server = stack.enter_context(running_server(settings_on(url, folder)))
        yield create_app(server.settings, engine)
    clock.obey(None)


@pytest.fixture
def live_desk(served: Flask) -> Desk:
    """A desk of each story's own, whose member has a Patient."""
    desk = Desk(served)
    with desk.session() as session:
        patient = {
            "resourceType": "Patient", "id": desk.member.patient_id, "gender": "female",
            "name": [{"family": desk.member.family_name, "given": [desk.member.given_name]}],
            "identifier": [{"system": "https://plan.example/members", "value": desk.member.member_number}],
        }  # fmt: skip
        store.put(session, plan_system("test"), patient)
    return desk
