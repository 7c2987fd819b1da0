"""`make drill`: a PostgreSQL server with its WAL archived is lost with all it had; its base backup and the archive
bring it back, and the journal brings back what was ended after the last file of WAL that reached the archive.

Tells how much was lost, how long it took, and what a GB of it would take.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from flask.testing import FlaskClient

from service import clock
from service.app import create_app
from service.db import make_engine
from service.sandbox import schema
from tests import clusters
from tests.clusters import Cluster
from tests.conftest import settings_on, wait_until
from tests.faults import figures
from tests.faults.figures import NO_PROMISE, Figure
from tests.oauth.desk import App, Desk

_CHUNK = 1 << 20
_RPO, _ON_ITS_WAY, _RTO_A_GB = 60.0, 2.0, 300.0
"""Seconds that may be lost at most, that WAL may take to the archive, and until apps are served again."""
Pair = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a drill showed; times in seconds. `lost` is between the last write that came back and the loss."""

    megabytes: float
    backup: float
    lost: float
    restored: float
    replayed: float
    was_served_before_replay: bool
    came_back_by_journal: int
    revoked_alive: int
    others_dead: int

    @property
    def back(self) -> float:
        """From the decision to restore until apps are served."""
        return self.restored + self.replayed

    def figures(self, archive_timeout: int) -> list[Figure]:
        """Rows of the table in docs/reliability.md."""
        size = self.megabytes / 1024
        took = f"{self.back:.1f} s for {size:.2f} GB: {self.back / size / 60:.1f} min per GB"
        return [
            Figure(
                "revoked grants alive after a restore", "0",
                f"{self.revoked_alive}; {self.came_back_by_journal} ended by the journal alone", not self.revoked_alive,
            ),
            Figure(
                "served before the replay", "never", "yes" if self.was_served_before_replay else "no",
                not self.was_served_before_replay,
            ),
            Figure(
                "RPO, WAL archived", "archive_timeout (1 min at most)",
                f"{self.lost:.1f} s at archive_timeout {archive_timeout} s",
                self.lost <= min(_RPO, archive_timeout + _ON_ITS_WAY), timed=True,
            ),
            Figure(
                "RTO", "5 min per GB", f"{took} (replay of the journal {self.replayed:.1f} s)",
                self.back / size <= _RTO_A_GB, short=size < 1, timed=True,
            ),
            Figure("base backup", NO_PROMISE, f"{self.backup:.1f} s", None),
            Figure(
                "connections that nobody ended", "refresh", f"{self.others_dead} dead", not self.others_dead,
            ),
        ]  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """What it takes."""
    asked = argparse.ArgumentParser(prog="make drill", description=__doc__)
    asked.add_argument("--megabytes", type=int, default=512, help="of data that does not compress")
    asked.add_argument("--archive-timeout", type=int, default=10, help="seconds after which WAL is archived anyway")
    figures.add_options(asked)
    return asked


def main() -> int:
    """Run it as asked; 1 where a figure is missed."""
    given = parser().parse_args()
    with clusters.folder_of_servers() as folder:
        told = run(folder, given.megabytes, given.archive_timeout)
    return figures.end(told.figures(given.archive_timeout), given)


