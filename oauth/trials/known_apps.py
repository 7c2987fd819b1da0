"""Which apps somebody tries something with, kept for a second: requests of all others cost nothing."""

import time
from contextlib import closing

from service import web
from service.clock import now
from service.db import Statement, microseconds

_KNOWN_FOR = 1.0


class KnownApps:
    """The ids that a statement gives for an instant, asked of the database once a second at most."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._ids: frozenset[str] = frozenset()
        self._until = 0.0

    def ids(self) -> frozenset[str]:
        """The apps' ids, as they were within the last second."""
        if time.monotonic() >= self._until:
            # One request asks, those beside it go on with what was known.
            self._until = time.monotonic() + _KNOWN_FOR
            with closing(web.latchstring().reading.open()) as session:
                self._ids = frozenset(row[0] for row in self._statement.run(session, microseconds(now())).fetchall())
        return self._ids

    def forget(self) -> None:
        """Ask the database again at the next request."""
        self._until = 0.0
