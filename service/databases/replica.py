"""A streaming replica of PostgreSQL that answers reads of FHIR data, and nothing else (docs/decisions/0094).

Whether it may is asked anew for each request, of the primary and of the replica: a copy that does not know of the last
change that took something out of somebody's sight is passed over, and so is one that lags too far. What it cannot
answer the primary answers, in the same request.
"""

import threading
import time
from collections import deque
from typing import Any

import psycopg
import structlog
from psycopg import errors
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import PoolProxiedConnection

from service.databases.connections import require_alive
from service.databases.prepared import PreparedStatements

# Drawn at random by each transaction that narrows: a replica of another past never has it by chance.
_EPOCH = "SELECT coalesce((SELECT epoch FROM visibility_epoch), '')"
_OF_PRIMARY = f"{_EPOCH}, (pg_current_wal_lsn() - '0/0')::bigint"
_OF_REPLICA = f"{_EPOCH}, (pg_last_wal_replay_lsn() - '0/0')::bigint, pg_is_in_recovery()"
_REST = 5.0
"""Seconds for which a replica that did not answer is not asked again."""
_BETWEEN = 0.25
"""Seconds between two positions of the primary that are remembered."""
log = structlog.get_logger("service.databases.replica")


class Replica:
    """One process's view of the replica: its connections, and how far behind the primary it is."""

    def __init__(self, engine: Engine, most_lag: float) -> None:
        """`most_lag` in seconds: data that is older is not shown."""
        self.engine = engine
        self._most_lag = most_lag
        self._lock = threading.Lock()
        self._positions: deque[tuple[float, int]] = deque()
        self._asked_again_at = 0.0
        self.state = "unknown"

    def connect(self) -> PoolProxiedConnection | None:
        """A connection in autocommit; None while the replica is away."""
        if time.monotonic() < self._asked_again_at:
            return None
        try:
            made = self.engine.raw_connection()
        except (DBAPIError, PoolTimeout) as problem:
            self.rest(problem)
            return None
        driver: Any = made.driver_connection
        driver.autocommit = True
        return made

    def reads(self) -> "CopyReads":
        """The replica as one session's reads meet it."""
        return CopyReads(self)

    def is_current(self, primary: PreparedStatements, copy: PreparedStatements) -> bool:
        """Whether the copy hides all that the primary hides by now, and is not too old.

        The primary is asked first: what the copy does not know then, it may only have learnt since.
        """
        epoch, position = primary.execute(_OF_PRIMARY).fetchall()[0]
        asked_at = time.monotonic()
        known, replayed, follows = copy.execute(_OF_REPLICA).fetchall()[0]
        if not follows or replayed is None:
            self._note("no replica")
        elif known != epoch or replayed < self._least(asked_at, position):
            self._note("behind")
        else:
            self._note("current")
        return self.state == "current"

    def rest(self, problem: Exception) -> None:
        """Leave the replica alone for a while: it did not answer."""
        self._asked_again_at = time.monotonic() + _REST
        self._note("away", type(problem.__cause__ or problem).__name__)

    def _least(self, asked_at: float, position: int) -> int:
        """The position that a copy has reached which is not older than may be: one that the primary had since then."""
        with self._lock:
            while self._positions and self._positions[0][0] < asked_at - self._most_lag:
                self._positions.popleft()
            if not self._positions or asked_at - self._positions[-1][0] >= _BETWEEN:
                self._positions.append((asked_at, position))
            return min(self._positions[0][1], position)

    def _note(self, state: str, problem: str | None = None) -> None:
        if state != self.state:
            self.state = state
            tell = log.info if state == "current" else log.warning
            tell("replica_changed", kind=state, problem=problem)


class CopyReads:
    """The reads of one request, on the replica where it may answer and by the primary otherwise."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._connection: PoolProxiedConnection | None = None
        self._copy: PreparedStatements | None = None
        self._primary: PreparedStatements | None = None
        self._is_chosen: bool | None = None

    def begin(self) -> None:
        """Another request: what held for the last one is forgotten."""
        self._is_chosen = None

    def on(self, primary: PreparedStatements) -> "CopyReads":
        """These reads, with the connection of the primary that answers where the replica does not."""
        self._primary = primary
        return self

    def execute(self, text: str, values: tuple[Any, ...] = ()) -> PreparedStatements:
        """Run a statement that only reads; raises the driver's errors."""
        assert self._primary is not None
        if self._is_chosen is None:
            self._is_chosen = self._choose(self._primary)
        if self._is_chosen and self._copy is not None:
            try:
                return self._copy.execute(text, values)
            except psycopg.OperationalError as problem:
                self._give_up(problem)
        return self._primary.execute(text, values)

    def end(self) -> None:
        """Close the connection for good."""
        if self._connection is not None:
            self._connection.invalidate()
        self._connection = self._copy = None

    def _choose(self, primary: PreparedStatements) -> bool:
        try:
            copy = self._connected()
            return copy is not None and self._replica.is_current(primary, copy)
        except (psycopg.OperationalError, DisconnectionError) as problem:
            # Of whichever of the two it was: the primary's own trouble shows at the next statement.
            self._give_up(problem)
            return False

    def _connected(self) -> PreparedStatements | None:
        if self._connection is not None:
            try:
                require_alive(self._connection.driver_connection)
            except DisconnectionError:
                self.end()
        if self._copy is None:
            self._connection = self._replica.connect()
            driver: Any = self._connection.driver_connection if self._connection else None
            self._copy = PreparedStatements(driver) if driver else None
        return self._copy

    def _give_up(self, problem: Exception) -> None:
        self._is_chosen = False
        # A replica ends a statement that stands in the way of what it has to replay: no fault, and no lost connection.
        if not isinstance(problem, errors.SerializationFailure):
            self.end()
            self._replica.rest(problem)
