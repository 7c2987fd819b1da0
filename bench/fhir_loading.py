"""How fast FHIR files are loaded, beside a pure COPY of the same raw lines (on SQLite: executemany).

Beside the rows that a load makes of them too, into a table with the same indexes: the harder number, since those rows
are a third of the lines and nothing is left to do for them.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import orjson
from sqlalchemy import Engine

from bench import cpu
from bench.databases import Database
from consent.policy import plan_system
from fhir.loading import elements, ingest, shapes
from fhir.storage import copying
from service.databases.connections import PoolLimits
from service.db import make_engine
from service.sandbox.plan import stream

# Other members than those of the plan that is measured; each load has its own.
SEED = 20260103
_AT_ONCE = 1_000
_MOST_OWN = 100_000
_NAMED = re.compile(r"\b(resource\b|ix_resource|pk_resource)")
_CREATE = "CREATE TABLE raw_lines (id text PRIMARY KEY, body {kind} NOT NULL)"


@dataclass(frozen=True)
class Rate:
    """Resources (or megabytes) a second, on the wall and by CPU-second of all processes."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class FhirLoaded:
    """The rates of raw rows, of our own rows, of a load in one process, and of one with two; `name` tells of what.

    `unchecked` is of a load in one process for which no shape is looked at: there is none but here (decision 123).
    """

    name: str
    resources: int
    megabytes: float
    raw: Rate
    own: Rate
    unchecked: Rate
    alone: Rate
    together: Rate


def measure(database: Database, folder: Path, *, members: int, only: str = "") -> FhirLoaded:
    """Write the records of so many members for each case, then put them in raw, and load them by schema.

    Raw rows are put in before, between and after the loads, since machines are noisy. `only` is one type of resource.
    """
    files = [write(folder / f"load-{only}{number}.ndjson", members, SEED + number, only=only) for number in range(4)]
    counts = [count for _, count in files]
    raw, alone, together, unchecked = (path for path, _ in files)
    engine = make_engine(database.url, PoolLimits(2))

    def load(path: Path, processes: int) -> Callable[[], object]:
        return lambda: ingest.load(engine, [path], access=plan_system("bench"), processes=processes)

    def put() -> Rate:
        return rate(database, counts[0], lambda: _put_raw(engine, raw))

    try:
        first, one = put(), rate(database, counts[1], load(alone, 0))
        second, two = put(), rate(database, counts[2], load(together, 2))
        with _no_shapes():
            none = rate(database, counts[3], load(unchecked, 0))
        raws = (first, second, put())
        own = _own_rows(database, engine)
    finally:
        engine.dispose()
    middle = Rate(median(one.wall for one in raws), median(one.cpu for one in raws))
    size = sum(path.stat().st_size for path, _ in files) / 1e6
    return FhirLoaded(only or "whole records", sum(counts), size, middle, own, none, one, two)


@contextmanager
def _no_shapes() -> Iterator[None]:
    """Every shape is taken as good, for as long as the context lasts and in this process alone."""
    checked = elements._require_shape, shapes.of_kind
    elements._require_shape = lambda *_: None
    shapes.of_kind = lambda _kind: SimpleNamespace(decode=lambda _text: None)  # type: ignore[assignment]
    try:
        yield
    finally:
        elements._require_shape, shapes.of_kind = checked


def rate(database: Database, count: float, deed: Callable[[], object]) -> Rate:
    """How many of `count` things a deed does a second."""
    roots = (os.getpid(), *database.processes())
    began, used = time.perf_counter(), cpu.seconds_of(*roots)
    deed()
    return Rate(count / (time.perf_counter() - began), count / (cpu.seconds_of(*roots) - used))


def _put_raw(engine: Any, path: Path) -> None:
    with engine.begin() as connection:
        is_sqlite = engine.dialect.name == "sqlite"
        connection.exec_driver_sql(_CREATE.format(kind="blob" if is_sqlite else "bytea"))
        driver = connection.connection.driver_connection
        if is_sqlite:
            driver.executemany("INSERT INTO raw_lines VALUES (?, ?)", _rows(path))
        else:
            with driver.cursor() as cursor, cursor.copy("COPY raw_lines FROM STDIN (FORMAT BINARY)") as copy:
                for block in copying.blocks(["text", "bytea"], _rows(path)):
                    copy.write(block)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE raw_lines")


def _own_rows(database: Database, engine: Engine) -> Rate:
    """The rate at which rows of ours go into an empty table with the same columns and indexes."""
    with engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        if engine.dialect.name == "sqlite":
            rows = driver.execute(f"SELECT * FROM resource LIMIT {_MOST_OWN}").fetchall()
            made = driver.execute("SELECT sql FROM sqlite_master WHERE tbl_name = 'resource' AND sql IS NOT NULL")
            for (text,) in made.fetchall():
                driver.execute(_NAMED.sub(r"own_\1", text))
            marks = ", ".join("?" for _ in rows[0])
            deed = partial(driver.executemany, f"INSERT INTO own_resource VALUES ({marks})", rows)
        else:
            driver.execute("CREATE TABLE own_resource (LIKE resource INCLUDING ALL)")
            text = f"COPY (SELECT * FROM resource LIMIT {_MOST_OWN}) TO STDOUT (FORMAT BINARY)"
            with driver.cursor() as cursor, cursor.copy(text) as copy:
                blocks = [bytes(block) for block in copy]
            rows = blocks[:-1]
            deed = partial(_copy_own, driver, blocks)
        found = rate(database, len(rows), deed)
        driver.execute("DROP TABLE own_resource")
    return found


def _copy_own(driver: Any, blocks: Sequence[bytes]) -> None:
    with driver.cursor() as cursor, cursor.copy("COPY own_resource FROM STDIN (FORMAT BINARY)") as copy:
        for number in range(0, len(blocks), _AT_ONCE):
            copy.write(b"".join(blocks[number : number + _AT_ONCE]))


def _rows(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file):
            yield str(number), line


def write(path: Path, members: int, seed: int, *, only: str = "", without: str = "") -> tuple[Path, int]:
    """The records of so many members as NDJSON, of all types, of one `only`, or of all but one; how many resources."""
    count = 0
    people = stream.members(members, seed)
    with path.open("wb") as file:
        file.writelines(orjson.dumps(one) + b"\n" for one in stream.shared(seed) if not only)
        while some := list(islice(people, _AT_ONCE)):
            for person in some:
                for resource in person.resources:
                    if only not in {"", resource["resourceType"]} or resource["resourceType"] == without:
                        continue
                    file.write(orjson.dumps(resource) + b"\n")
                    count += 1
    return path, count
