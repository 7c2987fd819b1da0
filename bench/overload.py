"""`make load`: how the server bears what it can do, and three times that; two workers, both databases."""

import argparse
import asyncio
import os
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import TELLING_WAITS, UNLIMITED, data, databases, server, waits
from bench.cases import every_case
from bench.load import Load
from bench.measure import ask
from bench.open_loop import NO_ANSWER, Answer, Generator, Kind, ahead_of_the_server
from service.settings import Settings
from tests.faults import figures
from tests.faults.figures import Figure

_PASSWORD = "Harbor-lights-42!"
_SHARES = {
    "read by id": 0.70, "search of 20, compressed": 0.18, "claims inquiry": 0.05, "code exchange": 0.05,
    "sign-in": 0.02,
}  # fmt: skip
"""What is asked for: apps read and search, offices look at claims, people sign in."""
_TOO_SLOW_TO_TELL = 0.05
_CALLERS = 16
_ONE_IN = 30
"""Which part of the answers is told of as the slowest."""
_FEW = 0.1


@dataclass(frozen=True)
class Form:
    """Members of the plan, and seconds of each phase."""

    members: int
    seconds: float


LONG, SHORT = Form(members=200, seconds=20), Form(members=20, seconds=2)


@dataclass(frozen=True)
class Run:
    """What was measured on one database."""

    database: str
    capacity: float
    quiet: list[Answer]
    once: list[Answer]
    thrice: list[Answer]
    after: list[Answer]
    probes: list[float]
    short: bool

    def figures(self) -> list[Figure]:
        """Rows of the table of docs/reliability.md."""
        served, refused = _split(self.thrice)
        lost = [one for one in [*self.once, *self.thrice] if one.status == NO_ANSWER]
        wrong = [one for one in refused if one.status not in {503, NO_ANSWER} or not one.says_when]
        unloaded, held = _p99(self.quiet), _p99(served)
        told = _quantile([one.seconds for one in refused], 0.99)
        back, worst = self.recovery(), max(self.probes)
        name, short, seen = self.database, self.short, self.after[-1].at
        return [
            Figure(
                f"three times too many, {name}: p99 of what was served", "2 x unloaded, 1 s",
                f"{held * 1e3:.0f} ms; unloaded {unloaded * 1e3:.0f} ms, at capacity {_p99(self.once) * 1e3:.0f} ms",
                held <= min(1.0, 2 * unloaded), short=short, timed=True,
            ),
            Figure(
                f"the rest told to come again, {name}", "503 + Retry-After in 50 ms",
                f"{len(refused) / len(self.thrice):.0%} of {len(self.thrice)} at {3 * self.capacity:.0f}/s,"
                f" p99 {told * 1e3:.0f} ms, {len(wrong)} otherwise",
                told <= _TOO_SLOW_TO_TELL and not wrong, short=short, timed=not wrong,
            ),
            Figure(f"time-outs, {name}", "0", f"{len(lost)}", not lost, short=short),
            # No load explains that it never comes back, or that a probe is not answered at all.
            Figure(
                f"back to normal, {name}", "5 s", f"{back:.1f} s", back <= 5, short=short,
                timed=back <= max(5, seen - 0.5),
            ),
            Figure(
                f"health probe, {name}", "1 s always", f"{worst * 1e3:.0f} ms at worst", worst <= 1, short=short,
                timed=worst < float("inf"),
            ),
        ]  # fmt: skip

    def recovery(self) -> float:
        """Seconds after the flood until which more than a tenth of a second's answers were refusals or took over 1 s.

        Chance alone sends a dozen requests at once now and then; the refusal of one is no flood.
        """
        seconds: dict[int, list[bool]] = {}
        for one in self.after:
            seconds.setdefault(int(one.at), []).append(one.right and one.seconds <= 1)
        flooded = [second for second, right in seconds.items() if right.count(False) > _FEW * len(right)]
        return float(max(flooded) + 1) if flooded else 0.0


def parser() -> argparse.ArgumentParser:
    """What it takes."""
    asked = argparse.ArgumentParser(prog="make load", description=__doc__)
    asked.add_argument("--short", action="store_true", help="some 40 s instead of some 5 minutes")
    asked.add_argument("--only", choices=("sqlite", "postgresql"), help="one database alone")
    figures.add_options(asked)
    return asked


