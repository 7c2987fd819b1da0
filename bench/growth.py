"""What growth costs: searches and reads in a small database and in a large one, in turns; deep pages; the disk.

Both hold the same records. The large one, and the small one up to its size, repeat them under other ids by the
database's own INSERT … SELECT; bodies are as they were, so that they say another id than their row.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sqlalchemy import Engine, func, select

from bench import fhir_loading
from bench.databases import Database, apart
from bench.plans import explained
from consent.policy import Access, GrantFacts, access_for_grant, plan_system
from fhir import store
from fhir.loading import ingest
from fhir.models import StoredResource
from fhir.search import query as searching
from fhir.search.query import Search
from fhir.storage.results import Cursor
from service.databases.connections import PoolLimits
from service.databases.reading import ReadingSession, ReadingSessions
from service.db import make_engine
from service.sandbox import schema
from service.settings import Settings

PAGE, DEEP = 20, 4_000
_TYPE = "ExplanationOfBenefit"
_SEED = 20260110
_SCOPE = "patient/*.rs"
_RICH = "rich"
"""The member with more than `DEEP` claims."""
_COLUMNS = [column.name for column in StoredResource.__table__.columns]
_REPEATED = {"id": "id || '-{mark}'", "patient_id": "patient_id || '-{mark}'"}
_OF_ONE = {"id": "id || '-{mark}'", "patient_id": f"'{_RICH}'"}


@dataclass(frozen=True)
class Disk:
    """Bytes of a claim: as it came, its body as stored, and all that it takes with its columns and indexes."""

    claims: int
    raw: float
    body: float
    whole: float


@dataclass(frozen=True)
class Grown:
    """Rows of both databases; medians in microseconds, of the small one and of the large; what the planner says."""

    rows: tuple[int, int]
    search: tuple[float, float]
    read: tuple[float, float]
    first_page: float
    deep_page: float
    disk: Disk
    plans: dict[str, Sequence[str]]


@dataclass(frozen=True)
class Place:
    """A filled database, and members in it with a page of claims, each with one claim's id."""

    engine: Engine
    sessions: ReadingSessions
    rows: int
    members: Sequence[tuple[str, str]]


def measure(database: Database, folder: Path, *, members: int, rows: tuple[int, int], tries: int) -> Grown:
    """Fill two databases beside the given one, and ask both the same things in turns, `tries` times each."""
    claims, _ = fhir_loading.write(folder / "growth-claims.ndjson", members, _SEED, only=_TYPE)
    others, _ = fhir_loading.write(folder / "growth-others.ndjson", members, _SEED, without=_TYPE)
    with ExitStack() as stack:
        engines = [
            make_engine(stack.enter_context(apart(database, folder, name)), PoolLimits(2))
            for name in ("small", "large")
        ]
        for engine in engines:
            stack.callback(engine.dispose)
        disk, _ = (_load(engine, folder, claims, others) for engine in engines)
        small, large = (_grow(engine, wanted) for engine, wanted in zip(engines, rows, strict=True))
        return _measured(small, large, disk, tries)


def filled(engines: Sequence[Engine], folder: Path, *, members: int, rows: int) -> list[Place]:
    """Several databases with the same `rows` resources each."""
    claims, _ = fhir_loading.write(folder / "growth-claims.ndjson", members, _SEED, only=_TYPE)
    others, _ = fhir_loading.write(folder / "growth-others.ndjson", members, _SEED, without=_TYPE)
    for engine in engines:
        _load(engine, folder, claims, others)
    return [_grow(engine, rows) for engine in engines]


def _load(engine: Engine, folder: Path, claims: Path, others: Path) -> Disk:
    environment = {"MODE": "sandbox", "VAR": str(folder)}
    url = engine.url.render_as_string(hide_password=False)
    schema.bring_up_to_date(Settings.from_environment({**environment, "DATABASE_URL": url}))
    access = plan_system("bench")
    before = _size(engine)
    ingest.load(engine, [claims], access=access, processes=0)
    after = _size(engine)
    ingest.load(engine, [others], access=access, processes=0)
    with engine.connect() as connection:
        sizes = select(func.count(), func.sum(func.length(StoredResource.body))).where(StoredResource.type == _TYPE)
        count, bodies = connection.execute(sizes).one()
    return Disk(count, claims.stat().st_size / count, int(bodies) / count, (after - before) / count)


