"""`make faults`: kill a server at random, again and again, on both databases, and ask the oracle after each kill.

Then PostgreSQL itself is killed, stopped and started again under servers that go on (`tests.faults.restarts`).
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from service import clock
from service.app import create_app
from service.db import make_engine
from service.sandbox import schema
from service.settings import Settings
from tests.clusters import running_cluster
from tests.conftest import free_port, new_schema, settings_on
from tests.faults import figures, restarts
from tests.faults.clients import Caller, Connection, at_work, connections_of
from tests.faults.figures import Figure
from tests.faults.oracle import problems
from tests.faults.server import Server
from tests.oauth.desk import Desk

APPS = 4
CODES = 40
"""Connections of one app in one cycle: more than it gets through."""
MOST = 40
"""Answers before the kill, at most; counted, since a machine that is busy gets through few in a second."""
_PROMISED, _READY = 1_000, 3.0
_KILLS_A_RESTART = 5
"""PostgreSQL is restarted once where servers are killed five times: it takes as long as some kills do."""
LONGEST = 60.0
"""Seconds to wait for them."""


@dataclass
class Result:
    """What one database went through."""

    database: str
    cycles: int = 0
    acknowledged: int = 0
    in_doubt: int = 0
    revoked: int = 0
    wrong: list[str] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    def figures(self) -> list[Figure]:
        """Rows of the table in docs/reliability.md."""
        median, worst = statistics.median(self.starts), max(self.starts)
        seen = f"{self.acknowledged} answers, {self.revoked} revocations, {self.in_doubt} in doubt"
        return [
            Figure(
                f"no lost or revived grant under SIGKILL, {self.database}", "0",
                f"{len(self.wrong)} in {self.cycles} kills, {seen}", not self.wrong, short=self.cycles < _PROMISED,
            ),
            Figure(
                f"ready again after a kill, {self.database}", "3 s", f"{median:.1f} s (median), {worst:.1f} s at worst",
                worst <= _READY, timed=True,
            ),
        ]  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """What it takes."""
    asked = argparse.ArgumentParser(prog="make faults", description=__doc__)
    asked.add_argument("--cycles", type=int, default=25, help="kills on each database (25; a night's run: 1000)")
    asked.add_argument("--restarts", type=int, help="of PostgreSQL (a fifth of the kills; 0: none)")
    asked.add_argument("--seed", type=int, default=1, help="of the moments and of what the apps do")
    asked.add_argument("--database", choices=["sqlite", "postgresql"], action="append", help="one of them only")
    figures.add_options(asked)
    return asked


def main() -> int:
    """Run it as asked; 1 where a figure is missed."""
    given, rows, wrong = parser().parse_args(), [], []
    names = given.database or ["sqlite", "postgresql"]
    for name in names if given.cycles else []:
        with tempfile.TemporaryDirectory() as folder, database_of(name, Path(folder)) as settings:
            result = _batter(name, settings, given.cycles, random.Random(given.seed))
        rows += result.figures()
        wrong += [f"{name}: {sentence}" for sentence in result.wrong]
    many = -(-given.cycles // _KILLS_A_RESTART) if given.restarts is None else given.restarts
    if many and "postgresql" in names:
        # As in production: what is acknowledged is on the disk.
        with tempfile.TemporaryDirectory() as folder, running_cluster(fsync="on") as cluster:
            told = restarts.restart(cluster, Path(folder), many, random.Random(given.seed))
        rows += told.figures()
        wrong += [f"restarted: {sentence}" for sentence in (*told.wrong, *told.otherwise)]
    for sentence in wrong:
        print(f"  {sentence}", file=sys.stderr)
    return figures.end(rows, given)


@contextmanager
def database_of(name: str, folder: Path) -> Iterator[Settings]:
    """An empty place for an installation on one of the two databases, which keeps what it says it kept."""
    if name == "sqlite":
        yield settings_on(f"sqlite:///{folder}/latchstring.db", folder / "var")
        return
    with new_schema() as url:
        # As in production: what is acknowledged is on the disk.
        yield settings_on(url.replace("synchronous_commit%3Doff", "synchronous_commit%3Don"), folder / "var")


def _batter(name: str, settings: Settings, cycles: int, chance: random.Random) -> Result:
    port = free_port()
    settings = replace(settings, base_url=f"http://127.0.0.1:{port}", testing=False)
    schema.bring_up_to_date(settings)
    engine = make_engine(settings.database_url)
    desk, server, result = Desk(create_app(settings, engine)), Server(settings, port), Result(name)
    apps = [desk.register() for _ in range(APPS)]
    every: list[Connection] = []
    try:
        for cycle in range(cycles):
            result.starts.append(server.start())
            fresh = [connections_of(desk, app, CODES // APPS) for app in apps]
            callers = [Caller(server.url, some, random.Random(chance.random())) for some in fresh]
            _work_until_killed(server, callers, chance)
            result.acknowledged += sum(caller.acknowledged for caller in callers)
            result.wrong += [f"cycle {cycle}: {sentence}" for caller in callers for sentence in caller.refused]
            result.cycles += 1
            every += [connection for some in fresh for connection in some]
            # Those of earlier cycles too: a kill may not raise what was dead.
            for connection in every[-10 * CODES :]:
                result.wrong += [f"cycle {cycle}: {sentence}" for sentence in problems(desk, connection)]
    finally:
        server.kill()
        engine.dispose()
        clock.obey(None)
    result.in_doubt = sum(connection.doubt != "nothing" for connection in every)
    result.revoked = sum(connection.revoked for connection in every)
    return result


def _work_until_killed(server: Server, callers: list[Caller], chance: random.Random) -> None:
    with at_work(callers):
        wanted, until = chance.randint(0, MOST), time.monotonic() + LONGEST
        while sum(caller.acknowledged for caller in callers) < wanted and time.monotonic() < until:
            time.sleep(0.002)
        # Anywhere within the next answer.
        time.sleep(chance.uniform(0, 0.05))
        server.kill()


if __name__ == "__main__":
    sys.exit(main())
