"""`make hosts`: two hosts on plain ports, one database behind PgBouncer, a replica, a proxy that takes them in turn.

A member connects an app, sees it and revokes it in Chromium, and the whole self-test runs, through the proxy, so that
each request meets the other host than the one before. Then apps are let in on one host and ended on the other, again
and again, with the replica held back too.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Error as PlaywrightError

from service import clock
from service.app import create_app
from service.db import make_engine
from service.settings import Settings
from tests import clusters
from tests.clusters import Bouncer, Cluster
from tests.conftest import ROOT, answers, free_port, wait_until
from tests.faults import figures
from tests.faults.figures import NO_PROMISE, Figure
from tests.hosts import browser_story, roads
from tests.oauth.desk import Desk
from tests.proxies import Proxy

_AS_PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1"}
_PROMISED = 100
_FLASK = (sys.executable, "-m", "flask", "--app", "wsgi:app")


@dataclass(frozen=True)
class Place:
    """All that runs: the hosts by their ports, and what is behind them."""

    proxy: Proxy
    ports: tuple[int, int]
    primary: Cluster
    replica: Cluster
    settings: Settings
    handout: Path


def parser() -> argparse.ArgumentParser:
    """What it takes."""
    asked = argparse.ArgumentParser(prog="make hosts", description=__doc__)
    asked.add_argument(
        "--rounds", type=int, default=_PROMISED, help="apps that are let in on one host and ended on the other"
    )
    figures.add_options(asked)
    return asked


def main() -> int:
    """Run it as asked; 1 where a figure is missed."""
    given = parser().parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as place:
        rows = [
            *_story(place), *_self_test(place), *_ends_across_hosts(place, given.rounds),
            *_cost_of_roads(place, given.rounds),
        ]  # fmt: skip
    return figures.end(rows, given)


@contextmanager
def running(folder: Path) -> Iterator[Place]:
    """Start everything, and end it."""
    with ExitStack() as stack:
        primary, replica = stack.enter_context(clusters.running_pair(fsync="on"))
        to_primary = stack.enter_context(Bouncer(primary, connections=8))
        to_replica = stack.enter_context(Bouncer(replica, connections=8))
        proxy, ports = Proxy(folder / "nginx"), (free_port(), free_port())
        environments = [_environment(folder / name, proxy, to_primary, to_replica) for name in ("a", "b")]
        subprocess.run(
            [*_FLASK, "sandbox", "create"], cwd=ROOT, env=environments[0], check=True, stdout=subprocess.DEVNULL
        )
        for port, environment in zip(ports, environments, strict=True):
            stack.enter_context(_process(_server(port), environment))
        stack.enter_context(_process([*_FLASK, "worker", "run"], environments[1]))
        wait_until(lambda: all(map(answers, ports)), 120, "the hosts did not start")
        stack.enter_context(proxy.stand_before(ports))
        settings = Settings.from_environment(environments[0])
        yield Place(proxy, ports, primary, replica, settings, folder / "a" / "sandbox.json")


def _environment(var: Path, proxy: Proxy, to_primary: Bouncer, to_replica: Bouncer) -> Mapping[str, str]:
    var.mkdir()
    others = {"SECRET_KEY_FILE", "PLAN_FILE", "HOST", "PORT"}
    return {name: value for name, value in os.environ.items() if name not in others} | {
        "MODE": "sandbox", "VAR": str(var), "BASE_URL": proxy.url, "SECRET_KEY": "5c" * 16 + "a7" * 16,
        "DATABASE_URL": to_primary.url, "DATABASE_READ_URL": to_replica.url, "TRUSTED_PROXIES": "1",
        # One folder for both hosts, as on a disk that they share; each has a file of its own in it.
        "REVOCATION_JOURNAL": str(var.parent / "journal"), "EXPORT_FOLDER": str(var.parent / "exports"),
        "SMTP_PORT": str(free_port()),
    }  # fmt: skip


def _server(port: int) -> list[str]:
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--host", "127.0.0.1",
        "--port", str(port), "--workers", "2", "--blocking-threads", "64", "--log-level", "error",
        "--workers-kill-timeout", "3", "wsgi:app",
    ]  # fmt: skip


@contextmanager
def _process(command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _story(place: Place) -> Iterator[Figure]:
    """A member at a phone, with the unmodified SMART JS client."""
    promise = "connect an app, see it, revoke it, in a browser: each request on the other host"
    try:
        seconds = browser_story.tell(place.proxy.url, json.loads(place.handout.read_text("utf-8")))
    except (AssertionError, PlaywrightError) as fault:
        yield Figure(promise, "the app is out", str(fault).splitlines()[0], False)
    else:
        yield Figure(promise, "the app is out", f"it is, after {seconds:.0f} s", True)


def _self_test(place: Place) -> Iterator[Figure]:
    """The story of a member and of an app, and every other requirement that the self-test knows."""
    report = place.handout.with_name("report.json")
    before = _replica_reads(place)
    done = subprocess.run(
        [*_FLASK, "conformance", "run", "--sandbox-file", str(place.handout), "--json", str(report),
         "--ca-file", str(place.proxy.certificates.authority)],
        cwd=ROOT, env=os.environ | {"MODE": "sandbox", "VAR": str(place.handout.parent)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
    verdicts = [one["verdict"] for one in _requirements(json.loads(report.read_text("utf-8")))]
    told = ", ".join(f"{verdicts.count(word)} {word}" for word in sorted(set(verdicts)))
    promise = "the self-test (connect, see, revoke and the rest), each request on the other host"
    yield Figure(promise, "0 fail", told, done.returncode == 0)
    reads = _replica_reads(place) - before
    told = f"{reads} index scans of `resource` there"
    yield Figure("the replica answers reads of FHIR data", "some", told, reads > 0)


def _requirements(report: Any) -> list[Any]:
    if isinstance(report, dict):
        if "verdict" in report:
            return [report]
        return [one for value in report.values() for one in _requirements(value)]
    return [one for value in report for one in _requirements(value)] if isinstance(report, list) else []


def _replica_reads(place: Place) -> int:
    [(scans,)] = place.replica.sql("SELECT coalesce(sum(idx_scan), 0)::int FROM pg_stat_user_indexes"
                                   " WHERE relname = 'resource'")  # fmt: skip
    return int(scans)


def _ends_across_hosts(place: Place, rounds: int) -> Iterator[Figure]:
    engine = make_engine(place.settings.database_url)
    # What happens in pages was the self-test's matter: here the yes itself is enough, in this process.
    desk = Desk(create_app(replace(place.settings, base_url="http://localhost"), engine))
    alive: list[str] = []
    times: list[float] = []
    for number in range(rounds):
        here, there = place.ports if number % 2 else reversed(place.ports)
        # The second half with a replica that hears of nothing.
        if number == rounds // 2:
            place.replica.hold_back()
        app = desk.register()
        pair = _token(here, desk.agree(app).form())
        path = f"/fhir/r4/Patient?_id={desk.member.patient_id}"
        if _status(there, path, pair) != 200:
            alive.append(f"round {number}: the other host does not know the token")
        pair = _token(there, {
            "grant_type": "refresh_token", "refresh_token": pair["refresh_token"], "client_id": app.id,
        })  # fmt: skip
        began = time.perf_counter()
        _post(here, "/oauth/revoke", {"token": pair["refresh_token"], "client_id": app.id})
        times.append(time.perf_counter() - began)
        if _status(there, path, pair) != 401:
            alive.append(f"round {number}: revoked on one host, alive on the other")
    place.replica.go_on()
    engine.dispose()
    clock.obey(None)
    for sentence in alive:
        print(sentence, file=sys.stderr)
    short, slowest = rounds < _PROMISED, statistics.quantiles(times, n=100)[98]
    yield Figure(
        "ended on one host, refused by the other at the next request", "0",
        f"{len(alive)} of {rounds} alive, half of them with the replica held back", not alive, short=short,
    )  # fmt: skip
    told = f"{statistics.median(times) * 1000:.0f} ms (median), {slowest * 1000:.0f} ms (p99)"
    yield Figure("revoking", "50 ms (p99)", told, slowest <= 0.05, short=short, timed=True)


def _cost_of_roads(place: Place, tries: int) -> Iterator[Figure]:
    urls = (place.primary.url, place.settings.database_url, place.replica.url)
    for name, times in zip(("a read", "a search"), roads.measure(place.settings, urls, 5 * tries), strict=True):
        # Nothing is promised of these: they are for docs/scaling.md.
        yield Figure(f"{name}, in one process", NO_PROMISE, roads.told(times), None)


def _token(port: int, form: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = _post(port, "/oauth/token", form).json()
    return body


def _post(port: int, path: str, form: Mapping[str, str]) -> requests.Response:
    answer = requests.post(f"http://127.0.0.1:{port}{path}", data=form, headers=_AS_PROXY, timeout=30)
    if answer.status_code != 200:
        raise SystemExit(f"{path} answered {answer.status_code}: {answer.text[:500]}")
    return answer


def _status(port: int, path: str, pair: Mapping[str, Any]) -> int:
    headers = _AS_PROXY | {"Authorization": f"Bearer {pair['access_token']}"}
    return requests.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=30).status_code


if __name__ == "__main__":
    sys.exit(main())
