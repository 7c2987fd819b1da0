"""Rows of one table for everything that is promised in figures: docs/reliability.md keeps them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A promise, the figure that it is kept by, what was measured, and whether that keeps it; None: not measured."""

    promise: str
    figure: str
    measured: str
    kept: bool | None

    def line(self) -> str:
        """A row of the table."""
        verdict = {True: "pass", False: "fail", None: "not measured"}[self.kept]
        return f"| {self.promise} | {self.figure} | {self.measured} | {verdict} |"


def print_table(figures: Iterable[Figure]) -> None:
    """Print them."""
    print("| promise | figure | measured | |")
    print("|---|---|---|---|")
    for figure in figures:
        print(figure.line())
