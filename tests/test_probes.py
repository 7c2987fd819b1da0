"""Probes and counters: alive, ready, and what was counted, without anybody's name and for nobody without the token."""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text

from fhir.loading import freshness
from fhir.loading.freshness import Watch
from fhir.loading.tables import FhirLoad
from service import jobs, mail
from service.app import create_app
from service.clock import now
from service.databases import schema
from service.db import make_sessions
from service.environment import UnsafeSetting
from service.settings import Settings
from service.watching import metrics
from service.watching.metrics import Counters
from tests.attacks.chains import Chain
from tests.cli.conftest import stamp
from tests.conftest import MovableClock, free_port, wait_until

TOKEN = "a-token-of-some-length-0123456789"


@pytest.fixture
def stamped(engine: Engine) -> Iterator[Engine]:
    stamp(engine, schema.newest())
    yield engine
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))


def counting(settings: Settings, engine: Engine) -> Flask:
    return create_app(replace(settings, metrics_token=TOKEN), engine)


def scrape(app: Flask) -> dict[str, float]:
    answer = app.test_client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200 and answer.content_type.startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert all(re.fullmatch(r"# (HELP|TYPE) .+|[a-z_]+(\{[^{}]*\})? -?[\d.e+-]+", line) for line in lines), lines
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_a_disk_that_takes_no_counters_spoils_no_answer(settings: Settings, engine: Engine) -> None:
    app = counting(settings, engine)
    settings.var.mkdir(parents=True, exist_ok=True)
    (settings.var / "metrics").write_text("no folder")
    assert app.test_client().get("/sign-in").status_code == 200


def test_what_waits_is_told_while_the_counters_cannot_be_read(settings: Settings, engine: Engine) -> None:
    app = counting(settings, engine)
    settings.var.mkdir(parents=True, exist_ok=True)
    (settings.var / "metrics").write_text("no folder")
    found = scrape(app)
    assert found["latchstring_database_answers"] == 1
    assert not any(name.startswith("latchstring_requests_total") for name in found)


def test_case_183_a_scrape_makes_and_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    assert 'latchstring_requests_total{area="oauth",status="2xx"} 0' in list(Counters(folder).lines())
    assert not folder.exists()
    Counters(folder).count("oauth", 200, 0.02)
    (folder / "lock").write_text("as it was")
    assert 'latchstring_requests_total{area="oauth",status="2xx"} 1' in list(Counters(folder).lines())
    assert (folder / "lock").read_text() == "as it was"


def test_case_183_a_process_counts_once_the_disk_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, counters = tmp_path / "metrics", Counters(tmp_path / "metrics")
    folder.write_text("no folder")
    with pytest.raises(FileExistsError):
        counters.count("oauth", 200, 0.02)
    folder.unlink()
    counters.count("oauth", 200, 0.02)
    assert not folder.exists(), "it is not tried at every answer"
    passed = metrics.monotonic() + metrics._TRY_AGAIN
    monkeypatch.setattr(metrics, "monotonic", lambda: passed)
    counters.count("oauth", 200, 0.02)
    assert 'latchstring_requests_total{area="oauth",status="2xx"} 1' in list(counters.lines())


def test_case_183_the_room_of_counters_is_taken_before_anything_is_counted(tmp_path: Path) -> None:
    Counters(tmp_path)._open()
    (path,) = tmp_path.glob("*.counts")
    with path.open("rb") as file:
        # Elsewhere the disk is asked at the first count, and a full one kills the process.
        assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) == path.stat().st_size == metrics._SIZE


def test_alive_asks_nobody(app: Flask, engine: Engine) -> None:
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    answer = app.test_client().get("/health/live")
    assert answer.status_code == 200 and answer.json == {"status": "alive"} and "Set-Cookie" not in answer.headers
    assert asked == []


def test_ready_when_the_database_has_the_newest_schema(app: Flask, stamped: Engine) -> None:
    answer = app.test_client().get("/health/ready")
    assert (answer.status_code, answer.json) == (200, {"status": "ready"})
    stamp(stamped, "0001")
    answer = app.test_client().get("/health/ready")
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "reason": "schema"})
    assert answer.headers["Retry-After"] == "5"


def test_a_crowd_of_probes_takes_one_connection(app: Flask, stamped: Engine) -> None:
    app.test_client().get("/health/ready")
    asked, went_on = [], Event()

    def slow(connection: Any, *_: Any) -> None:
        asked.append(connection)
        went_on.wait(10)

    event.listen(stamped, "checkout", slow)
    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(app.test_client().get, "/health/ready")
        wait_until(lambda: bool(asked), 10, "nobody asks")
        others = list(pool.map(lambda _: app.test_client().get("/health/ready").status_code, range(19)))
        went_on.set()
        assert first.result().status_code == 200
    event.remove(stamped, "checkout", slow)
    assert others == [200] * 19 and len(asked) <= 2


def test_not_ready_without_a_schema_or_a_database(app: Flask, settings: Settings) -> None:
    assert app.test_client().get("/health/ready").json == {"status": "not ready", "reason": "schema"}
    away = create_app(replace(settings, database_url=f"postgresql+psycopg://127.0.0.1:{free_port()}/plan"))
    answer = away.test_client().get("/health/ready")
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "reason": "database"})


def test_counters_are_there_for_the_token_only(app: Flask, settings: Settings, engine: Engine) -> None:
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert app.test_client().get("/metrics", headers=right).status_code == 404
    counted = counting(settings, engine).test_client()
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": "é"}):
        answer = counted.get("/metrics", headers=headers)
        assert answer.status_code == 401 and "latchstring_" not in answer.text


