"""The schema's number: which one this code was written for, and which one the database has.

Without Alembic, which a web server never loads: versions are files with their number in front.
"""

from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session

_VERSIONS = Path(__file__).parents[2] / "migrations" / "versions"


@cache
def newest() -> str:
    """The number of the newest version, like `0050`."""
    return max(path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*_*.py"))


def serves(there: str) -> bool:
    """Whether this code works on a database that stands at that number.

    An older one lacks what it needs. A newer one has grown only, as long as the first digit is the same: what takes
    away begins a new thousand (docs/releasing.md).
    """
    return there >= newest() and there[0] == newest()[0]


def of_database(session: Session) -> str | None:
    """The number the database stands at; None where it has no schema. Raises where the database does not answer."""
    session.connection()
    try:
        found: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    except (OperationalError, ProgrammingError):
        session.rollback()
        # Either the table is not there, or the database left just now: this tells which.
        session.execute(text("SELECT 1"))
        return None
    return found
