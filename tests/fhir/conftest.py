"""Fixtures of the FHIR tests: two members' records, an app's calls, the real data where it is present."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from consent.policy import Access, plan_system
from fhir.loading import ingest
from service.db import Base, make_engine
from tests.conftest import SHARED, new_schema, require
from tests.fhir import records
from tests.oauth.desk import Desk

OTHER = "other-patient"


@dataclass
class Api:
    """The member API as an app calls it with one token."""

    client: FlaskClient
    patient_id: str
    token: str
    base: str
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **given: Any) -> TestResponse:
        """GET below the base."""
        return self.call("GET", path, **given)

    def post_search(self, resource_type: str, form: Any, **given: Any) -> TestResponse:
        """POST _search."""
        return self.call("POST", f"{resource_type}/_search", data=form, **given)

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, **given: Any) -> TestResponse:
        """Any call; `path` may be a whole address of ours."""
        address = path.removeprefix(self.base).lstrip("/")
        sent = {"Authorization": f"Bearer {self.token}"} | self.headers | (headers or {})
        return self.client.open(f"/fhir/r4/{address}", method=method, headers=sent, **given)

    def ids(self, path: str, **given: Any) -> list[str]:
        """The ids of the matches of a search that succeeds."""
        return ids(self.get(path, **given))


def bundle(response: TestResponse) -> dict[str, Any]:
    """The Bundle of a search that succeeded."""
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.get_json()
    assert found["resourceType"] == "Bundle"
    return found


def entries(response: TestResponse, mode: str = "match") -> list[dict[str, Any]]:
    """The resources of one mode."""
    return [one["resource"] for one in bundle(response).get("entry", []) if one["search"]["mode"] == mode]


def ids(response: TestResponse, mode: str = "match") -> list[str]:
    """Their ids."""
    return [one["id"] for one in entries(response, mode)]


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A desk that gets tokens."""
    return Desk(app)


@pytest.fixture
def system() -> Access:
    """The plan's own access."""
    return plan_system("tests")


@pytest.fixture
def loaded(desk: Desk, engine: Engine, system: Access) -> str:
    """The member's and another patient's records are stored; gives the member's patient id."""
    mine = desk.member.patient_id
    resources = [*records.shared(), *records.record_of(mine), *records.record_of(OTHER)]
    summary = ingest.load_resources(engine, resources, access=system)
    assert summary.rejected == 0, summary.problems
    return mine


@pytest.fixture
def connect(desk: Desk, loaded: str) -> Callable[..., Api]:
    """Let an app in with some scopes."""

    def connected(scope: str = "openid fhirUser launch/patient patient/*.rs", **given: Any) -> Api:
        token = desk.connect(desk.register(), scope=scope, **given)["access_token"]
        return Api(desk.app.test_client(), loaded, token, desk.settings.fhir_base)

    return connected


@pytest.fixture
def api(connect: Callable[..., Api]) -> Api:
    """An app that may read and search all of the member's record."""
    return connect()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def demo_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The real data, loaded once for a module's tests."""
    require(SHARED is not None, "the folder with real data is not here (set SHARED)")
    assert SHARED
    if request.param == "sqlite":
        yield from _with_demo(f"sqlite:///{tmp_path_factory.mktemp('demo')}/demo.db", SHARED / "data" / "demo")
        return
    with new_schema() as url:
        yield from _with_demo(url, SHARED / "data" / "demo")


def _with_demo(url: str, folder: Path) -> Iterator[Engine]:
    made = make_engine(url)
    Base.metadata.create_all(made)
    ingest.load(made, [folder], access=plan_system("tests"))
    yield made
    made.dispose()


@pytest.fixture
def demo(demo_engine: Engine) -> Iterator[Session]:
    """A session on the real data."""
    with Session(demo_engine) as made:
        yield made
