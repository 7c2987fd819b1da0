"""What hash partitions cost: the same records whole and cut by member, asked in turns (`python -m bench.partitioned`).

Prints a table for docs/scaling.md: medians, and the cut tables ÷ the whole ones.
"""

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from sqlalchemy import Engine

from bench import databases, growth
from bench.databases import apart
from fhir.storage import partitions
from service.databases.connections import PoolLimits
from service.db import make_engine


def main() -> int:
    """Fill, cut, measure, print."""
    asked = argparse.ArgumentParser(prog="python -m bench.partitioned", description=__doc__)
    asked.add_argument("--rows", type=int, default=200_000, help="resources in each of the two")
    asked.add_argument("--members", type=int, default=200, help="members who are made; the others repeat them")
    asked.add_argument("--parts", type=int, default=64)
    asked.add_argument("--tries", type=int, default=1_000)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Path(folder)
        place.chmod(0o711)
        database = stack.enter_context(databases.postgresql(place))
        engines = [
            make_engine(stack.enter_context(apart(database, place, name)), PoolLimits(2)) for name in ("whole", "cut")
        ]
        for engine in engines:
            stack.callback(engine.dispose)
        both = growth.filled(engines, place, members=given.members, rows=given.rows)
        began = time.perf_counter()
        with engines[1].begin() as connection:
            partitions.cut(connection, given.parts)
        cut_in = time.perf_counter() - began
        _print(both, given.tries, given.parts, cut_in, engines)
    return 0


def _print(both: "list[growth.Place]", tries: int, parts: int, cut_in: float, engines: list[Engine]) -> None:
    chance = random.Random(1)
    took: dict[str, tuple[list[float], list[float]]] = {"search of 20": ([], []), "read by id": ([], [])}
    for _ in range(tries):
        patient_id, claim = chance.choice(both[0].members)
        for number, place in enumerate(both):
            took["search of 20"][number].append(growth.took(place, growth.search_of(patient_id)))
            took["read by id"][number].append(growth.took(place, growth.read_of(patient_id, claim)))
    print(f"| {both[0].rows:,} resources, {parts} parts | whole, µs | cut, µs | cut ÷ whole |\n|---|---|---|---|")
    for name, (whole, cut) in took.items():
        print(f"| {name} | {median(whole):.0f} | {median(cut):.0f} | {median(cut) / median(whole):.2f} |")
    sizes = [_size(engine) for engine in engines]
    print(f"| bytes of `resource` with indexes | {sizes[0]:,} | {sizes[1]:,} | {sizes[1] / sizes[0]:.2f} |")
    print(f"\ncut in {cut_in:.1f} s", file=sys.stderr)


def _size(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(
            "SELECT coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size('resource'))::bigint"
            " FROM pg_partition_tree('resource')"
        ).scalar_one())  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
