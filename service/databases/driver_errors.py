"""The drivers' own errors, which hand-kept statements raise: they run on the drivers' cursors.

PostgreSQL's driver takes 7 MB of a process: where the database is SQLite nothing loads it, and what is not loaded
raises nothing. `except` looks a call up when something was raised, so it always means the drivers that are there.
"""

import sqlite3
import sys
from typing import Any


def every_error(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """The class of all errors of each driver that is loaded, and `others`."""
    return (sqlite3.Error, *_postgres("Error"), *others)


def operational_errors() -> tuple[type[Exception], ...]:
    """Of each driver that is loaded the errors that are mostly the database's: away, full, locked.

    SQLite tells of a statement that it does not understand in this way, too.
    """
    return (sqlite3.OperationalError, *_postgres("OperationalError"))


def _postgres(name: str) -> tuple[type[Exception], ...]:
    driver: Any = sys.modules.get("psycopg")
    # Another thread may be importing it just now.
    found = getattr(driver, name, None)
    return (found,) if found else ()
