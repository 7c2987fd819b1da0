"""`make faults`: kill a server at random, again and again, on both databases, and ask the oracle after each kill."""

import argparse
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from service import clock
from service.app import create_app
from service.db import Base, make_engine
from service.settings import Settings
from tests.conftest import free_port, new_schema, settings_on
from tests.faults.clients import Caller, Connection, connections_for
from tests.faults.figures import Figure, print_table
from tests.faults.oracle import problems
from tests.faults.server import Server
from tests.oauth.desk import Desk

APPS = 4
CODES = 40
"""Connections of one app in one cycle: more than it gets through."""
MOST = 40
"""Answers before the kill, at most; counted, since a machine that is busy gets through few in a second."""
_READY = 3.0
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
                f"{len(self.wrong)} in {self.cycles} kills, {seen}", not self.wrong,
            ),
            Figure(
                f"ready again after a kill, {self.database}", "3 s", f"{median:.1f} s (median), {worst:.1f} s at worst",
                worst <= _READY,
            ),
        ]  # fmt: skip


def main() -> int:
    """Run it as asked; 1 where the oracle found anything."""
    asked = argparse.ArgumentParser(prog="make faults", description=__doc__)
    asked.add_argument("--cycles", type=int, default=25, help="kills on each database (25; a night's run: 1000)")
    asked.add_argument("--seed", type=int, default=1, help="of the moments and of what the apps do")
    asked.add_argument("--database", choices=["sqlite", "postgresql"], action="append", help="one of them only")
    given = asked.parse_args()
    results = []
    for name in given.database or ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory() as folder, database_of(name, Path(folder)) as settings:
            results.append(_batter(name, settings, given.cycles, random.Random(given.seed)))
    print_table(figure for result in results for figure in result.figures())
    for result in results:
        for sentence in result.wrong:
            print(f"  {result.database}: {sentence}", file=sys.stderr)
    return int(any(result.wrong for result in results))


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
    engine = make_engine(settings.database_url)
    Base.metadata.create_all(engine)
    desk, server, result = Desk(create_app(settings, engine)), Server(settings, port), Result(name)
    apps = [desk.register() for _ in range(APPS)]
    every: list[Connection] = []
    try:
        for cycle in range(cycles):
            result.starts.append(server.start())
            fresh = [connections_for(app, [desk.agree(app) for _ in range(CODES // APPS)]) for app in apps]
            result.acknowledged += _work_until_killed(server, fresh, chance)
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


def _work_until_killed(server: Server, fresh: list[list[Connection]], chance: random.Random) -> int:
    stop = threading.Event()
    callers = [Caller(server.url, some, random.Random(chance.random())) for some in fresh]
    threads = [threading.Thread(target=caller.run, args=(stop,)) for caller in callers]
    for thread in threads:
        thread.start()
    wanted, until = chance.randint(0, MOST), time.monotonic() + LONGEST
    while sum(caller.acknowledged for caller in callers) < wanted and time.monotonic() < until:
        time.sleep(0.002)
    # Anywhere within the next answer.
    time.sleep(chance.uniform(0, 0.05))
    server.kill()
    stop.set()
    for thread in threads:
        thread.join()
    return sum(caller.acknowledged for caller in callers)


if __name__ == "__main__":
    sys.exit(main())