def run(folder: Path, megabytes: int, archive_timeout: int) -> Outcome:
    """The whole drill with servers in `folder`, of `folder_of_servers`."""
    archive = clusters.subfolder(folder, "archive")
    primary = Cluster(clusters.subfolder(folder, "primary"))
    primary.create(
        archive_mode="on", archive_command=f"test ! -f {archive}/%f && cp %p {archive}/%f",
        archive_timeout=str(archive_timeout), fsync="on",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as var, _desk_on(primary, Path(var)) as desk:
        _fill(primary, megabytes)
        before = [desk.register() for _ in range(6)]
        pairs = [(app, desk.connect(app)) for app in before]
        began = time.monotonic()
        backup = primary.copy_to(clusters.subfolder(folder, "backup"))
        backup_took = time.monotonic() - began
        _end(desk, *pairs[0])
        primary.sql("SELECT pg_switch_wal()")
        with _heartbeats(primary) as beats:
            time.sleep(1)
            so_far = len(list(archive.iterdir()))
            wait_until(lambda: len(list(archive.iterdir())) > so_far, 60 + archive_timeout, "nothing is archived")
            # Acknowledged, and in no file of WAL that reaches the archive: the next one is due in `archive_timeout`.
            for app, pair in pairs[1:3]:
                _end(desk, app, pair)
            time.sleep(0.3)
            primary.stop()
            lost_at = time.monotonic()
        shutil.rmtree(primary.data)
        return _restored(backup, archive, Path(var), pairs, beats, lost_at, backup_took)


def _restored(
    backup: Cluster, archive: Path, var: Path, pairs: list[tuple[App, Pair]], beats: dict[int, float], lost_at: float,
    backup_took: float,
) -> Outcome:  # fmt: skip
    began = time.monotonic()
    place = Cluster(clusters.subfolder(backup.folder.parent, "restored"))
    _copy(backup.data, place.data)
    with (place.data / "postgresql.auto.conf").open("a", encoding="ascii") as file:
        file.write(f"restore_command = 'cp {archive}/%f %p'\narchive_mode = off\n")
    (place.data / "recovery.signal").touch()
    place.start()
    wait_until(lambda: place.sql("SELECT pg_is_in_recovery()") == [(False,)], 600, "recovery does not end")
    restored = time.monotonic() - began
    [(last,)] = place.sql("SELECT max(number) FROM heartbeat")
    size = sum(path.stat().st_size for path in place.data.rglob("*") if path.is_file()) / _CHUNK
    with _app_on(place, var) as (app, engine):
        http = app.test_client()
        was_served = http.get("/health/ready").status_code == 200 or http.get("/sign-in").status_code == 200
        alive_before = sum(_is_live(engine, one) for one, _ in pairs[:3])
        began = time.monotonic()
        done = app.test_cli_runner().invoke(args=["backup", "replay"])
        assert done.exit_code == 0, done.output
        replayed = time.monotonic() - began
        ended = [_refreshes(http, one, pair) for one, pair in pairs[:3]]
        kept = [_refreshes(http, one, pair) for one, pair in pairs[3:]]
    return Outcome(
        size, backup_took, lost_at - beats.get(last, 0.0), restored, replayed, was_served, alive_before, sum(ended),
        len(kept) - sum(kept),
    )  # fmt: skip


@contextmanager
def _desk_on(cluster: Cluster, var: Path) -> Iterator[Desk]:
    settings = settings_on(cluster.url, var)
    schema.bring_up_to_date(settings)
    with _app_on(cluster, var) as (app, _engine):
        yield Desk(app)


@contextmanager
def _app_on(cluster: Cluster, var: Path) -> Iterator[Any]:
    settings = replace(settings_on(cluster.url, var), base_url="http://localhost")
    engine = make_engine(settings.database_url)
    try:
        yield create_app(settings, engine), engine
    finally:
        engine.dispose()
        clock.obey(None)


def _fill(cluster: Cluster, megabytes: int) -> None:
    """As much as is asked for, of what no compression makes less."""
    with psycopg.connect(cluster.url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE filling (bytes bytea)")
        connection.execute("CREATE TABLE heartbeat (number int)")
        connection.execute("ALTER TABLE filling ALTER COLUMN bytes SET STORAGE EXTERNAL")
        with connection.cursor().copy("COPY filling FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["bytea"])
            for _ in range(megabytes):
                copy.write_row((os.urandom(_CHUNK),))


@contextmanager
def _heartbeats(cluster: Cluster) -> Iterator[dict[int, float]]:
    """Write a number every tenth of a second; when each was acknowledged."""
    beats: dict[int, float] = {}
    stop = threading.Event()

    def beat() -> None:
        url = cluster.url.replace("+psycopg", "")
        with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as connection:
            while not stop.wait(0.1):
                number = len(beats) + 1
                connection.execute("INSERT INTO heartbeat VALUES (%s)", (number,))
                beats[number] = time.monotonic()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield beats
    finally:
        stop.set()
        thread.join()


def _end(desk: Desk, app: App, pair: Pair) -> None:
    form = {"token": pair["refresh_token"], "client_id": app.id}
    assert desk.app.test_client().post("/oauth/revoke", data=form).status_code == 200


def _is_live(engine: Any, app: App) -> bool:
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT count(*) FROM token_family WHERE client_id = %s AND ended_at IS NULL", (app.id,)
        )
        return bool(found.scalar_one())


def _refreshes(http: FlaskClient, app: App, pair: Pair) -> bool:
    form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"], "client_id": app.id}
    return http.post("/oauth/token", data=form).status_code == 200


def _copy(there: Path, here: Path) -> None:
    """As the server's own user, with the modes it asks for."""
    done = clusters.as_server(["cp", "-a", str(there), str(here)])
    subprocess.run(done, check=True)


if __name__ == "__main__":
    sys.exit(main())