@pytest.mark.parametrize("token", ["short", "é" * 40])
def test_a_weak_token_is_refused_by_name(tmp_path: Path, token: str) -> None:
    with pytest.raises(UnsafeSetting, match="METRICS_TOKEN"):
        Settings.from_environment({"VAR": str(tmp_path), "METRICS_TOKEN": token})


def test_answers_are_counted_by_area_and_status(settings: Settings, engine: Engine) -> None:
    app = counting(settings, engine)
    browser = app.test_client()
    for path in ("/sign-in", "/sign-in", "/nowhere/rosa-vale", "/fhir/r4/Patient/patient-of-mine", "/fhir/r4/metadata"):
        browser.get(path)
    browser.get("/health/live")
    found = scrape(app)

    assert found['latchstring_requests_total{area="pages",status="2xx"}'] == 2
    assert found['latchstring_requests_total{area="pages",status="4xx"}'] == 1
    assert found['latchstring_requests_total{area="fhir",status="2xx"}'] == 1
    assert found['latchstring_requests_total{area="fhir",status="4xx"}'] == 1
    assert found['latchstring_request_seconds_count{area="pages"}'] == 3
    assert found['latchstring_request_seconds_bucket{area="pages",le="+Inf"}'] == 3
    assert found['latchstring_request_seconds_sum{area="fhir"}'] > 0
    assert not any(word in " ".join(found) for word in ("rosa", "patient-of-mine", "/"))


def test_what_waits_is_told(settings: Settings, engine: Engine) -> None:
    sessions = make_sessions(engine)
    with sessions.begin() as session:
        mail.enqueue(session, to="rosa@example.org", template="app_disconnected")
    jobs.take_lease(sessions, "mail", "somebody")
    found = scrape(counting(settings, engine))

    assert found["latchstring_mail_waiting"] == 1 and found["latchstring_mail_parked"] == 0
    assert 0 < found['latchstring_job_lease_seconds{job="mail"}'] <= 60
    assert found["latchstring_database_answers"] == 1
    assert found['latchstring_job_failures_total{job="mail"}'] == 0


def test_what_no_checkpoint_saw_and_deliveries_are_told(
    settings: Settings, engine: Engine, clock: MovableClock
) -> None:
    app, chain = counting(settings, engine), Chain(engine, settings)
    found = scrape(app)
    assert found["latchstring_audit_unseen_seconds"] == 0 and found['latchstring_deliveries{watch="overdue"}'] == 0
    chain.record(1)
    with make_sessions(engine).begin() as session:
        freshness.note(session, 'la"bs\\', received_at=now() - timedelta(days=9), written=1)
        for source, days in (("claims", 9), ("claims", 0), ("visits", 9)):
            received = now() - timedelta(days=days)
            session.add(FhirLoad(source=source, files_digest=source, received_at=received, started_at=now()))
    clock.advance(100)

    found = scrape(app)

    assert 100 <= found["latchstring_audit_unseen_seconds"] < 110
    counted = {watch: found[f'latchstring_deliveries{{watch="{watch}"}}'] for watch in Watch}
    assert counted == {"in_time": 0, "late": 1, "waiting": 1, "due_soon": 0, "overdue": 2, "given_up": 0}
    assert found['latchstring_source_age_seconds{source="la\\"bs\\\\"}'] >= 9 * 86_400
    chain.checkpoint()
    assert scrape(app)["latchstring_audit_unseen_seconds"] == 0


def test_jobs_that_broke_are_counted(settings: Settings, engine: Engine) -> None:
    sessions, faults = make_sessions(engine), [LookupError(), LookupError()]

    def mends(_sessions: object, _settings: Settings) -> None:
        if faults:
            raise faults.pop()

    counted = []
    for _ in range(3):
        jobs.Worker(sessions, settings, [jobs.Job("mail", 1, mends)]).run_once()
        found = scrape(counting(settings, engine))
        counted.append([found[f'latchstring_job_failures_{one}{{job="mail"}}'] for one in ("total", "in_row")])
    assert counted == [[1, 1], [2, 2], [2, 0]]


def test_counters_answer_while_the_database_is_away(settings: Settings) -> None:
    url = f"postgresql+psycopg://127.0.0.1:{free_port()}/plan"
    found = scrape(create_app(replace(settings, database_url=url, metrics_token=TOKEN)))
    assert found["latchstring_database_answers"] == 0


def test_all_processes_are_added_up_and_none_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counters, alive = [Counters(tmp_path) for _ in range(3)], {1, 2, 3}
    monkeypatch.setattr(metrics, "_is_alive", lambda pid: pid in alive)
    for pid, each in enumerate(counters, 1):
        monkeypatch.setattr(metrics.os, "getpid", lambda pid=pid: pid)
        each.count("oauth", 200, 0.02)
    line = 'latchstring_requests_total{area="oauth",status="2xx"} 3'
    assert line in list(counters[0].lines())

    alive -= {1, 2}
    monkeypatch.setattr(metrics.os, "getpid", lambda: 4)
    Counters(tmp_path).count("oauth", 500, 20.0)
    assert sorted(path.stem for path in tmp_path.glob("*.counts")) == ["3", "4", "ended"]
    lines = list(counters[2].lines())
    assert line in lines and 'latchstring_request_seconds_bucket{area="oauth",le="10.0"} 3' in lines
    assert 'latchstring_request_seconds_count{area="oauth"} 4' in lines
