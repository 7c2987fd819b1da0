"""Where the data of a run lies: a SQLite file, and a PostgreSQL cluster of the run's own (or one that is named)."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text

from bench import cpu

Opener = Callable[[Path], AbstractContextManager["Database"]]
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/bin", "/opt/homebrew/bin")


@dataclass(frozen=True)
class Database:
    """A database to measure on: its name, its URL, and the processes whose CPU time is its own."""

    name: str
    url: str
    processes: Callable[[], list[int]]


@contextmanager
def sqlite(folder: Path) -> Iterator[Database]:
    """A SQLite file; its work is done in the server's own processes."""
    yield Database("SQLite", f"sqlite:///{folder}/latchstring.db", list)


@contextmanager
def postgresql(folder: Path) -> Iterator[Database]:
    """A cluster of its own where PostgreSQL's programs are found, else a schema of BENCH_DATABASE_URL's database.

    In the latter case every process named postgres counts, so nobody else should be using that server.
    """
    named = os.environ.get("BENCH_DATABASE_URL")
    programs = find_programs()
    if named:
        with _schema_of(named) as url:
            yield Database("PostgreSQL", url, lambda: cpu.processes_named("postgres"))
    elif programs is not None:
        with _own_cluster(programs, folder) as (url, postmaster):
            yield Database("PostgreSQL", url, lambda: [postmaster])
    else:
        raise FileNotFoundError("PostgreSQL's programs are not installed: set BENCH_DATABASE_URL or pass --sqlite-only")


def find_programs() -> Path | None:
    """The folder of initdb and pg_ctl, the newest where there are several."""
    for place in _PLACES:
        if found := sorted(Path("/").glob(f"{place[1:]}/initdb")):
            return found[-1].parent
    return None


@contextmanager
def _own_cluster(programs: Path, folder: Path) -> Iterator[tuple[str, int]]:
    place = folder / "cluster"
    place.mkdir()
    # PostgreSQL refuses to run as root.
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if prefix:
        shutil.chown(place, "postgres")
        folder.chmod(0o711)
    data = place / "data"
    options = ["--username", "bench", "--auth", "trust", "--encoding", "UTF8"]
    _run(*prefix, str(programs / "initdb"), "--pgdata", str(data), *options)
    server = [str(programs / "pg_ctl"), "--pgdata", str(data), "--wait", "--log", str(place / "log")]
    _run(*prefix, *server, "--options", f"-c listen_addresses= -c unix_socket_directories={place}", "start")
    try:
        postmaster = int((data / "postmaster.pid").read_text("ascii").split()[0])
        yield f"postgresql+psycopg:///postgres?host={place}&user=bench", postmaster
    finally:
        _run(*prefix, *server, "--mode", "immediate", "stop")


@contextmanager
def apart(database: Database, folder: Path, name: str) -> Iterator[str]:
    """URL of an empty place beside a database's own: another file, or another schema of the same server."""
    if database.name == "SQLite":
        yield f"sqlite:///{folder}/{name}.db"
        return
    with _schema_of(database.url) as url:
        yield url


@contextmanager
def _schema_of(named: str) -> Iterator[str]:
    schema = f"bench_{uuid4().hex}"
    admin = create_engine(named, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE SCHEMA "{schema}"'))
    url = make_url(named).update_query_dict({"options": f"-csearch_path={schema}"})
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f'DROP SCHEMA "{schema}" CASCADE'))
        admin.dispose()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")
