"""Fixtures of the whole suite: both databases, the application, a running server with two workers, a movable clock."""

import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from bench import UNLIMITED
from service import clock as product_clock
from service.app import create_app
from service.db import Base, make_engine, make_sessions
from service.mail_delivery import Delivery
from service.settings import Settings
from service.watching import logs
from tests import compiled, kept_forms, post_redirect_get

pytest_plugins = ["tests.sandboxes", "tests.chromium"]
compiled.keep_builders()
compiled.keep_keys()
ROOT = Path(__file__).parent.parent
_shared = Path(os.environ.get("SHARED", ROOT.parent / "shared"))
SHARED: Path | None = _shared if (_shared / "data").is_dir() else None
"""The folder with real synthetic data, where there is one."""
IN_CI = os.environ.get("CI") == "true"


def require(condition: object, message: str) -> None:
    """Skip with a plain message on a machine that lacks something; in CI its absence is a failure."""
    if condition:
        return
    if IN_CI:
        pytest.fail(f"{message} (never skipped in CI)")
    pytest.skip(message)


def _postgresql_url() -> str | None:
    url = os.environ.get("TEST_DATABASE_URL", "postgresql+psycopg:///test")
    try:
        engine = create_engine(url, connect_args={"connect_timeout": 3})
        with engine.connect():
            return url
    except OperationalError:
        return None
    finally:
        engine.dispose()


_POSTGRESQL = _postgresql_url()