def _size(engine: Engine) -> int:
    """Bytes of the table with its indexes; of all of the file on SQLite."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            pages = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")]
            return int(pages[0]) * int(pages[1])
        return int(connection.exec_driver_sql("SELECT pg_total_relation_size('resource')").scalar_one())


def _grow(engine: Engine, rows: int) -> Place:
    base = "SELECT {columns} FROM resource WHERE patient_id <> ''".format(columns=", ".join(_COLUMNS))
    _run(engine, f"CREATE TABLE grown_from AS {base}")
    with engine.connect() as connection:
        wanted = select(StoredResource.patient_id, StoredResource.id, StoredResource.labels)
        seen = [row for row in connection.execute(wanted.where(StoredResource.type == _TYPE)) if not row.labels]
        each = connection.exec_driver_sql("SELECT count(*) FROM grown_from").scalar_one()
        count = connection.exec_driver_sql("SELECT count(*) FROM resource").scalar_one()
    ids = {patient_id: claim for patient_id, claim, _ in seen}
    members = [(one, ids[one]) for one, number in Counter(row.patient_id for row in seen).items() if number >= PAGE]
    copies = 0
    for number in range(DEEP // len(seen) + 2):
        _run(engine, _repeat(_OF_ONE, f"{_RICH}-{number}", f" WHERE type = '{_TYPE}'"))
    while count + copies * each < rows:
        copies += 1
        _run(engine, _repeat(_REPEATED, str(copies)))
    _run(engine, "DROP TABLE grown_from")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE resource")
    marks = ["", *(f"-{number}" for number in range(1, copies + 1))]
    everyone = [(patient_id + mark, claim + mark) for mark in marks for patient_id, claim in members]
    return Place(engine, ReadingSessions(engine), count + copies * each, everyone)


def _repeat(changed: dict[str, str], mark: str, where: str = "") -> str:
    columns = ", ".join(_COLUMNS)
    values = ", ".join(changed.get(name, name).format(mark=mark) for name in _COLUMNS)
    return f"INSERT INTO resource ({columns}) SELECT {values} FROM grown_from{where}"


def _run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def _measured(small: Place, large: Place, disk: Disk, tries: int) -> Grown:
    chance = random.Random(_SEED)
    searches: dict[int, list[float]] = {small.rows: [], large.rows: []}
    reads: dict[int, list[float]] = {small.rows: [], large.rows: []}
    for _ in range(tries):
        for place in (small, large):
            patient_id, claim = chance.choice(place.members)
            searches[place.rows].append(took(place, search_of(patient_id)))
            patient_id, claim = chance.choice(place.members)
            reads[place.rows].append(took(place, read_of(patient_id, claim)))
    first, deep = search_of(_RICH), search_of(_RICH, _cursor_behind(large, DEEP))
    pages = [(took(large, first), took(large, deep)) for _ in range(tries)]
    patient_id, claim = large.members[-1]
    shown = {
        f"search of {PAGE}": search_of(patient_id), f"page behind row {DEEP}": deep,
        "read by id": read_of(patient_id, claim),
    }  # fmt: skip
    return Grown(
        rows=(small.rows, large.rows),
        search=(median(searches[small.rows]), median(searches[large.rows])),
        read=(median(reads[small.rows]), median(reads[large.rows])),
        first_page=median(one for one, _ in pages),
        deep_page=median(one for _, one in pages),
        disk=disk,
        plans={name: _plans(large, deed) for name, deed in shown.items()},
    )


_Deed = Callable[[ReadingSession], object]


def took(place: Place, deed: _Deed) -> float:
    """Microseconds."""
    began = time.perf_counter()
    session = place.sessions.open()
    deed(session)
    session.close()
    return (time.perf_counter() - began) * 1e6


def _access(patient_id: str) -> Access:
    """An app's access to one member's record, no sensitive class ticked."""
    return access_for_grant(GrantFacts("g", "a", "c", "m", patient_id, _SCOPE, _SCOPE, _SCOPE, frozenset()))


def _asked(access: Access) -> Search:
    given = [("patient", access.patient_id or ""), ("_count", str(PAGE))]
    return searching.parse(_TYPE, given, base="http://127.0.0.1", patient_ids=access.patient_ids, strict=True)


def search_of(patient_id: str, start: Cursor | None = None) -> _Deed:
    """A page of one member's claims."""
    access = _access(patient_id)
    asked = _asked(access)

    def search(session: ReadingSession) -> None:
        if len(store.search(session, access, asked, start).matches) != PAGE:
            raise RuntimeError("a page of the growing database is not full")

    return search


def read_of(patient_id: str, claim: str) -> _Deed:
    """One claim by its id."""
    access = _access(patient_id)
    return lambda session: store.read(session, access, _TYPE, claim)


def _cursor_behind(place: Place, rows: int) -> Cursor | None:
    access = _access(_RICH)
    asked = _asked(access)
    session, start = place.sessions.open(), None
    for _ in range(rows // PAGE):
        start = store.search(session, access, asked, start).following
    session.close()
    return start


def _plans(place: Place, deed: _Deed) -> list[str]:
    session = place.sessions.open()
    try:
        return explained(session, lambda: deed(session))
    finally:
        session.close()
