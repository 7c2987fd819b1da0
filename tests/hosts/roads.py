"""What the roads to the database cost: a read and a search straight, behind PgBouncer, and with a replica, in turns."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median
from typing import Any

from consent.policy import plan_system
from fhir.loading import ingest
from service import clock
from service.app import create_app
from service.db import make_engine
from service.settings import Settings
from tests.fhir import records
from tests.oauth.desk import Desk

ROADS = ("straight", "behind PgBouncer", "with a replica, straight")
Times = dict[str, list[float]]


def measure(settings: Settings, urls: tuple[str, str, str], tries: int) -> tuple[Times, Times]:
    """Milliseconds of reads and of searches by road; `urls` are the server's, PgBouncer's and the replica's."""
    straight, pooled, replica = urls
    read: Times = {road: [] for road in ROADS}
    searched: Times = {road: [] for road in ROADS}
    with (
        _client(settings, straight) as (first, headers, mine),
        _client(settings, pooled, headers) as (second, _, _),
        _client(settings, straight, headers, replica) as (third, _, _),
    ):
        clients = dict(zip(ROADS, (first, second, third), strict=True))
        for _ in range(tries):
            for road, client in clients.items():
                read[road].append(_took(client, f"/fhir/r4/Patient/{mine}", headers))
                searched[road].append(_took(client, f"/fhir/r4/Observation?patient={mine}", headers))
    return read, searched


def told(times: Times) -> str:
    """Medians, and each ÷ the straight road."""
    least = median(times[ROADS[0]])
    return ", ".join(
        f"{road} {median(found):.1f} ms" + (f" ({median(found) / least:.2f})" if road != ROADS[0] else "")
        for road, found in times.items()
    )


@contextmanager
def _client(
    settings: Settings, url: str, headers: dict[str, str] | None = None, replica: str = ""
) -> Iterator[tuple[Any, dict[str, str], str]]:
    given = replace(settings, base_url="http://localhost", database_url=url, database_read_url=replica)
    engine = make_engine(url)
    app, mine = create_app(given, engine), ""
    if headers is None:
        desk = Desk(app)
        mine = desk.member.patient_id
        ingest.load_resources(engine, records.record_of(mine), access=plan_system("hosts"))
        headers = {"Authorization": f"Bearer {desk.connect(desk.register())['access_token']}"}
    yield app.test_client(), headers, mine
    engine.dispose()
    clock.obey(None)


def _took(client: Any, path: str, headers: dict[str, str]) -> float:
    began = time.perf_counter()
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return (time.perf_counter() - began) * 1e3
