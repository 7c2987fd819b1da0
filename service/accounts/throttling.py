"""Limits on guessing: counters in the database, shared by every worker and every path to the same power.

A window opens at the first attempt and is not moved by later ones. An attempt is counted before it is judged, so that a
parallel burst cannot pass the limit; a database that does not answer raises, so the limit fails closed.
"""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from service.accounts.models import AttemptCounter
from service.clock import now
from service.db import Statement, digest, microseconds, write_together

# By hand: every sign-in counts and gives back, and through the ORM each of these cost more than all else but the hash.
_COUNT = Statement(
    """
    INSERT INTO attempt_counter (key, count, expires_at) VALUES (%s, 1, %s)
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN attempt_counter.expires_at <= %s THEN 1 ELSE attempt_counter.count + 1 END,
        expires_at = CASE WHEN attempt_counter.expires_at <= %s THEN excluded.expires_at
            ELSE attempt_counter.expires_at END
    RETURNING count
    """
)
_GIVE_BACK = Statement("UPDATE attempt_counter SET count = count - 1 WHERE key = %s AND count > 0")
FORGET = Statement("DELETE FROM attempt_counter WHERE key = %s")


def hit(session: Session, key: str, limit: int, window_seconds: float) -> bool:
    """Count one attempt under `key`; whether it is within `limit` for the window."""
    return count(session, key, window_seconds) <= limit


def count(session: Session, key: str, window_seconds: float) -> int:
    """Count one attempt under `key` and return how many the window holds now, this one included."""
    moment = microseconds(now())
    ends = moment + int(window_seconds * 1_000_000)
    ((counted,),) = write_together(session, (), ((_COUNT, (key, ends, moment, moment)),))
    return int(counted)


def held(session: Session, key: str) -> int:
    """How many attempts the window of `key` holds now; none is counted."""
    standing = (AttemptCounter.key == key, AttemptCounter.expires_at > now())
    return session.scalar(select(AttemptCounter.count).where(*standing)) or 0


def seconds_left(session: Session, key: str) -> int:
    """In how many seconds the window of `key` ends, at least one."""
    ends = session.scalar(select(AttemptCounter.expires_at).where(AttemptCounter.key == key))
    return max(1, ceil((ends - now()).total_seconds())) if ends else 1


def give_back(session: Session, key: str) -> None:
    """Take back one counted attempt: it was right, so it was no guess."""
    _GIVE_BACK.run(session, key)


def forget(session: Session, key: str) -> None:
    """Forget every attempt under `key`."""
    FORGET.run(session, key)


def delete_over(session: Session, *, limit: int = 500) -> int:
    """Delete at most `limit` counters whose window is over; how many were deleted."""
    over = AttemptCounter.expires_at <= now()
    keys = select(AttemptCounter.key).where(over).limit(limit)
    result = session.execute(delete(AttemptCounter).where(over, AttemptCounter.key.in_(keys)))
    return cast(CursorResult[Any], result).rowcount


@lru_cache(maxsize=4096)
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
