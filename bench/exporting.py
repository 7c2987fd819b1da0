"""How fast bulk exports are made, beside a binary COPY by the server of the same lines, and two beside dd."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from bench.callers import SCOPE, register_program
from bench.databases import Database
from bench.fhir_loading import Rate, rate
from consent.policy import Access, access_for_backend
from fhir.bulk import files, standing, work
from fhir.bulk.asking import Asked
from fhir.bulk.models import BulkExport, BulkFile, Level
from fhir.compartment import PATIENT_ELEMENT, RENDERED_TYPES
from fhir.models import StoredResource
from fhir.storage import copying
from oauth.tokens import system_tokens
from service.databases.connections import PoolLimits
from service.db import make_engine, make_sessions
from service.settings import Settings

_OF_MEMBERS = tuple(sorted(PATIENT_ELEMENT.keys() - RENDERED_TYPES))
_PROGRAMS = ("Nightly warehouse", "Quality measures")
_CREATE = "CREATE TABLE exported_lines (number integer PRIMARY KEY, body {kind} NOT NULL)"
_together_at: Barrier | None = None
"""Where the two workers of one process pool wait for each other."""
_COPY = "COPY exported_lines FROM STDIN (FORMAT BINARY)"


@dataclass(frozen=True)
class Exported:
    """Megabytes of NDJSON a second: by one worker, by two, by the database itself, by dd."""

    resources: int
    megabytes: float
    alone: Rate
    together: Rate
    copied: Rate
    dd: Rate


def measure(database: Database, settings: Settings) -> Exported:
    """Export all members' records by one worker, then half of the members by each of two."""
    engine = make_engine(settings.database_url, PoolLimits(2))
    sessions = make_sessions(engine)
    try:
        access = [_access(sessions, settings, name) for name in _PROGRAMS]
        with sessions() as session:
            stored = select(StoredResource.patient_id).where(StoredResource.type == "Patient")
            patients = sorted(session.scalars(stored))
        _tell_planner(engine)
        # A worker that has exported before, as nearly every one has: its first export compiles all statements.
        _begin(sessions, access[0], (), types=("Patient",))
        _finish(sessions, settings)
        everything = _begin(sessions, access[0], ())
        alone = rate(database, 1, lambda: _finish(sessions, settings))
        written = _files(sessions, settings, everything)
        size = _megabytes(written)
        together = _together(database, sessions, settings, access, (patients[::2], patients[1::2]))
        count = _count(sessions, everything)
        with _lines_of(engine, written):
            copied = rate(database, size, lambda: _copy(engine, settings.var))
        dd = rate(database, size, lambda: _dd(settings.var, written))
    finally:
        engine.dispose()
    return Exported(count, size, Rate(alone.wall * size, alone.cpu * size), together, copied, dd)


def _tell_planner(engine: Engine) -> None:
    """What was loaded a moment ago is known to the planner of PostgreSQL a minute later, by itself."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE resource")


def _megabytes(written: Sequence[Path]) -> float:
    return sum(path.stat().st_size for path in written) / 1e6


def _access(sessions: sessionmaker[Session], settings: Settings, name: str) -> Access:
    with sessions.begin() as session:
        program = register_program(session, settings, name)
        session.flush()
        return access_for_backend(session, system_tokens.standing(session, program.client_id, SCOPE))


def _begin(
    sessions: sessionmaker[Session], access: Access, patients: Sequence[str], types: tuple[str, ...] = _OF_MEMBERS
) -> str:  # fmt: skip
    asked = Asked(types=types, patients=tuple(patients))
    with sessions.begin() as session:
        return standing.begin(session, access, Level.PATIENT, None, asked, "bench").id


def _finish(sessions: sessionmaker[Session], settings: Settings) -> None:
    with sessions() as session:
        waiting = select(BulkExport).where(BulkExport.status.in_(("accepted", "running"))).limit(1)
        while session.scalar(waiting) is not None:
            session.rollback()
            work.run(sessions, settings)
            session.expire_all()
            # Where another worker has what is left, asking again and again would be counted too.
            time.sleep(0.005)


def _together(
    database: Database, sessions: sessionmaker[Session], settings: Settings, access: Sequence[Access],
    halves: Sequence[Sequence[str]],
) -> Rate:  # fmt: skip
    """An export each by two workers at one time."""
    context = get_context("spawn")
    with ProcessPoolExecutor(2, context, _wait_for_each_other, (context.Barrier(2),)) as pool:
        # Both have started and exported something before the clock starts.
        for _ in range(3):
            for one, half in zip(access, halves, strict=True):
                _begin(sessions, one, half[:8], types=("Patient",))
            list(pool.map(_work, [settings] * 2))
        exports = [_begin(sessions, one, half) for one, half in zip(access, halves, strict=True)]
        found = rate(database, 1, lambda: list(pool.map(_work, [settings] * 2)))
    size = _megabytes([path for export in exports for path in _files(sessions, settings, export)])
    return Rate(found.wall * size, found.cpu * size)


def _wait_for_each_other(barrier: Barrier) -> None:
    global _together_at
    _together_at = barrier


def _work(settings: Settings) -> None:
    assert _together_at is not None
    # Else the first one would have done it all before the other comes.
    _together_at.wait()
    _finish(_own_sessions(settings.database_url), settings)


@lru_cache(maxsize=1)
def _own_sessions(url: str) -> sessionmaker[Session]:
    """One engine for as long as the process lives, as a worker has."""
    return make_sessions(make_engine(url, PoolLimits(2)))


def _files(sessions: sessionmaker[Session], settings: Settings, export_id: str) -> list[Path]:
    with sessions() as session:
        found = session.scalars(select(BulkFile).where(BulkFile.export_id == export_id).order_by(BulkFile.name))
        return [files.path_of(settings, one) for one in found]


def _count(sessions: sessionmaker[Session], export_id: str) -> int:
    with sessions() as session:
        return session.get_one(BulkExport, export_id).written


@contextmanager
def _lines_of(engine: Engine, written: Sequence[Path]) -> Iterator[None]:
    """A table of the exported lines as they are, while the context lasts."""
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        connection.exec_driver_sql(_CREATE.format(kind="blob" if is_sqlite else "bytea"))
        driver: Any = connection.connection.driver_connection
        if is_sqlite:
            driver.executemany("INSERT INTO exported_lines VALUES (?, ?)", _rows(written))
        else:
            with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
                for block in copying.blocks(["int4", "bytea"], _rows(written)):
                    copy.write(block)
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE exported_lines")


def _copy(engine: Engine, folder: Path) -> None:
    """A COPY of the lines by PostgreSQL itself; by SQLite's driver where that is the database."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            with (folder / "copied").open("wb") as file:
                file.writelines(row[0] for row in connection.exec_driver_sql("SELECT body FROM exported_lines"))
        else:
            # By the server, wherever it runs: what writing the file costs is left out, to our disadvantage.
            connection.exec_driver_sql("COPY exported_lines TO '/dev/null' (FORMAT BINARY)")


def _rows(written: Sequence[Path]) -> Iterator[tuple[int, bytes]]:
    number = 0
    for path in written:
        with path.open("rb") as file:
            for line in file:
                number += 1
                yield number, line


def _dd(folder: Path, written: Sequence[Path]) -> None:
    """Copy the files by dd, and have them on the disk as an export has."""
    for path in written:
        copied = folder / "dd"
        command = ["dd", f"if={path}", f"of={copied}", "bs=1M", "conv=fsync", "status=none"]
        subprocess.run(command, check=True)
        copied.unlink()