_FEW_BUT_LONG = frozenset({"browser", "clients", "conformance", "faults", "mutation", "sandbox"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with files of few but long tests: at the end one worker would go through them, and the others wait."""
    items.sort(key=lambda item: _FEW_BUT_LONG.isdisjoint(item.path.parts))


def pytest_collection_finish() -> None:
    """Everything is imported now."""
    compiled.keep_modules()


BOTH = ["sqlite", "postgresql"]


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with every table and no row: a SQLite file, and a schema in PostgreSQL where one answers."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, tmp_path / "latchstring.db")
        return f"sqlite:///{tmp_path}/latchstring.db"
    schema: PostgresqlSchema = request.getfixturevalue("postgresql_schema")
    schema.empty()
    return schema.url


@pytest.fixture(params=BOTH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    with new_schema() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table, made once and copied for each test."""
    path = tmp_path_factory.mktemp("template") / "latchstring.db"
    made = make_engine(f"sqlite:///{path}")
    Base.metadata.create_all(made)
    with made.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    made.dispose()
    return path


@dataclass(frozen=True)
class PostgresqlSchema:
    """A schema with every table that this test process has for itself."""

    url: str
    engine: Engine

    def empty(self) -> None:
        """Delete every row; triggers and foreign keys rest meanwhile, or the append-only tables would refuse.

        The audit's table is cut off, which costs more: rows are then read in the order in which they come.
        """
        tables = [table.name for table in Base.metadata.sorted_tables if table.name != "audit_event"]
        with self.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql(";".join(["TRUNCATE audit_event", *(f"DELETE FROM {one}" for one in tables)]))


@pytest.fixture(scope="session")
def postgresql_schema() -> Iterator[PostgresqlSchema]:
    """The schema of this test process, made once and emptied for each test."""
    with new_schema() as url:
        made = make_engine(url)
        Base.metadata.create_all(made)
        yield PostgresqlSchema(url, made)
        made.dispose()


@contextmanager
def new_schema() -> Iterator[str]:
    """The URL of a fresh schema of the test database, dropped afterwards."""
    require(_POSTGRESQL, "no PostgreSQL answers: set TEST_DATABASE_URL or start one locally")
    assert _POSTGRESQL
    schema = f"test_{uuid4().hex}"
    admin = create_engine(_POSTGRESQL, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE SCHEMA "{schema}"'))
    url = make_url(_POSTGRESQL).update_query_dict({"options": f"-csearch_path={schema} -csynchronous_commit=off"})
    yield url.render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f'DROP SCHEMA "{schema}" CASCADE'))
    admin.dispose()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Sandbox settings with a folder of their own."""
    var = tmp_path / "var"
    var.mkdir()
    return settings_on(database_url, var)


def settings_on(database_url: str, var: Path) -> Settings:
    """Sandbox settings on that database, with this folder."""
    return replace(
        Settings.from_environment(
            # Races send crowds on purpose, and all of them shall get in.
            {"VAR": str(var), "DATABASE_URL": database_url, "BASE_URL": "http://localhost", "REQUESTS_WAITING": "64"}
            | UNLIMITED
        ),
        testing=True,
    )


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """An engine on that database."""
    made = compiled.keep_statements(make_engine(settings.database_url))
    compiled.KeptKeys.made = 0
    if made.dialect.name == "sqlite":
        # No test pulls the plug: what waits for the disk here is no part of what is tested.
        event.listen(made, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
    yield made
    made.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A database session of the test's own; commit what a request shall see."""
    with make_sessions(engine)() as made:
        yield made


@pytest.fixture
def app(settings: Settings, engine: Engine) -> Iterator[Flask]:
    """The application on that database."""
    made = compiled.keep_templates(create_app(settings, engine))
    with post_redirect_get.watching(made), kept_forms.watching(made):
        yield made
    product_clock.obey(None)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without JavaScript."""
    return app.test_client()


@pytest.fixture
def logged(app: Flask, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """All that was written from here on, down to DEBUG: by libraries through logging, by the product to its streams."""
    logs.configure(logging.DEBUG)
    caplog.set_level(logging.DEBUG)

    def everything() -> str:
        structlog.get_logger("tests").debug("the product is heard")
        logging.getLogger("tests").debug("libraries are heard")
        found = caplog.text + "".join(capfd.readouterr())
        assert "the product is heard" in found and "libraries are heard" in found
        return found

    return everything


class MovableClock:
    """The product's clock for tests: moved through its offset file, so that other processes move too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = timedelta()
        product_clock.obey(path)

    def advance(self, seconds: float) -> None:
        """Move the clock by so many seconds, backwards if negative."""
        self._offset += timedelta(seconds=seconds)
        draft = self._path.with_suffix(".draft")
        draft.write_text(f"{self._offset.total_seconds():.6f}", encoding="ascii")
        draft.replace(self._path)


@pytest.fixture
def clock(settings: Settings) -> Iterator[MovableClock]:
    """The movable clock of this test's installation."""
    assert settings.clock_file
    yield MovableClock(settings.clock_file)
    product_clock.obey(None)


@dataclass(frozen=True)
class LiveServer:
    """A running server: its address, its settings and where it listens itself."""

    url: str
    settings: Settings
    port: int


@pytest.fixture
def live_server(settings: Settings, engine: Engine) -> Iterator[LiveServer]:
    """granian with two workers on that database, on a free port of the loopback interface."""
    with running_server(settings) as server:
        yield server


class running_server:
    """Context manager: granian with two workers for `settings`; the address is known after it answers.

    `base_url` is the address that people use, where something stands in front; `options` are further ones of granian.
    """

    def __init__(
        self, settings: Settings, workers: int = 2, base_url: str | None = None, options: Sequence[str] = ()
    ) -> None:  # fmt: skip
        self.port = free_port()
        self._options = options
        self.settings = replace(settings, base_url=base_url or f"http://127.0.0.1:{self.port}")
        self._workers = workers

    def __enter__(self) -> LiveServer:
        environment = os.environ | {
            "MODE": "sandbox", "VAR": str(self.settings.var), "DATABASE_URL": self.settings.database_url,
            "BASE_URL": self.settings.base_url, "SECRET_KEY": self.settings.secret_key.hex(),
            "SMTP_PORT": str(self.settings.smtp_port), **UNLIMITED,
            "REQUESTS_WAITING": str(self.settings.requests_waiting),
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port),
             "--workers", str(self._workers), "--blocking-threads", "64", "--log-level", "error",
             # A worker that is told to end before it listens for that would stay for ever.
             "--workers-kill-timeout", "3", *self._options, "wsgi:app"],
            cwd=ROOT, env=environment,
        )  # fmt: skip
        try:
            wait_until(lambda: answers(self.port), 90, "the server did not start")
        except BaseException:
            self.__exit__()
            raise
        return LiveServer(self.settings.base_url, self.settings, self.port)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running_worker(settings: Settings) -> Iterator[None]:
    """`flask worker run` for an installation."""
    environment = os.environ | {
        "MODE": "sandbox", "VAR": str(settings.var), "DATABASE_URL": settings.database_url,
        "BASE_URL": settings.base_url, "SECRET_KEY": settings.secret_key.hex(), "SMTP_PORT": str(settings.smtp_port),
    }  # fmt: skip
    command = [sys.executable, "-m", "flask", "--app", "wsgi:app", "worker", "run"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def deliver_due(sessions: sessionmaker[Session], settings: Settings) -> int:
    """Deliver the mails that are due; how many the mail server has taken."""
    return sum(Delivery().run(sessions, settings))


def wait_until(condition: Callable[[], bool], seconds: float, message: str) -> None:
    """Wait for `condition`, at most so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(message)
        time.sleep(0.05)
