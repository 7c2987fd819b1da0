"""How fast 835 files are loaded, in claims a second beside pyx12's reader alone."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyx12.x12file import X12Reader

from service.databases.connections import PoolLimits
from service.db import make_engine, make_sessions
from service.plan.remittances import remittance_files
from service.sandbox.plan import remittances, stream
from service.sandbox.plan.payments import RUN
from service.sandbox.plan.remittance_claims import Patient

# Other members than those of the plan that is measured, paid to the same groups.
SEED = 20260102


@dataclass(frozen=True)
class Loaded:
    """Claims a second, on the wall: reading alone, and reading, checking, matching and storing."""

    claims: int
    reading: float
    loading: float


def measure(database_url: str, folder: Path, *, members: int) -> Loaded:
    """Read the 835s of so many members, then load them, each file in a transaction of its own."""
    paths = list(_write(folder, members))
    began = time.perf_counter()
    for path in paths:
        with X12Reader(str(path)) as reader:
            for _ in reader:
                pass
    read = time.perf_counter() - began
    engine, claims = make_engine(database_url, PoolLimits(1)), 0
    began = time.perf_counter()
    for path in paths:
        with make_sessions(engine).begin() as session:
            claims += remittance_files.load_file(session, path).claims
    loaded = time.perf_counter() - began
    engine.dispose()
    return Loaded(claims, claims / read, claims / loaded)


def _write(folder: Path, members: int) -> Iterator[Path]:
    people = list(stream.members(members, SEED))
    for place in range(0, members, RUN):
        run = [
            (Patient(one.roster.given_name, one.roster.family_name, one.roster.member_number), one.resources)
            for one in people[place : place + RUN]
        ]
        path = folder / f"bench-{place}.835"
        path.write_text(remittances.file_of(run, SEED, place // RUN, stream.AS_OF), encoding="ascii")
        yield path
