"""`make figures`: every command that measures what is promised, one after the other, and one table of all their rows.

Each runs in a process of its own, so that nothing of one is in the way of the next, and ends by the same rule
(`tests.faults.figures`); so does this one, by all rows together. A command that broke before it had a row is a row
that failed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults import figures
from tests.faults.figures import NO_PROMISE, Figure

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Part:
    """A command by its name in the Makefile and its module, and what it takes in either form; None: not in this one."""

    name: str
    module: str
    short: tuple[str, ...] | None
    long: tuple[str, ...]


PARTS = (
    Part("faults", "tests.faults.run", ("--cycles", "5", "--restarts", "3"), ("--cycles", "1000")),
    Part("races", "tests.faults.races", ("--rounds", "20"), ("--rounds", "1000")),
    Part("leaks", "tests.faults.leaks", ("--timings", "100"), ()),
    Part("load", "bench.overload", ("--short",), ()),
    Part("post", "tests.faults.post", ("--mails", "300", "--kills", "3"), ()),
    # What grows shows after minutes: there is no short form.
    Part("soak", "tests.faults.soak", None, ("--database", "sqlite")),
    Part("soak", "tests.faults.soak", None, ("--database", "postgresql")),
    Part("drill", "tests.faults.drill", ("--megabytes", "64"), ("--megabytes", "1024")),
    Part("hosts", "tests.hosts.run", ("--rounds", "10"), ()),
    Part("proofs", "tests.faults.proofs", (), ("--long",)),
)


def parser() -> argparse.ArgumentParser:
    """What it takes."""
    asked = argparse.ArgumentParser(prog="make figures", description=__doc__)
    asked.add_argument("--long", action="store_true", help="as much as the figures ask for: a night")
    asked.add_argument("--only", choices=[part.name for part in PARTS], action="append", help="some of them")
    figures.add_options(asked)
    return asked


def main(parts: Sequence[Part] = PARTS) -> int:
    """Run as asked; 1 where a figure is missed."""
    given, rows = parser().parse_args(), []
    with tempfile.TemporaryDirectory() as folder:
        for number, part in enumerate(parts):
            arguments = part.long if given.long else part.short
            if given.only and part.name not in given.only:
                continue
            if arguments is None:
                command = " ".join(("make", part.name, *part.long))
                rows.append(Figure(command, NO_PROMISE, "in the long form only", None))
            else:
                rows += _measured(part, arguments, Path(folder) / f"{number}.json")
    print("\nFigures to promise and to measure\n")
    return figures.end(rows, given)


def _measured(part: Part, arguments: Sequence[str], kept: Path) -> list[Figure]:
    command = [sys.executable, "-m", part.module, *arguments, "--figures", str(kept)]
    print(f"\n== make {part.name} {' '.join(arguments)}", flush=True)
    began = time.monotonic()
    status = subprocess.run(command, cwd=_ROOT, check=False).returncode
    rows = figures.kept_in(kept)
    print(f"== {len(rows)} figures in {time.monotonic() - began:.0f} s", flush=True)
    return rows or [Figure(f"make {part.name}", "its figures", f"none: it ended with {status}", False)]


if __name__ == "__main__":
    sys.exit(main())
