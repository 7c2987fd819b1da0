"""One run: both databases, every case interleaved in rounds, ratios printed beside their targets."""

import argparse
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from argon2.low_level import Type, verify_secret
from rich.console import Console

from bench import (
    UNLIMITED,
    WITHOUT_FSYNC,
    cpu,
    data,
    databases,
    exporting,
    fhir_loading,
    growth,
    loading,
    peers,
    report,
    revoking,
    server,
)
from bench.cases import SLOTS, Case, every_case, revocations, token_checks
from bench.databases import Database
from bench.load import Load, Reply, Work
from bench.report import Slice
from service.accounts.passwords import make_hash
from service.settings import Settings

_LOADED = ("", "ExplanationOfBenefit")
"""Loads are measured of whole records, and of claims alone, as those of the floors were."""
_PASSWORD = "Harbor-lights-42!"
console = Console(width=None if os.isatty(1) else 160)


@dataclass(frozen=True)
class Form:
    """How long a run takes: members of the plan, rounds, seconds of each case in each round; how far a plan grows."""

    members: int
    rounds: int
    seconds: float
    rows: tuple[int, int]
    tries: int


LONG = Form(members=300, rounds=7, seconds=2.0, rows=(100_000, 5_000_000), tries=500)
SHORT = Form(members=50, rounds=3, seconds=0.5, rows=(10_000, 100_000), tries=100)


def main() -> int:
    """Run as the command line says; 1 where the short form found a gross loss."""
    options = _read_options()
    form = SHORT if options.short else LONG
    lost: list[str] = []
    with tempfile.TemporaryDirectory(prefix="latchstring-bench-") as folder:
        installed = peers.install(Path(folder) / "peers") if options.peers else []
        for open_database in _chosen(options.only):
            place = Path(tempfile.mkdtemp(dir=folder))
            Path(folder).chmod(0o711)
            with open_database(place) as database:
                found = _measure_requests(database, form, place, installed, best=options.short)
                lost += found.lost
                if not options.requests:
                    lost += _measure_the_rest(database, form, place, found.settings)
    for name in lost:
        console.print(f"gross loss, below half of the floor: {name}")
    return 1 if lost and options.short else 0


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--short", action="store_true", help="some minutes; fails only below half a floor")
    parser.add_argument("--requests", action="store_true", help="without loads, exports and growth")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="measure on one database alone")
    parser.add_argument(
        "--peers", action="store_true", help="beside other people's servers, installed for this run only"
    )
    return parser.parse_args()


def _chosen(only: str | None) -> list[databases.Opener]:
    openers = {"sqlite": databases.sqlite, "postgresql": databases.postgresql}
    return [opener for name, opener in openers.items() if only in {None, name}]


@dataclass(frozen=True)
class Running:
    """A server with its connections and the cases that are run against it."""

    server: server.Server
    load: Load
    cases: Sequence[Case]
    suffix: str


@dataclass(frozen=True)
class Measured:
    """What was lost badly, and the settings of the plan that was made for it."""

    lost: Sequence[str]
    settings: Settings


def _measure_requests(
    database: Database, form: Form, folder: Path, installed: Sequence[peers.Peer], *, best: bool
) -> Measured:  # fmt: skip
    began = time.monotonic()
    environment = os.environ | {
        "MODE": "sandbox", "VAR": str(folder), "DATABASE_URL": database.url, "SECRET_KEY": secrets.token_hex(32),
        "BASE_URL": "http://127.0.0.1", **UNLIMITED,
    }  # fmt: skip
    settings = Settings.from_environment(environment)
    material = data.prepare(settings, members=form.members, password=_PASSWORD)
    console.print(f"{database.name}: {material.description}, ready after {time.monotonic() - began:.0f} s")
    with ExitStack() as open_until_measured:
        shipped = open_until_measured.enter_context(_serving(environment, ""))
        spared = open_until_measured.enter_context(_serving({**environment, WITHOUT_FSYNC: "1"}, report.SPARED))
        others = [open_until_measured.enter_context(_beside(peer, database, folder)) for peer in installed]
        cases = every_case(material, lambda request: ask(shipped.load, request))
        runs = [replace(shipped, cases=cases), replace(spared, cases=[case for case in cases if case.spared_too])]
        rounds = [_round([*runs, *others], form.seconds, database) for _ in range(form.rounds)]
        memory = shipped.server.resident_megabytes()
        revoked = _revoke_under_load(shipped, material)
    writing = [case.name for case in cases if case.writes]
    found = report.lines(database.name, rounds, writing, max if best else median)
    report.show(console, database.name, found, memory)
    report.show_revoking(console, revoked)
    return Measured([f"{database.name}, {name}" for name in report.gross_losses(found, memory)], settings)


