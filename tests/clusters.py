"""PostgreSQL servers of a test's own: a primary, streaming replicas of it, PgBouncer before it; gone afterwards."""

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from bench import cpu
from tests.conftest import answers, free_port, require, wait_until

_FOLDERS = ("/usr/local/bin", "/opt/homebrew/bin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))))
_SETTINGS = {
    "listen_addresses": "127.0.0.1", "max_connections": "60", "wal_level": "replica", "max_wal_senders": "5",
    "hot_standby_feedback": "off", "shared_buffers": "32MB", "autovacuum": "off", "fsync": "off",
}  # fmt: skip
USER = "test"


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, as .ci/run finds it."""
    return next((Path(one) for one in reversed(_FOLDERS) if (Path(one) / "pg_basebackup").exists()), None)


def pgbouncer() -> str | None:
    """The path of PgBouncer; Debian puts it where only root looks."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def as_server(command: Sequence[str]) -> list[str]:
    """The command, under another name than root's: PostgreSQL and PgBouncer refuse to be root."""
    return ["runuser", "-u", "postgres", "--", *command] if getpass.getuser() == "root" else [*command]


class Cluster:
    """One server with its data in a folder; `start` it, ask it by `sql`."""

    def __init__(self, folder: Path) -> None:
        found = programs()
        require(found, "PostgreSQL's own programs (pg_basebackup and others) are not installed")
        assert found
        self._bin, self.folder, self.port = found, folder, free_port()

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/test"

    @property
    def data(self) -> Path:
        """Where the server keeps everything."""
        return self.folder / "data"

    def create(self, **settings: str) -> None:
        """Make and start it, with an empty database."""
        self.run("initdb", "--pgdata", str(self.data), "--username", USER, "--auth", "trust", "--encoding", "UTF8",
                 "--no-sync", "--locale", "C")  # fmt: skip
        with (self.data / "postgresql.conf").open("a", encoding="ascii") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in (_SETTINGS | settings).items())
        self.start()
        self.run("createdb", "--host", "127.0.0.1", "--port", str(self.port), "--username", USER, "test")

    def start(self) -> None:
        """Start it and wait until it answers."""
        # What runs already may have its port by now: it is ours since it was found, and nobody's in between.
        self.run("pg_ctl", "--pgdata", str(self.data), "--silent", "--wait", "--log", str(self.folder / "log"),
                 "--options", f"-c port={self.port} -c unix_socket_directories={self.folder}", "start")  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; `immediate` is as a kill."""
        self.run("pg_ctl", "--pgdata", str(self.data), "--silent", "--wait", "--mode", mode, "stop")

    def kill(self) -> None:
        """SIGKILL to its postmaster alone, until those that it leaves behind have ended, as they do by themselves.

        Before that nobody can start it again: they still use its memory.
        """
        locks = self.data / "postmaster.pid", self.folder / f".s.PGSQL.{self.port}.lock"
        postmaster = int(locks[0].read_text("ascii").split()[0])
        left = [postmaster, *cpu.descendants(postmaster)]
        os.kill(postmaster, signal.SIGKILL)
        wait_until(lambda: not any(map(_runs, left)), 30, "what the postmaster left behind does not end")
        # Where nobody buries orphans (a container's first process may not), the number in its locks would look alive.
        if (Path("/proc") / str(postmaster)).exists():
            for lock in locks:
                lock.unlink()

    def copy_to(self, folder: Path, *further: str) -> "Cluster":
        """A base backup of it as another cluster, not started."""
        copy = Cluster(folder)
        self.run("pg_basebackup", "--pgdata", str(copy.data), "--host", "127.0.0.1", "--port", str(self.port),
                 "--username", USER, "--checkpoint", "fast", "--no-sync", *further)  # fmt: skip
        return copy

    def sql(self, statement: str) -> list[Any]:
        """The rows of a statement; none where it gives none."""
        url = self.url.replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def hold_back(self) -> None:
        """Of a replica: replay nothing further, as if it lagged."""
        self.sql("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.sql("SELECT pg_get_wal_replay_pause_state()") == [("paused",)], 10, "it replays")

    def go_on(self) -> None:
        """Of a replica: replay what came."""
        self.sql("SELECT pg_wal_replay_resume()")

    def wait_for(self, primary: "Cluster") -> None:
        """Of a replica: wait until it has all that the primary has now."""
        [(position,)] = primary.sql("SELECT pg_current_wal_lsn()::text")
        reached = f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"
        wait_until(lambda: self.sql(reached) == [(True,)], 20, "the replica does not follow")

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs; raises with what it said."""
        command = as_server([str(self._bin / program), *arguments])
        # A server that it starts would hold a pipe open: what is said goes to a file.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd="/", check=False)
            said.seek(0)
            assert done.returncode == 0, f"{program}: {said.read().decode(errors='replace')}"


def _runs(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def folder_of_servers() -> Iterator[Path]:
    """A folder where servers may keep their data; what still runs in it is stopped at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        path = Path(made)
        path.chmod(0o711)
        if getpass.getuser() == "root":
            shutil.chown(path, "postgres")
        try:
            yield path
        finally:
            for pid_file in path.glob("*/data/postmaster.pid"):
                running = Cluster(pid_file.parents[1])
                with suppress(AssertionError):
                    running.stop()


def subfolder(path: Path, name: str) -> Path:
    """A folder of one server."""
    made = path / name
    made.mkdir()
    if getpass.getuser() == "root":
        shutil.chown(made, "postgres")
    return made


@contextmanager
def running_cluster(**settings: str) -> Iterator[Cluster]:
    """A server with an empty database."""
    with folder_of_servers() as folder:
        made = Cluster(subfolder(folder, "primary"))
        made.create(**settings)
        yield made


@contextmanager
def running_pair(**settings: str) -> Iterator[tuple[Cluster, Cluster]]:
    """A server and its streaming replica."""
    with running_cluster(**settings) as primary:
        replica = primary.copy_to(subfolder(primary.folder.parent, "replica"), "--write-recovery-conf")
        replica.start()
        yield primary, replica


class Bouncer:
    """PgBouncer in transaction mode before a server, with few connections, so that they are shared."""

    def __init__(self, cluster: Cluster, *, connections: int = 3) -> None:
        found = pgbouncer()
        require(found, "pgbouncer is not installed")
        assert found
        self._program, self._cluster, self._connections = found, cluster, connections
        self.port = free_port()
        self.url = f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/test"

    def __enter__(self) -> "Bouncer":
        folder = subfolder(self._cluster.folder.parent, f"bouncer-{self.port}")
        (folder / "users").write_text(f'"{USER}" ""\n', encoding="ascii")
        (folder / "ini").write_text(
            f"[databases]\ntest = host=127.0.0.1 port={self._cluster.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {folder}/users\nlogfile = {folder}/log\npool_mode = transaction\n"
            f"default_pool_size = {self._connections}\nmax_client_conn = 200\n", encoding="ascii",
        )  # fmt: skip
        self._process = subprocess.Popen(
            as_server([self._program, "-q", str(folder / "ini")]), stdin=subprocess.DEVNULL, cwd="/",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if not self._answers():
            self.__exit__(None, None, None)
            raise AssertionError(f"pgbouncer: {(folder / 'log').read_text(errors='replace')}")
        return self

    def _answers(self) -> bool:
        until = time.monotonic() + 10
        while time.monotonic() < until and self._process.poll() is None:
            if answers(self.port):
                return True
            time.sleep(0.05)
        return False

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
