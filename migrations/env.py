"""Alembic's way in: the tables through service.app, the database of `DATABASE_URL` or of the settings it is handed."""

from typing import Any

from alembic import context
from sqlalchemy import Connection, event

from service import app  # noqa: F401  (imports every blueprint and so every table)
from service.databases.connections import PoolLimits
from service.db import Base, Instant, make_engine
from service.settings import Settings


def render_item(kind: str, item: Any, _autogen: Any) -> str | bool:
    """Write our own column types as what they are in the database, so that versions import nothing of ours."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.BigInteger()"
    return False


def include_object(item: Any, _name: str | None, _kind: str, _reflected: bool, _compared: Any) -> bool:
    """Pass over indexes that are of the other database."""
    return item.info.get("dialect") in {None, context.get_context().dialect.name}


def migrate(connection: Connection) -> None:
    """Run the versions on `connection`; SQLite rebuilds a table where it cannot alter it."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        # Alembic trusts SQLite's driver with no transaction around DDL. Ours are begun by hand and hold it, so that a
        # migration that is killed leaves the version before it.
        transactional_ddl=True,
        render_item=render_item,
        compare_type=True,
        include_object=include_object,
    )
    with context.begin_transaction():
        context.run_migrations()


def migrate_offline() -> None:
    """Print the SQL instead of running it (`alembic upgrade head --sql`)."""
    context.configure(
        url=_settings().database_url,
        target_metadata=Base.metadata,
        literal_binds=True,
        render_item=render_item,
    )
    with context.begin_transaction():
        context.run_migrations()


def migrate_online() -> None:
    """Connect as the settings say. SQLite's foreign keys rest meanwhile: a rebuilt table is dropped and renamed."""
    engine = make_engine(_settings().database_url, PoolLimits(1))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA foreign_keys=OFF"))
    try:
        with engine.connect() as connection:
            migrate(connection)
    finally:
        engine.dispose()


def _settings() -> Settings:
    given: Settings | None = context.config.attributes.get("settings")
    return given or Settings.from_environment()


if context.is_offline_mode():
    migrate_offline()
else:
    migrate_online()
