"""Connections to PostgreSQL: is the server still there, does a pooler stand between, how many may be."""

import select
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DisconnectionError

from service.databases.driver_errors import operational_errors


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many connections a process opens at most, and how long a request waits for one.

    `size` are kept, `overflow` more are opened at need and closed again; a request that got none after `seconds` is
    answered by 503.
    """

    size: int = 10
    overflow: int = 0
    seconds: float = 10


USUAL = PoolLimits()


def require_alive(connection: Any, *_: object) -> None:
    """Raise DisconnectionError where the server ended the connection."""
    # A ping costs a round trip each time. A server that ended leaves its farewell in the socket: only then is asked.
    poll = select.poll()
    try:
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0):
            connection.execute("SELECT 1")
            connection.rollback()
    except operational_errors():
        raise DisconnectionError from None


def look_for_pooler(connection: Any, *_: object) -> None:
    """Keep no state in a new connection where a pooler (PgBouncer) answers in the server's place.

    There each transaction may run on another connection of the server, with the prepared statements and settings of
    whoever had it before: a name of ours could stand for somebody else's statement. A pooler is told by the number of
    the server's process, which it makes up.
    """
    told = connection.execute("SELECT pg_backend_pid()").fetchone()
    connection.rollback()
    if told[0] != connection.pgconn.backend_pid:
        # The driver's own switch says it for ours too, see `keeps_state`.
        connection.prepare_threshold = None


def keeps_state(connection: Any) -> bool:
    """Whether what one statement leaves in the connection is there for the next one."""
    return connection.prepare_threshold is not None
