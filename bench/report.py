"""Figures as ratios beside their floors and goals (docs/performance.md)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.exporting import Exported
from bench.fhir_loading import FhirLoaded
from bench.growth import DEEP, PAGE, Grown
from bench.loading import Loaded
from bench.revoking import Revoked

BASE, SIGN_IN, ARGON2 = "bare route", "sign-in", "raw argon2id"
EMPTY = "empty Flask app"
SPARED = ", fsync spared"
"""What the name of a case ends in where the server did not wait for the disk at commit."""
_COMPRESSED, _PLAIN = "search of 20, compressed", "search of 20"


@dataclass(frozen=True)
class Target:
    """What a ratio must reach at least (where the goal is the smaller: at most), and what to build for."""

    floor: float
    goal: float

    def verdict(self, ratio: float) -> str:
        """Whether floor and goal are reached."""
        if self.goal < self.floor:
            return "goal" if ratio <= self.goal else "floor" if ratio <= self.floor else "above floor"
        return "goal" if ratio >= self.goal else "floor" if ratio >= self.floor else "below floor"

    def is_lost(self, ratio: float) -> bool:
        """Whether not even half of the floor is reached."""
        return ratio > self.floor * 2 if self.goal < self.floor else ratio < self.floor / 2


_TARGETS: Mapping[tuple[str, str], Target] = {
    ("SQLite", "read by id"): Target(0.40, 0.50),
    ("PostgreSQL", "read by id"): Target(0.25, 0.35),
    ("SQLite", "search of 20"): Target(0.18, 0.24),
    ("PostgreSQL", "search of 20"): Target(0.08, 0.12),
}
_TARGETS_OF_BOTH: Mapping[str, Target] = {
    "introspection": Target(0.25, 0.35),
    "client_credentials, RS384": Target(0.15, 0.20),
    "client_credentials, ES384": Target(0.15, 0.20),
    _COMPRESSED: Target(0.95, 1.05),
    SIGN_IN: Target(0.85, 0.95),
}
_BESIDE: Mapping[str, tuple[str, Target]] = {
    "introspection by django-oauth-toolkit": ("introspection", Target(4.0, 5.5)),
    "introspection by oidc-provider": ("introspection", Target(0.3, 0.4)),
}
"""Other people's servers: the case of ours that is divided by theirs, and what that must reach."""
MEMORY = Target(150, 110)
LOAD_ALONE, LOAD_TOGETHER = Target(0.40, 0.55), Target(0.20, 0.30)
"""A load of FHIR files divided by a COPY of the raw lines: in one process with shapes unlooked at (which only the bench
does; by schema the same number is told beside it), and by schema on both cores."""


EXPORT_ALONE, EXPORT_TOGETHER = Target(0.30, 0.45), Target(0.60, 0.90)
"""Exports: one divided by a COPY by the server of the same lines, two at a time divided by dd."""
GROWN_SEARCH, GROWN_READ, DEEP_PAGE, DISK = Target(2.2, 1.8), Target(1.5, 1.2), Target(2, 1.5), Target(0.25, 0.12)
"""What must stay small: a search and a read among many rows by the same among few, a page far behind by the first, a
claim on the disk by the same as it came."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One case in one round: requests answered, CPU seconds of server and database, seconds on the wall."""

    answered: int
    cpu_seconds: float
    wall_seconds: float

    @property
    def per_cpu_second(self) -> float:
        """Requests per CPU second of server and database together."""
        return self.answered / self.cpu_seconds

    @property
    def per_wall_second(self) -> float:
        """Requests per second on the wall, where fsync and the other cores have a say."""
        return self.answered / self.wall_seconds


_HEADINGS = ("case", "per CPU-s", "per wall s", "fsync", "divided by", "ratio", "floor", "goal", "reached", "÷ empty")
_TEXTS = frozenset({"case", "divided by", "reached"})
Rounds = Sequence[Mapping[str, Slice]]


@dataclass(frozen=True)
class Line:
    """One case over all rounds."""

    name: str
    per_cpu_second: float
    per_wall_second: float
    writes: bool
    base: str
    ratio: float
    to_empty: float
    target: Target | None

    @property
    def verdict(self) -> str:
        """Whether floor and goal are reached."""
        return self.target.verdict(self.ratio) if self.target else ""


