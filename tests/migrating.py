"""A database at an older schema, with a few accounts in it, for tests of what a migration does to them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from service.db import make_engine
from service.settings import Settings
from tests.conftest import ROOT


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Migrations start from nothing."""
    return empty_database_url


def migrating(revision: str) -> Callable[..., Config]:
    """The fixture of Alembic for that database, at this version."""

    @pytest.fixture(name="config")
    def at_version(settings: Settings) -> Config:
        made = Config(ROOT / "alembic.ini")
        made.attributes["settings"] = settings
        command.upgrade(made, revision)
        return made

    return at_version


@contextmanager
def connected(settings: Settings) -> Iterator[Connection]:
    """A transaction of its own."""
    engine = make_engine(settings.database_url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def open_accounts(settings: Settings, **accounts: tuple[str, str]) -> None:
    """Accounts by id: the address and its key."""
    opened = text(
        "INSERT INTO account (id, username, username_key, email, email_key, given_name, family_name, language,"
        " password_hash, credentials_version, status, created_at) VALUES (:id, :id, :id, :email, :key, 'D', 'R',"
        " 'en', '-', 1, 'active', 0)"
    )
    with connected(settings) as connection:
        for account_id, (address, key) in accounts.items():
            connection.execute(opened, {"id": account_id, "email": address, "key": key})


def ask(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    """The rows that a statement returns."""
    with connected(settings) as connection:
        found = connection.execute(text(statement))
        return [tuple(row) for row in found] if found.returns_rows else []
