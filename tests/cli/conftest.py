"""What the tests of `flask doctor` begin from: a sound installation, and a look at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import Engine, text

from oauth import keys
from service import jobs
from service.app import create_app
from service.databases import schema
from service.db import make_sessions
from service.sandbox import mail_catcher
from service.settings import Settings
from tests.conftest import free_port


@contextmanager
def mail_server(settings: Settings) -> Iterator[Settings]:
    """A mail server on a free port, and settings that name it."""
    reachable = replace(settings, smtp_port=free_port())
    with mail_catcher.catching(reachable):
        yield reachable


def stamp(engine: Engine, version: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": version})


@pytest.fixture
def sound(settings: Settings, engine: Engine) -> Iterator[Flask]:
    stamp(engine, schema.newest())
    sessions = make_sessions(engine)
    with sessions.begin() as session:
        keys.public_keys(session, settings.secret_key)
    jobs.take_lease(sessions, "mail", "somebody")
    Path(settings.var).chmod(0o700)
    with mail_server(settings) as reachable:
        yield create_app(reachable, engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))


def look_over(app: Flask) -> Result:
    return app.test_cli_runner().invoke(args=["doctor"])


def lines_of(told: Result, matter: str) -> list[str]:
    return [line for line in told.stdout.splitlines() if f" {matter}: " in line]