def lines(
    database: str, rounds: Rounds, writing: Collection[str], choose: Callable[[list[float]], float] = median
) -> list[Line]:
    """Every case; ratios are taken within each round, then `choose` takes one of them."""
    made = []
    for name in rounds[0]:
        plain = name.removesuffix(SPARED)
        ours, target = _BESIDE.get(name, (name, _TARGETS.get((database, plain), _TARGETS_OF_BOTH.get(plain))))
        base = name if name in _BESIDE else _base_of(name)
        made.append(
            Line(
                name=name,
                per_cpu_second=median(one[name].per_cpu_second for one in rounds),
                per_wall_second=median(one[name].per_wall_second for one in rounds),
                writes=name in writing,
                base="ours by this" if name in _BESIDE else base,
                ratio=choose(_ratios(rounds, ours, base)),
                to_empty=choose(_ratios(rounds, name, EMPTY)),
                target=target,
            )
        )
    return made


def _ratios(rounds: Rounds, name: str, base: str) -> list[float]:
    return [one[name].per_cpu_second / one[base].per_cpu_second for one in rounds]


def show(console: Console, database: str, found: Sequence[Line], memory: Sequence[float]) -> None:
    """Print the table of one database."""
    table = Table(title=f"{database}: requests per CPU-second of server and database together")
    for heading in (
        "case",
        "per CPU-s",
        "per wall s",
        "fsync",
        "divided by",
        "ratio",
        "floor",
        "goal",
        "reached",
        "÷ empty",
    ):
        table.add_column(heading, justify="left" if heading in {"case", "divided by", "reached"} else "right")
    for line in found:
        targets = (f"{line.target.floor:.2f}", f"{line.target.goal:.2f}") if line.target else ("", "")
        table.add_row(
            line.name, f"{line.per_cpu_second:,.0f}", f"{line.per_wall_second:,.0f}", "yes" if line.writes else "",
            line.base, f"{line.ratio:.3f}", *targets, line.verdict, f"{line.to_empty:.3f}",
        )  # fmt: skip
    console.print(table)
    sizes = ", ".join(f"{size:.0f}" for size in memory)
    console.print(f"Resident memory per worker: {sizes} MB ({_judged(MEMORY, max(memory))})\n")


def show_loading(console: Console, loaded: Loaded) -> None:
    """Print how fast 835 files are loaded."""
    console.print(
        f"835 load: {loaded.loading:,.0f} claims a second ({loaded.claims:,} claims); pyx12's reader alone "
        f"{loaded.reading:,.0f}: ratio {loaded.loading / loaded.reading:.2f}\n"
    )


def show_revoking(console: Console, revoked: Revoked) -> None:
    """Print how long revocations take under load."""
    console.print(
        f"Revocation under load: p99 {revoked.p99:.1f} ms, median {median(revoked.milliseconds):.1f} ms of "
        f"{len(revoked.milliseconds)}, {revoked.reads:,} reads meanwhile; none of its own after the answer\n"
    )


def gross_losses(found: Sequence[Line], memory: Sequence[float]) -> list[str]:
    """The cases below half of their floor; and the memory of a worker, where it takes twice as much."""
    judged = (line for line in found if line.target and not line.name.endswith(SPARED))
    lost = [line.name for line in judged if line.target and line.target.is_lost(line.ratio)]
    return [*lost, *(["memory of a worker"] if MEMORY.is_lost(max(memory)) else [])]


def lost_by_growth(grown: Grown) -> list[str]:
    """The same of what grows. Loads and exports are told but not judged: small ones are all beginnings."""
    judged = [
        ("search among many rows", GROWN_SEARCH, grown.search[1] / grown.search[0]),
        ("read among many rows", GROWN_READ, grown.read[1] / grown.read[0]),
        (f"page behind row {DEEP}", DEEP_PAGE, grown.deep_page / grown.first_page),
        ("disk of a claim", DISK, grown.disk.whole / grown.disk.raw),
    ]
    return [name for name, target, ratio in judged if target.is_lost(ratio)]


