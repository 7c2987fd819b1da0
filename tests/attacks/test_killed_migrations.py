"""security.md, case 179: a migration that is killed leaves the version before it; nothing serves on another schema."""

import os
import signal
from itertools import count

import pytest
from sqlalchemy import Engine, event, inspect, text

from service.app import create_app
from service.db import make_engine
from service.sandbox import schema
from service.settings import Settings


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Migrations start from nothing."""
    return empty_database_url


def test_case_179_a_killed_migration_leaves_what_was_there_and_is_done_again(settings: Settings) -> None:
    for statement in (3, 60, 300):
        _killed_at(settings, statement)
        engine = make_engine(settings.database_url)
        assert inspect(engine).get_table_names() == []
        assert schema.current_revision(settings) is None
        engine.dispose()
    assert schema.bring_up_to_date(settings)
    assert not schema.bring_up_to_date(settings)


@pytest.mark.parametrize("stands_at", ["9999", "0001", None])
def test_case_179_nobody_is_sent_to_code_of_another_schema(settings: Settings, stands_at: str | None) -> None:
    schema.bring_up_to_date(settings)
    engine = make_engine(settings.database_url)
    ready = create_app(settings, engine).test_client()
    assert ready.get("/health/ready").status_code == 200
    with engine.begin() as connection:
        if stands_at is None:
            connection.execute(text("DELETE FROM alembic_version"))
        else:
            connection.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": stands_at})
    answer = create_app(settings, engine).test_client().get("/health/ready")
    assert answer.status_code == 503 and answer.get_json()["reason"] == "schema"
    engine.dispose()


def _killed_at(settings: Settings, statement: int) -> None:
    """Migrate in a process that is killed before that statement."""
    child = os.fork()
    if child == 0:
        calls = count(1)

        def passed(*_: object) -> None:
            if next(calls) == statement:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "before_cursor_execute", passed)
        try:
            schema.bring_up_to_date(settings)
        finally:
            # Never a second pytest, however it went.
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
