"""Behind PgBouncer in transaction mode: a transaction runs on any connection of the server, and finds nothing there."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from consent.policy import plan_system
from fhir.loading import ingest
from service import clock
from service.app import create_app
from service.databases.connections import PoolLimits, keeps_state
from service.databases.prepared import PreparedStatements
from service.databases.reading import ReadingSessions
from service.db import Base, make_engine, make_sessions
from tests import clusters
from tests.clusters import Bouncer, Cluster
from tests.conftest import settings_on
from tests.fhir import records
from tests.oauth.desk import Desk

CALLERS = 8
ROUNDS = 6


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with clusters.running_cluster() as made:
        engine = make_engine(made.url)
        Base.metadata.create_all(engine)
        engine.dispose()
        yield made


@pytest.fixture
def bouncer(cluster: Cluster) -> Iterator[Bouncer]:
    with Bouncer(cluster, connections=2) as made:
        yield made


def test_a_pooler_is_told_from_a_server(cluster: Cluster, bouncer: Bouncer) -> None:
    for url, keeps in ((cluster.url, True), (bouncer.url, False)):
        engine = make_engine(url)
        connection = engine.raw_connection()
        driver: Any = connection.driver_connection
        assert keeps_state(driver) is keeps
        connection.close()
        engine.dispose()


def test_no_statement_leaves_a_name_or_a_setting_behind(cluster: Cluster, bouncer: Bouncer) -> None:
    engine = make_engine(bouncer.url)
    with ReadingSessions(engine).open() as reading, make_sessions(engine)() as session:
        for number in range(12):
            assert reading.driver_cursor().execute("SELECT %s::int", (number,)).fetchall() == [(number,)]
            assert session.scalar(text("SELECT CAST(:number AS int)"), {"number": number}) == number
            session.commit()
        found = session.execute(text("SELECT (SELECT count(*) FROM pg_prepared_statements),"
                                     " current_setting('plan_cache_mode')")).one()  # fmt: skip
    engine.dispose()
    assert tuple(found) == (0, "auto")


def test_two_clients_that_would_share_a_name_get_their_own_answers(bouncer: Bouncer) -> None:
    engine = make_engine(bouncer.url, PoolLimits(2 * CALLERS))

    def ask(number: int) -> list[Any]:
        connection = engine.raw_connection()
        driver: Any = connection.driver_connection
        driver.autocommit = True
        cursor = PreparedStatements(driver)
        # With names each of these would be the first one of its connection.
        found = [cursor.execute(f"SELECT {number} + %s::int", (one,)).fetchall()[0][0] for one in range(50)]
        connection.close()
        return found

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(ask, range(CALLERS)))
    engine.dispose()
    assert answers == [[number + one for one in range(50)] for number in range(CALLERS)]


def test_an_app_is_let_in_reads_refreshes_and_is_shut_out(bouncer: Bouncer, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    settings = settings_on(bouncer.url, tmp_path / "var")
    engine = make_engine(bouncer.url, PoolLimits(3 * CALLERS))
    desk = Desk(create_app(settings, engine))
    mine = desk.member.patient_id
    summary = ingest.load_resources(engine, records.record_of(mine), access=plan_system("tests"))
    assert summary.rejected == 0 and summary.added > 0

    def story(_number: int) -> None:
        app, http = desk.register(), desk.app.test_client()
        pair = desk.connect(app)
        for _ in range(ROUNDS):
            headers = {"Authorization": f"Bearer {pair['access_token']}"}
            assert http.get(f"/fhir/r4/Patient/{mine}", headers=headers).status_code == 200
            assert http.get(f"/fhir/r4/ExplanationOfBenefit?patient={mine}", headers=headers).get_json()["entry"]
            pair = desk.refresh(app, pair["refresh_token"]).get_json()
        form = {"token": pair["refresh_token"], "client_id": app.id}
        assert http.post("/oauth/revoke", data=form).status_code == 200
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        assert http.get(f"/fhir/r4/Patient/{mine}", headers=headers).status_code == 401

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(story, range(CALLERS)))
    with Session(engine) as session:
        reads = session.scalar(text("SELECT count(*) FROM audit_event WHERE tag LIKE 'fhir:%'"))
    engine.dispose()
    clock.obey(None)
    assert reads and reads >= 2 * CALLERS * ROUNDS
