"""PostgreSQL is killed, stopped or started again under a server that goes on serving the same callers (case 182).

The servers' processes stay: their pools have to find out by themselves that every connection is gone, and that there
is a database again. The oracle that judges kills of servers judges these too.
"""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from service import clock
from service.app import create_app
from service.db import make_engine
from service.sandbox import schema
from tests.clusters import Cluster
from tests.conftest import free_port, settings_on, wait_until
from tests.faults.clients import Caller, Connection, Told, at_work, connections_of
from tests.faults.figures import Figure
from tests.faults.oracle import problems
from tests.faults.server import Server
from tests.oauth.desk import App, Desk

APPS = 4
_CODES = 15
"""Of each app, each time: more than it gets through."""
_BEFORE, _AFTER = 8, 4
"""Answers of all callers before the fall, at most, and answers that each of them gets when it is over, at least."""
_AWAY = 1.5
"""Seconds without a database, at most, besides what stopping and starting take."""
_PATIENCE = 60.0
_PROMISED, _HEALED, _HANGS = 200, 5.0, 10.0
WAYS: dict[str, Callable[[Cluster], None]] = {
    "its postmaster killed": Cluster.kill,
    "stopped at once": lambda cluster: cluster.stop("immediate"),
    "stopped in order": lambda cluster: cluster.stop("fast"),
}


@dataclass
class Restarts:
    """What came of them; times in seconds."""

    times: int = 0
    acknowledged: int = 0
    put_off: int = 0
    in_doubt: int = 0
    wrong: list[str] = field(default_factory=list)
    """What the oracle found, and what was refused though it was right."""
    otherwise: list[str] = field(default_factory=list)
    """Answers that neither served nor told when to come again."""
    healed: list[float] = field(default_factory=list)
    """From the moment at which the database took connections again to the last request that it still did not serve."""
    away: float = 0.0
    """From each fall until the database took connections again, all together."""
    longest: float = 0.0
    """Of all requests, also of those without a database."""

    def figures(self) -> list[Figure]:
        """Rows of the table in docs/reliability.md."""
        seen = f"{self.acknowledged} answers, {self.in_doubt} in doubt"
        median, worst = statistics.median(self.healed), max(self.healed)
        short = self.times < _PROMISED
        return [
            Figure(
                "no lost or revived grant, PostgreSQL restarted", "0",
                f"{len(self.wrong)} in {self.times} falls ({', '.join(list(WAYS)[: self.times])}), {seen}",
                not self.wrong, short=short,
            ),
            Figure(
                "answers without a database", "503 and Retry-After",
                f"{self.put_off} told so, {len(self.otherwise)} otherwise, in {self.away:.0f} s", not self.otherwise,
                short=short,
            ),
            Figure(
                "served again after PostgreSQL is there", "5 s", f"{median:.1f} s (median), {worst:.1f} s at worst",
                worst <= _HEALED, short=short, timed=worst < float("inf"),
            ),
            Figure(
                "longest request, with and without PostgreSQL", "10 s", f"{self.longest:.1f} s",
                self.longest <= _HANGS, short=short, timed=True,
            ),
        ]  # fmt: skip


def restart(cluster: Cluster, folder: Path, times: int, chance: random.Random) -> Restarts:
    """Let a running, empty `cluster` fall so many times, in the ways of `WAYS` in turn; `folder` is the server's."""
    port, told = free_port(), Restarts()
    settings = replace(settings_on(cluster.url, folder / "var"), base_url=f"http://127.0.0.1:{port}", testing=False)
    schema.bring_up_to_date(settings)
    engine = make_engine(settings.database_url)
    desk, server = Desk(create_app(settings, engine)), Server(settings, port)
    apps = [desk.register() for _ in range(APPS)]
    every: list[Connection] = []
    try:
        server.start()
        for number in range(times):
            way = list(WAYS)[number % len(WAYS)]
            every += _fall(cluster, WAYS[way], server.url, _fresh(desk, apps), chance, told)
            # Those of earlier times too: what was dead may not come back.
            for connection in every[-10 * APPS * _CODES :]:
                told.wrong += [f"{way}, {number}: {sentence}" for sentence in problems(desk, connection)]
        if not server.is_ready():
            told.wrong.append("the server does not say that it is ready again")
    finally:
        server.kill()
        engine.dispose()
        clock.obey(None)
    told.in_doubt = sum(connection.doubt != "nothing" for connection in every)
    return told


def _fresh(desk: Desk, apps: list[App]) -> list[list[Connection]]:
    return [connections_of(desk, app, _CODES) for app in apps]


def _fall(
    cluster: Cluster, way: Callable[[Cluster], None], url: str, fresh: list[list[Connection]], chance: random.Random,
    told: Restarts,
) -> list[Connection]:  # fmt: skip
    callers = [Caller(url, some, random.Random(chance.random()), stays=True) for some in fresh]
    with at_work(callers):
        wanted = chance.randint(0, _BEFORE)
        wait_until(lambda: sum(caller.acknowledged for caller in callers) >= wanted, _PATIENCE, "nobody is served")
        time.sleep(chance.uniform(0, 0.05))
        fell = time.monotonic()
        way(cluster)
        time.sleep(chance.uniform(0, _AWAY))
        cluster.start()
        back, until = time.monotonic(), time.monotonic() + _PATIENCE
        while not all(_served_since(back, caller) >= _AFTER for caller in callers) and time.monotonic() < until:
            time.sleep(0.02)
        are_served = time.monotonic() < until
    answers = [one for caller in callers for one in caller.told]
    told.times += 1
    told.away += back - fell
    told.acknowledged += sum(caller.acknowledged for caller in callers)
    told.put_off += sum(one.is_put_off for one in answers)
    told.longest = max(told.longest, *(one.took for one in answers))
    told.wrong += [sentence for caller in callers for sentence in caller.refused]
    told.otherwise += [f"{one.step}: {one.status}" for one in answers if not (one.is_served or one.is_put_off)]
    told.healed.append(_healed(answers, back) if are_served else float("inf"))
    return [connection for some in fresh for connection in some]


def _served_since(moment: float, caller: Caller) -> int:
    return sum(one.is_served and one.began >= moment for one in list(caller.told))


def _healed(answers: list[Told], back: float) -> float:
    late = [one.began - back for one in answers if not one.is_served and one.began >= back]
    return max(late, default=0.0)