def _judged(target: Target, ratio: float) -> str:
    return f"floor {target.floor:g}, goal {target.goal:g}: {target.verdict(ratio)}"


def _base_of(name: str) -> str:
    plain = name.removesuffix(SPARED)
    if plain == _COMPRESSED:
        return name.replace(_COMPRESSED, _PLAIN)
    return ARGON2 if plain == SIGN_IN else BASE


def show_fhir_loading(console: Console, loaded: FhirLoaded) -> None:
    """How fast FHIR files are loaded, beside raw rows."""
    raw, own = loaded.raw, loaded.own
    console.print(
        f"FHIR load of {loaded.name} by schema, {loaded.resources:,} of {loaded.megabytes:,.0f} MB: raw rows "
        f"{raw.wall:,.0f} a second, {raw.cpu:,.0f} by CPU-s; our rows with their indexes {own.wall:,.0f} and "
        f"{own.cpu:,.0f}"
    )
    for name, rate, target in (
        ("one process, no shapes (in the bench alone)", loaded.unchecked, LOAD_ALONE),
        ("one process", loaded.alone, LOAD_ALONE), ("both cores", loaded.together, LOAD_TOGETHER),
    ):  # fmt: skip
        console.print(
            f"  {name}: {rate.wall:,.0f} a second, ratio {rate.wall / raw.wall:.2f} "
            f"({_judged(target, rate.wall / raw.wall)}); {rate.cpu:,.0f} by CPU-s, ratio {rate.cpu / raw.cpu:.2f}; "
            f"of our rows {rate.wall / own.wall:.2f} and {rate.cpu / own.cpu:.2f}"
        )
    console.print()


def show_exporting(console: Console, exported: Exported) -> None:
    """How fast bulk exports are made."""
    console.print(f"Export of {exported.resources:,} resources, {exported.megabytes:,.0f} MB, megabytes a second:")
    for name, ours, other, theirs, target in (
        ("one worker", exported.alone, "COPY by the server", exported.copied, EXPORT_ALONE),
        ("two at a time", exported.together, "dd", exported.dd, EXPORT_TOGETHER),
    ):
        console.print(
            f"  {name}: {ours.wall:,.0f}, {other} {theirs.wall:,.0f}: ratio {ours.wall / theirs.wall:.2f} "
            f"({_judged(target, ours.wall / theirs.wall)}); by CPU-s {ours.cpu:,.0f} and {theirs.cpu:,.0f}: ratio "
            f"{ours.cpu / theirs.cpu:.2f}"
        )
    console.print()


def show_growth(console: Console, grown: Grown) -> None:
    """What growth costs, with the plans of the large database."""
    few, many = grown.rows
    disk = grown.disk
    ratios = [
        (f"search of {PAGE}, median", grown.search[1], grown.search[0], GROWN_SEARCH),
        ("read by id, median", grown.read[1], grown.read[0], GROWN_READ),
    ]
    console.print(f"Growth from {few:,} to {many:,} rows, in turns:")
    for name, large, small, target in ratios:
        judged = _judged(target, large / small)
        console.print(f"  {name}: {large:,.0f} µs, was {small:,.0f}: ratio {large / small:.2f} ({judged})")
    ratio = grown.deep_page / grown.first_page
    console.print(
        f"  page behind row {DEEP:,} of a member: {grown.deep_page:,.0f} µs, the first {grown.first_page:,.0f}: ratio "
        f"{ratio:.2f} ({_judged(DEEP_PAGE, ratio)})"
    )
    console.print(
        f"  disk of one of {disk.claims:,} claims: {disk.whole:,.0f} bytes of {disk.raw:,.0f}, its body "
        f"{disk.body:,.0f}; ratio {disk.whole / disk.raw:.3f} ({_judged(DISK, disk.whole / disk.raw)}), body alone "
        f"{disk.body / disk.raw:.3f}"
    )
    for name, plans in grown.plans.items():
        console.print(f"  plan of the {name}:")
        for line in "\n".join(plans).splitlines():
            console.print(f"    {line}", markup=False, highlight=False)
    console.print()
