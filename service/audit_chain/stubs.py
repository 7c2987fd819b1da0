"""Stubs: what stands in the chain for rows that were purged, signed by the key of their time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy.orm import Session

from service.audit_chain.keys import AuditKey, is_signed
from service.audit_chain.links import Head
from service.audit_chain.models import AuditPurge
from service.clock import now
from service.db import Statement, microseconds

_COLUMNS = "through_position, from_position, first_at, last_at, prev, hash, at, key_id, signature"
_ALL = Statement(f"SELECT {_COLUMNS} FROM audit_purge ORDER BY through_position")  # noqa: S608


@dataclass(frozen=True, slots=True)
class Stub:
    """Rows `first` to `last` by position, with the hashes before and at the end; times in microseconds since 1970."""

    last: int
    first: int
    first_at: int
    last_at: int
    prev: bytes
    hash: bytes
    at: int
    key_id: str
    signature: bytes

    @property
    def end(self) -> Head:
        """Where the chain stands after it."""
        return Head(self.last, self.hash)

    def is_signed(self) -> bool:
        """Whether its own key signed what it says."""
        told = _told(self.first, self.last, self.first_at, self.last_at, self.prev, self.hash, self.at)
        return is_signed(self.key_id, told, self.signature)


def add(session: Session, key: AuditKey, start: Head, end: Head, first_at: datetime, last_at: datetime) -> None:
    """Put a stub in the place of the rows after `start` up to `end`."""
    moment, first = now(), start.position + 1
    told = _told(
        first, end.position, microseconds(first_at), microseconds(last_at), start.hash, end.hash, microseconds(moment)
    )
    session.add(AuditPurge(
        through_position=end.position, from_position=first, first_at=first_at, last_at=last_at, prev=start.hash,
        hash=end.hash, at=moment, key_id=key.id, signature=key.sign(told),
    ))  # fmt: skip


def of_chain(session: Session) -> Iterator[Stub]:
    """Every stub, in the order of the chain."""
    for last, first, first_at, last_at, prev, end, at, key_id, signature in _ALL.run(session).fetchall():
        yield Stub(last, first, first_at, last_at, bytes(prev), bytes(end), at, str(key_id), bytes(signature))


def _told(first: int, last: int, first_at: int, last_at: int, prev: bytes, end: bytes, at: int) -> bytes:
    return orjson.dumps(["audit purge", first, last, first_at, last_at, prev.hex(), end.hex(), at])