def _measure_the_rest(database: Database, form: Form, folder: Path, settings: Settings) -> list[str]:
    report.show_loading(console, loading.measure(database.url, folder, members=form.members))
    for only in _LOADED:
        report.show_fhir_loading(console, fhir_loading.measure(database, folder, members=form.members, only=only))
    report.show_exporting(console, exporting.measure(database, settings))
    grown = growth.measure(database, folder, members=form.members, rows=form.rows, tries=form.tries)
    report.show_growth(console, grown)
    return [f"{database.name}, {name}" for name in report.lost_by_growth(grown)]


@contextmanager
def _serving(environment: Mapping[str, str], suffix: str) -> Iterator[Running]:
    port = server.free_port()
    with server.running({**environment, "BASE_URL": f"http://127.0.0.1:{port}"}, port) as running:
        load = Load(port, SLOTS)
        try:
            yield Running(running, load, [], suffix)
        finally:
            load.close()


@contextmanager
def _beside(peer: peers.Peer, database: Database, folder: Path) -> Iterator[Running]:
    with peer.serve(database.url, folder) as running:
        load = Load(running.port, SLOTS)
        try:
            work = peers.introspections(lambda request: ask(load, request), peer)
            yield Running(running, load, [Case(f"introspection by {peer.name}", work, writes=False)], "")
        finally:
            load.close()


def _revoke_under_load(shipped: Running, material: data.Material) -> revoking.Revoked:
    own = Load(shipped.server.port, 1)
    try:
        deeds = revocations(material)
        return revoking.measure(
            shipped.load, token_checks(material), SLOTS - 2, deeds, lambda request: ask(own, request)
        )
    finally:
        own.close()


def _round(runs: Sequence[Running], seconds: float, database: Database) -> dict[str, Slice]:
    found = {report.ARGON2: _raw_argon2(seconds)}
    for run in runs:
        for case in run.cases:
            run.load.run(case.work, seconds / 8, case.connections)
            roots = [run.server.pid, *database.processes()]
            before = cpu.seconds_of(*roots)
            answered, wall = run.load.run(case.work, seconds, case.connections)
            found[case.name + run.suffix] = Slice(answered, cpu.seconds_of(*roots) - before, wall)
    return found


def ask(load: Load, request: bytes) -> Reply:
    replies: list[Reply] = []
    load.run(Work(lambda _slot: request, lambda _slot, reply: replies.append(reply)), 0, 1)
    return replies[0]


def _raw_argon2(seconds: float) -> Slice:
    """Verifications by argon2's library alone of a hash that the product made, in one thread a core."""
    stored = make_hash(_PASSWORD).encode()
    with ThreadPoolExecutor(server.WORKERS) as pool:
        done = list(pool.map(_verify_for, [stored] * server.WORKERS, [seconds] * server.WORKERS))
    return Slice(sum(count for count, _ in done), sum(used for _, used in done), seconds)


def _verify_for(stored: bytes, seconds: float) -> tuple[int, float]:
    end, before, count = time.monotonic() + seconds, time.thread_time(), 0
    while time.monotonic() < end:
        verify_secret(stored, _PASSWORD.encode(), Type.ID)
        count += 1
    return count, time.thread_time() - before
