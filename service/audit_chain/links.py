"""The links of the chain: what of an event is hashed, how, and where the chain stands.

The hash is SHA-256 over the hash before it, the position in decimal with a line feed, and the event as JSON: its
columns that are not NULL, in the order of `COLUMNS`, as the database keeps them. A column that comes later leaves
older hashes as they are. Anybody can work it out again from an export.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy.orm import Session

from service.audit import COLUMNS as _OF_EVENTS
from service.db import Statement

COLUMNS = ("id", *_OF_EVENTS)
"""The columns of an event in the order in which they are hashed; new ones go to the end."""
# As text JSON keeps its very bytes in both databases.
SELECTED = ", ".join(f"CAST(e.{name} AS TEXT)" if name == "detail" else f"e.{name}" for name in COLUMNS)
"""The columns of `audit_event e`, for a hand-kept SELECT."""
DETAIL, OF_SEVERAL = COLUMNS.index("detail"), '"members":{"count":'
"""Where the `detail` of an event stands, and by which words in it an event is known that is about several members."""
SUBJECTS = Statement(
    "SELECT member_id, resource_type, count FROM audit_subject WHERE event_id = %s ORDER BY member_id, resource_type"
)
GENESIS = bytes(32)
"""The hash before the first one."""
_LAST_SEAL = Statement("SELECT position, hash, event_id FROM audit_seal ORDER BY position DESC LIMIT 1")
_LAST_STUB = Statement("SELECT through_position, hash FROM audit_purge ORDER BY through_position DESC LIMIT 1")


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands: its last position and hash; `event_id` is 0 where that event was purged, or none was."""

    position: int
    hash: bytes
    event_id: int = 0


def link(prev: bytes, position: int, row: Sequence[Any]) -> bytes:
    """The hash of an event, given as the values of COLUMNS; raises TypeError for values no event of ours holds."""
    told = {name: value for name, value in zip(COLUMNS, row, strict=True) if value is not None}
    return hashlib.sha256(b"%b%d\n%b" % (prev, position, orjson.dumps(told))).digest()


def head(session: Session) -> Head:
    """The end of the chain in the database."""
    found = _LAST_SEAL.run(session).fetchall()
    if found:
        return Head(found[0][0], bytes(found[0][1]), found[0][2])
    purged = _LAST_STUB.run(session).fetchall()
    return Head(purged[0][0], bytes(purged[0][1])) if purged else Head(0, GENESIS)
