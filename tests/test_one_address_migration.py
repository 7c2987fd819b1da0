"""Version 0061: one address, one account. Where accounts share one it stops and says which; nothing is lost."""

import os
import signal
from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine, event, inspect
from sqlalchemy.exc import IntegrityError

from service.clock import now
from service.db import microseconds
from service.sandbox import schema
from service.settings import Settings
from tests.migrating import ask, connected, database_url, migrating, open_accounts

__all__ = ["config", "database_url"]

_ADDRESS = "dana@example.org"


config = migrating("0060")


def _open(settings: Settings, **accounts: str) -> None:
    open_accounts(settings, **{account_id: (address, address) for account_id, address in accounts.items()})


def test_accounts_that_share_an_address_stop_it_and_are_named_by_id(settings: Settings, config: Config) -> None:
    _open(settings, first=_ADDRESS, second=_ADDRESS, third="other@example.org")
    with pytest.raises(CommandError) as stopped:
        command.upgrade(config, "head")
    told = str(stopped.value)
    assert "first and second" in told and "third" not in told and "docs/releasing.md" in told
    assert _ADDRESS not in told, "what is printed ends up in logs"
    assert schema.current_revision(settings) == "0060"
    assert len(ask(settings, "SELECT id FROM account")) == 3

    # As docs/releasing.md says, where nobody can be reached.
    ask(settings, "UPDATE account SET email = 'second@unreachable.invalid', email_key = 'second@unreachable.invalid'"
                   " WHERE id = 'second'")  # fmt: skip
    command.upgrade(config, "head")
    assert sorted(ask(settings, "SELECT id, email_key FROM account")) == [
        ("first", _ADDRESS), ("second", "second@unreachable.invalid"), ("third", "other@example.org"),
    ]  # fmt: skip
    with pytest.raises(IntegrityError):
        _open(settings, fourth=_ADDRESS)
    command.downgrade(config, "0060")
    _open(settings, fourth=_ADDRESS)


def test_of_many_shared_addresses_it_names_the_first_and_counts_the_rest(settings: Settings, config: Config) -> None:
    _open(settings, **{f"{one}{number:02}": f"{number:02}@example.org" for number in range(23) for one in "ab"})
    with pytest.raises(CommandError) as stopped:
        command.upgrade(config, "head")
    told = str(stopped.value)
    assert "a00 and b00" in told and "a19 and b19" in told and "a20" not in told and "3 more" in told


def test_an_account_that_comes_between_the_look_and_the_index_stops_it_alike(
    settings: Settings, config: Config
) -> None:
    if settings.database_url.startswith("sqlite"):
        pytest.skip("SQLite lets nobody write meanwhile")
    _open(settings, first=_ADDRESS)

    faster = [True]

    def somebody_registers(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("CREATE UNIQUE INDEX CONCURRENTLY") and faster.pop():
            _open(settings, second=_ADDRESS)

    event.listen(Engine, "before_cursor_execute", somebody_registers)
    try:
        with pytest.raises(CommandError, match="first and second"):
            command.upgrade(config, "head")
    finally:
        event.remove(Engine, "before_cursor_execute", somebody_registers)
    # Nor does half an index stay, which would refuse what the release before does.
    _open(settings, third=_ADDRESS)
    assert ask(settings, "SELECT indexname FROM pg_indexes WHERE indexname = 'ix_account_email_key_unique'") == []


@pytest.mark.parametrize(
    "before", ["CREATE UNIQUE INDEX", "DROP INDEX ix_account_email_key", "ALTER TABLE email_change"]
)
def test_killed_half_way_it_is_run_again(settings: Settings, config: Config, before: str) -> None:
    _open(settings, first=_ADDRESS)
    _killed(lambda: command.upgrade(config, "head"), before)
    assert schema.current_revision(settings) == "0060"
    command.upgrade(config, "head")
    with pytest.raises(IntegrityError):
        _open(settings, second=_ADDRESS)
    with connected(settings) as connection:
        [index] = [one for one in inspect(connection).get_indexes("account") if one["column_names"] == ["email_key"]]
    assert (index["name"], bool(index["unique"])) == ("ix_account_email_key", True)


def test_an_address_that_can_be_taken_back_is_held_from_the_first_moment(settings: Settings, config: Config) -> None:
    _open(settings, first="new@example.org")
    soon = microseconds(now()) + 3_600_000_000
    for change_id, until, spent in (("open", soon, "NULL"), ("over", 5, "NULL"), ("used", soon, "7")):
        ask(settings, (
            "INSERT INTO email_change (id, account_id, login_session_id, old_email, new_email, begun_at, expires_at,"
            f" changed_at, undo_hash, undo_until, spent_at) VALUES ('{change_id}', 'first', 's', 'Dana@EXAMPLE.org',"
            f" 'new@example.org', 1, {until}, 2, '{change_id}', {until}, {spent})"
        ))  # fmt: skip
    command.upgrade(config, "head")
    held = ask(settings, "SELECT id, old_email_key FROM email_change ORDER BY id")
    assert held == [("open", _ADDRESS), ("over", None), ("used", None)]


def _killed(deed: Callable[[], None], before: str) -> None:
    """Do it in a process that is killed before the first statement that begins so."""
    child = os.fork()
    if child == 0:

        def passed(_conn: object, _cursor: object, statement: str, *_: object) -> None:
            if statement.lstrip().startswith(before):
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "before_cursor_execute", passed)
        try:
            deed()
        finally:
            # Never a second pytest, however it went.
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
