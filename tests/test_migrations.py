"""The schema changes lead from nothing to what the models say, and back, on both databases."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from service.db import Base, make_engine
from service.sandbox import schema
from service.settings import Settings
from tests.conftest import ROOT


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Migrations start from nothing."""
    return empty_database_url


@pytest.fixture
def config(settings: Settings) -> Config:
    made = Config(ROOT / "alembic.ini")
    made.attributes["settings"] = settings
    return made


def test_the_versions_lead_to_the_tables_of_the_models(settings: Settings) -> None:
    assert schema.bring_up_to_date(settings)

    engine = make_engine(settings.database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()

    assert differences == []


def test_every_version_goes_down_again(settings: Settings, config: Config) -> None:
    schema.bring_up_to_date(settings)

    command.downgrade(config, "base")

    engine = make_engine(settings.database_url)
    with engine.connect() as connection:
        left = inspect(connection).get_table_names()
    engine.dispose()
    assert left == ["alembic_version"]
    assert schema.bring_up_to_date(settings), "and up again"


def test_a_database_that_is_up_to_date_is_left_alone(settings: Settings, config: Config) -> None:
    schema.bring_up_to_date(settings)

    assert schema.bring_up_to_date(settings) is False
    assert schema.current_revision(settings) == ScriptDirectory.from_config(config).get_current_head()


def test_versions_stand_in_one_line(config: Config) -> None:
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


@pytest.mark.parametrize("table", ["audit_event", "consent_decision"])
def test_a_migrated_database_guards_its_evidence(settings: Settings, table: str) -> None:
    schema.bring_up_to_date(settings)

    engine = make_engine(settings.database_url)
    catalogue = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = CAST(:table AS regclass) AND NOT tgisinternal",
    }
    with engine.connect() as connection:
        found = set(connection.scalars(text(catalogue[engine.dialect.name]), {"table": table}))
    engine.dispose()

    expected = {
        "sqlite": {f"{table}_no_update", f"{table}_no_delete"},
        "postgresql": {f"{table}_append_only"},
    }
    assert found == expected[engine.dialect.name]
