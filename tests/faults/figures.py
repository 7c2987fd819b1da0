"""What is promised in figures, what was measured of it, and the one rule by which every command that measures ends.

The rule: a command ends with 1 where any figure is missed. Seconds on this machine are such figures too, but they
tell as much of what else it had to do as of the product: one that is missed is told as `slow`, with the load beside
it. Who knows that others work on the machine, as CI does, says so by `--shared`: what is slow is told and does not
count then. What no load explains counts always: an answer that never came, a server that never stood again.
"""

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

NO_PROMISE = "-"
"""In the place of a figure: it is measured because it is worth knowing."""


def _load() -> float:
    return os.getloadavg()[0]


@dataclass(frozen=True)
class Figure:
    """A promise, the figure that it is kept by, what was measured, and whether that keeps it; None: not measured."""

    promise: str
    figure: str
    measured: str
    kept: bool | None
    short: bool = False
    """Whether less was tried than the figure asks."""
    timed: bool = False
    """Whether seconds on this machine decide, which grow with whatever else it does."""
    load: float = field(default_factory=_load, compare=False)
    """Processes that wanted a core, on average of the minute before."""

    @property
    def verdict(self) -> str:
        """pass, fail or slow, and whether it was the short form."""
        if self.kept is None:
            return NO_PROMISE if self.figure == NO_PROMISE else "not measured"
        missed = f"slow at load {self.load:.0f} of {os.cpu_count()} cores" if self.timed else "fail"
        return ("pass" if self.kept else missed) + (", short" if self.short else "")

    def counts(self, *, shared: bool) -> bool:
        """Whether the command has to end with 1 for it; `shared`: others work on this machine."""
        return self.kept is False and not (self.timed and shared)

    def line(self) -> str:
        """A row of the table."""
        return f"| {self.promise} | {self.figure} | {self.measured} | {self.verdict} |"


def add_options(asked: argparse.ArgumentParser) -> None:
    """The options that every command has which measures."""
    asked.add_argument("--shared", action="store_true", help="others work on this machine: what is slow does not count")
    asked.add_argument("--figures", type=Path, metavar="FILE", help="keep the rows there too, as JSON")


def end(figures: Sequence[Figure], given: argparse.Namespace) -> int:
    """Print the table, keep it where `given` says so, and tell the status by the rule."""
    print_table(figures)
    if given.figures:
        given.figures.write_text(json.dumps([asdict(figure) for figure in figures], ensure_ascii=False), "utf-8")
    return int(any(figure.counts(shared=given.shared) for figure in figures))


def kept_in(path: Path) -> list[Figure]:
    """The rows that a command kept there; none where it did not come so far."""
    return [Figure(**row) for row in json.loads(path.read_text("utf-8"))] if path.exists() else []


def print_table(figures: Iterable[Figure]) -> None:
    """Print them."""
    print("| promise | figure | measured | |")
    print("|---|---|---|---|")
    for figure in figures:
        print(figure.line(), flush=True)
