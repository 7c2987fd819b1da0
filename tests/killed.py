"""Processes that are killed (SIGKILL) at a chosen call of the database, to see what they leave behind."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from service.db import Statement

_MOST = 400


def at_each_call(engine: Engine, deed: Callable[[], object]) -> Iterator[bool]:
    """Run `deed` in processes of their own: one is killed at its first call of the database, the next at its second, …

    The last one lives. Gives, after each, whether `deed` returned. A call counts before it is made, after it, before
    each commit and after it. Nobody else may hold a connection of `engine` meanwhile.
    """
    for call in count(1):
        assert call < _MOST, "the deed does not come to its end"
        returned = _run(engine, deed, call)
        yield returned
        if returned:
            return


def _run(engine: Engine, deed: Callable[[], object], call: int) -> bool:
    # No connection may be shared with the child, nor SQLite's locks, which belong to a process.
    engine.dispose()
    child = os.fork()
    if child == 0:
        try:
            _arm(engine, call)
            deed()
        except BaseException:  # noqa: BLE001 - whatever it was, the child must not go on as a second pytest
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.waitstatus_to_exitcode(status) == 0, "the deed failed before it was killed"
    return True


def _arm(engine: Engine, call: int) -> None:
    """Make this process end itself at its `call`-th call."""
    calls = count(1)

    def passed(*_: object, **__: object) -> None:
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(engine, name, passed)
    event.listen(Session, "after_commit", passed)
    run = Statement.run

    def counted(statement: Statement, session: Session, *values: Any) -> Any:
        passed()
        cursor = run(statement, session, *values)
        passed()
        return cursor

    Statement.run = counted  # type: ignore[method-assign]
