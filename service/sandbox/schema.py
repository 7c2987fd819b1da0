"""Brings the database to the newest schema, as `alembic upgrade head` does; costs little when it is there already."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from service.databases.connections import PoolLimits
from service.db import make_engine
from service.settings import Settings

_ROOT = Path(__file__).parents[2]


def bring_up_to_date(settings: Settings) -> bool:
    """Upgrade the database of `settings` to head; whether there was anything to do."""
    config = Config(_ROOT / "alembic.ini")
    config.attributes["settings"] = settings
    if current_revision(settings) == ScriptDirectory.from_config(config).get_current_head():
        return False
    command.upgrade(config, "head")
    return True


def current_revision(settings: Settings) -> str | None:
    """The revision the database stands at; None before the first."""
    engine = make_engine(settings.database_url, PoolLimits(1))
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
