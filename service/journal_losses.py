"""Lines of the journal of revocations that were written and are in no file any more, in the midst of one too.

Two things tell of them. The database knows every line that it saw written. And each line in a file names the one that
its process wrote before, which is known after a restore too, when the database knows less than the journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from service import journal_files
from service.revocations import Journal, Revocation, missing

_AT_ONCE = 400
_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Lost:
    """A line that the database saw written and that is in no file here; `host` wrote it (None: it names none)."""

    id: str
    at: datetime
    host: str | None


@dataclass(frozen=True, slots=True)
class Losses:
    """What is in no file: `lines` the database knows, the oldest first; `unknown` are ids that lines alone name.

    `elsewhere` are hosts of which there is no file here, though there are others': they may keep one of their own.
    """

    lines: Sequence[Lost]
    unknown: Sequence[str]
    elsewhere: Sequence[str]


def find(session: Session, journal: Journal) -> Losses:
    """Compare the database with every line of every file: a second or two for a million lines.

    Raises journal_files.Unreadable.
    """
    # The database first: a line is in its file before its row says so.
    written = select(Revocation.id).where(Revocation.written.is_(True))
    gone = set(session.scalars(written.execution_options(yield_per=_ROWS)))
    held: set[str] = set()
    named: set[str] = set()
    for line in journal.lines():
        gone.discard(line["id"])
        held.add(line["id"])
        if "after" in line:
            named.add(line["after"])
    lost = _lost(session, sorted(gone))
    hosts = journal_files.hosts(journal.folder)
    elsewhere = {one.host for one in lost if one.host is not None and hosts and one.host not in hosts}
    here = sorted((one for one in lost if one.host not in elsewhere), key=lambda one: (one.at, one.id))
    return Losses(here, sorted(missing(session, sorted(named - held))), sorted(elsewhere))


def _lost(session: Session, ids: Sequence[str]) -> list[Lost]:
    found: list[Lost] = []
    for at in range(0, len(ids), _AT_ONCE):
        rows = session.execute(
            select(Revocation.id, Revocation.at, Revocation.line).where(Revocation.id.in_(ids[at : at + _AT_ONCE]))
        )
        found += [Lost(row.id, row.at, orjson.loads(row.line).get("host")) for row in rows]
    return found
