"""Limits on guessing: counters in the database, shared by every worker and every path to the same power.

A window opens at the first attempt and is not moved by later ones. An attempt is counted before it is judged, so that a
parallel burst cannot pass the limit; a database that does not answer raises, so the limit fails closed.
"""

from datetime import timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any, cast

from sqlalchemy import CursorResult, case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.accounts.models import AttemptCounter
from service.clock import now
from service.db import digest


def hit(session: Session, key: str, limit: int, window_seconds: float) -> bool:
    """Count one attempt under `key`; whether it is within `limit` for the window."""
    return count(session, key, window_seconds) <= limit


def count(session: Session, key: str, window_seconds: float) -> int:
    """Count one attempt under `key` and return how many the window holds now, this one included."""
    moment = now()
    ends = moment + timedelta(seconds=window_seconds)
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert(AttemptCounter) if on_postgresql else sqlite.insert(AttemptCounter)
    over = AttemptCounter.expires_at <= moment
    statement = (
        insert.values(key=key, count=1, expires_at=ends)
        .on_conflict_do_update(
            index_elements=[AttemptCounter.key],
            set_={
                "count": case((over, 1), else_=AttemptCounter.count + 1),
                "expires_at": case((over, insert.excluded.expires_at), else_=AttemptCounter.expires_at),
            },
        )
        .returning(AttemptCounter.count)
    )
    return session.scalars(statement).one()


def give_back(session: Session, key: str) -> None:
    """Take back one counted attempt: it was right, so it was no guess."""
    session.execute(
        update(AttemptCounter)
        .where(AttemptCounter.key == key, AttemptCounter.count > 0)
        .values(count=AttemptCounter.count - 1)
        .execution_options(synchronize_session=False)
    )


def forget(session: Session, key: str) -> None:
    """Forget every attempt under `key`."""
    statement = delete(AttemptCounter).where(AttemptCounter.key == key)
    session.execute(statement.execution_options(synchronize_session=False))


def delete_over(session: Session, *, limit: int = 500) -> int:
    """Delete at most `limit` counters whose window is over; how many were deleted."""
    over = AttemptCounter.expires_at <= now()
    keys = select(AttemptCounter.key).where(over).limit(limit)
    result = session.execute(delete(AttemptCounter).where(over, AttemptCounter.key.in_(keys)))
    return cast(CursorResult[Any], result).rowcount


def network_of(ip: str | None) -> str:
    """The network one subscriber holds: the address for IPv4, its /64 for IPv6."""
    if not ip:
        return "unknown"
    try:
        address = ip_address(ip)
    except ValueError:
        return "unknown"
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped) if address.ipv4_mapped else address.exploded[:19]


def hidden(*parts: str) -> str:
    """A counter key for texts that must not be stored as they are, such as names typed by strangers."""
    return digest("\0".join(parts))[:40]