def main() -> int:
    """Run as asked; 1 where a figure is missed."""
    given = parser().parse_args()
    openers = {"sqlite": databases.sqlite, "postgresql": databases.postgresql}
    runs = []
    with tempfile.TemporaryDirectory(prefix="latchstring-load-") as folder:
        Path(folder).chmod(0o711)
        for name, opener in openers.items():
            if given.only in {None, name}:
                place = Path(tempfile.mkdtemp(dir=folder))
                with opener(place) as database:
                    runs.append(_measure(database, place, SHORT if given.short else LONG))
    return figures.end([figure for run in runs for figure in run.figures()], given)


def _measure(database: databases.Database, folder: Path, form: Form) -> Run:
    environment = os.environ | {
        "MODE": "sandbox", "VAR": str(folder), "DATABASE_URL": database.url, "SECRET_KEY": secrets.token_hex(32),
        "BASE_URL": "http://127.0.0.1", TELLING_WAITS: "1", **UNLIMITED,
    }  # fmt: skip
    settings = Settings.from_environment(environment)
    material = data.prepare(settings, members=form.members, password=_PASSWORD)
    port = server.free_port()
    with server.running(environment, port):
        load = Load(port, 1)
        kinds = _kinds(material, load)
        load.close()
        with ahead_of_the_server():
            return asyncio.run(_phases(database.name, Generator(port, kinds), form))


def _kinds(material: data.Material, load: Load) -> list[Kind]:
    cases = {case.name: case.work for case in every_case(material, lambda request: ask(load, request))}
    return [Kind(name, cases[name], share) for name, share in _SHARES.items()]


async def _phases(name: str, generator: Generator, form: Form) -> Run:
    over = asyncio.Event()
    await generator.closed(_CALLERS, 1)
    capacity = await generator.closed(_CALLERS, form.seconds)
    watching = asyncio.gather(*(generator.watch(path, over) for path in ("/health/live", "/health/ready")))
    quiet = await generator.run(capacity / 5, form.seconds)
    once = await generator.run(capacity, form.seconds)
    thrice = await generator.run(3 * capacity, form.seconds)
    after = await generator.run(capacity / 2, max(6.0, form.seconds / 2))
    over.set()
    live, ready = await watching
    _print_kinds(name, capacity, {"1/5": quiet, "1": once, "3": thrice})
    return Run(name, capacity, quiet, once, thrice, after, [*live, *ready], short=form is SHORT)


def _print_kinds(name: str, capacity: float, phases: dict[str, list[Answer]]) -> None:
    print(f"{name}: {capacity:.0f} answers a second of {_CALLERS} callers")
    for times, answers in phases.items():
        late = _quantile([one.late for one in answers], 0.99)
        print(f"  {times} x: {len(answers)} sent, the generator late by {late * 1e3:.0f} ms (p99)")
        for kind in _SHARES:
            served, refused = _split([one for one in answers if one.kind == kind])
            half = _quantile([one.seconds for one in served], 0.5)
            print(
                f"    {kind}: {len(served)} served, {half * 1e3:.0f} / {_p99(served) * 1e3:.0f} ms (median, p99),"
                f" {len(refused)} refused"
            )
        served, refused = _split(answers)
        for name, some in (("served", served), ("refused", refused)):
            _print_slowest(name, some)


def _print_slowest(name: str, answers: Sequence[Answer]) -> None:
    """Of which kinds the slowest are, and where they waited on average."""
    slowest = sorted(answers, key=lambda one: one.seconds)[-max(1, len(answers) // _ONE_IN) :] if answers else []
    if not slowest:
        return
    kinds = ", ".join(f"{many} {kind}" for kind, many in Counter(one.kind for one in slowest).most_common())
    places = {place: _mean([one.waits.get(place, 0.0) for one in slowest]) for place in waits.PLACES}
    rest = places[waits.ALL] - sum(took for place, took in places.items() if place != waits.ALL)
    outside = _mean([one.seconds - one.late for one in slowest]) - places[waits.ALL]
    told = {"late": _mean([one.late for one in slowest]), "outside": outside, **places, "rest": rest}
    took = ", ".join(f"{place} {seconds * 1e3:.0f}" for place, seconds in told.items())
    print(f"    slowest {len(slowest)} {name}: {kinds}; ms on average: {took}")


def _split(answers: Sequence[Answer]) -> tuple[list[Answer], list[Answer]]:
    return [one for one in answers if one.right], [one for one in answers if not one.right]


def _p99(answers: Sequence[Answer]) -> float:
    return _quantile([one.seconds for one in answers if one.right], 0.99)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


if __name__ == "__main__":
    sys.exit(main())
