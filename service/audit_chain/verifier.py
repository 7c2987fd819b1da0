"""Works the whole chain out again and names the first row that is not what was written.

Reads page by page, each a statement of its own, so that nobody waits for it. It finds what anybody did to the
database below the product; what was done through it is an event itself.
"""

import sqlite3
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Engine

from service.audit import Subject, fingerprint
from service.audit_chain import stubs
from service.audit_chain.checkpoints import CheckpointLog, Line, Untrustworthy
from service.audit_chain.keys import AuditKey
from service.audit_chain.links import DETAIL, GENESIS, OF_SEVERAL, SELECTED, SUBJECTS, Head, link
from service.audit_chain.vouching import missing_since
from service.databases.reading import ReadingSession, ReadingSessions
from service.db import Statement

_PAGE = 5_000
_SEALED = Statement(
    f"SELECT s.position, s.event_id, s.prev, s.hash, {SELECTED} FROM audit_seal s "  # noqa: S608
    "LEFT JOIN audit_event e ON e.id = s.event_id WHERE s.position > %s ORDER BY s.position LIMIT %s"
)
_HAVE_SUBJECTS = Statement(
    "SELECT DISTINCT u.event_id FROM audit_subject u JOIN audit_seal s ON s.event_id = u.event_id "
    "WHERE s.position > %s AND s.position <= %s"
)
_NEVER_SEALED = Statement(
    "SELECT e.id FROM audit_event e WHERE e.id <= (SELECT settled FROM audit_sealing) "
    "AND NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.event_id = e.id) ORDER BY e.id LIMIT 1"
)
_WAITING = Statement(
    "SELECT count(*) FROM audit_event e WHERE e.id > COALESCE((SELECT settled FROM audit_sealing), 0) AND NOT EXISTS "
    "(SELECT 1 FROM audit_seal s WHERE s.event_id = e.id "
    "AND s.event_id > COALESCE((SELECT settled FROM audit_sealing), 0))"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong: the position in the chain and the event's id, each 0 where there is none."""

    sentence: str
    position: int = 0
    event_id: int = 0


@dataclass
class Verdict:
    """What was looked at, and what is wrong with it."""

    rows: int = 0
    purged: int = 0
    checkpoints: int = 0
    waiting: int = 0
    """Events that are not sealed yet."""
    unseen_since: datetime | None = None
    """When the oldest event happened that no checkpoint saw, sealed or not."""
    head: Head = field(default_factory=lambda: Head(0, GENESIS))
    losses: list[Line] = field(default_factory=list)
    """Restores from a backup after which somebody said that later rows are lost."""
    fault: Fault | None = None


class ChainBroken(Exception):
    """A row is not what was written."""

    def __init__(self, sentence: str, position: int = 0, event_id: int = 0) -> None:
        super().__init__(sentence)
        self.fault = Fault(sentence, position, event_id)


def verify(engine: Engine, folder: CheckpointLog, key: AuditKey) -> Verdict:
    """Verify the whole chain against the checkpoints in `folder`."""
    verdict = Verdict()
    session = reading(engine)
    try:
        lines, verdict.losses = folder.counting(key)
        verdict.checkpoints = len(lines)
        start = beginning(session, lines, key.known | {line.key_id for line in lines})
        verdict.purged, verdict.head = start.position, start
        for verdict.head, _row in walk(session, start, lines):
            verdict.rows += 1
        _require_reached(verdict.head, lines)
        _require_all_sealed(session)
        verdict.waiting = _WAITING.run(session).fetchall()[0][0]
        verdict.unseen_since = missing_since(session, lines[-1].position if lines else 0)
    except Untrustworthy as problem:
        verdict.fault = Fault(f"Checkpoints, {problem.place}: {problem.sentence}")
    except ChainBroken as broken:
        verdict.fault = broken.fault
    finally:
        session.end()
    return verdict


def walk(session: ReadingSession, start: Head, lines: Sequence[Line]) -> Iterator[tuple[Head, Sequence[Any]]]:
    """The links after `start`, each with the columns of its event.

    Raises ChainBroken for the first that does not hold.
    """
    seen = {line.position: line for line in lines}
    places = sorted(seen)
    at = start
    while rows := _page(session, at.position):
        with_subjects = {one[0] for one in _HAVE_SUBJECTS.run(session, at.position, rows[-1][0]).fetchall()}
        for position, event_id, prev, kept, *row in rows:
            if position != at.position + 1:
                raise ChainBroken("This row of the chain is missing.", at.position + 1)
            if bytes(prev) != at.hash:
                raise ChainBroken("This row does not follow the one before it.", position, event_id)
            if row[0] is None:
                raise ChainBroken("The event of this row is missing.", position, event_id)
            at = Head(position, _link(at.hash, position, event_id, row), event_id)
            if bytes(kept) != at.hash:
                raise ChainBroken("This event is not what was sealed.", position, event_id)
            if position in seen and seen[position].hash != at.hash:
                raise _unlike(seen[position], places)
            # Read only where there is something to compare: few events are about several members.
            if event_id in with_subjects or OF_SEVERAL in (row[DETAIL] or ""):
                _require_subjects(session, at, row[DETAIL])
            yield at, row


def _require_subjects(session: ReadingSession, at: Head, detail: str | None) -> None:
    found = [Subject(*one) for one in SUBJECTS.run(session, at.event_id).fetchall()]
    told = orjson.loads(detail or "{}").get("members")
    named = told.get("sha256") if isinstance(told, dict) else None
    if (found or named) and named != fingerprint(found):
        raise ChainBroken("Whom this event is about is not what was told with it.", at.position, at.event_id)


def reading(engine: Engine) -> ReadingSession:
    """A session for walks: each page is a statement of its own. End it afterwards."""
    return ReadingSessions(engine).open()


def _page(session: ReadingSession, after: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]]
    try:
        rows = _SEALED.run(session, after, _PAGE).fetchall()
    except sqlite3.OperationalError:
        # What somebody wrote into the file is handed out even where it is no UTF-8: its row shall be named. Only now:
        # asked of each text, it would cost a third of the time of all pages.
        connection: sqlite3.Connection = session.driver_cursor().connection
        connection.text_factory = lambda told: told.decode("utf-8", "surrogateescape")
        rows = _SEALED.run(session, after, _PAGE).fetchall()
    return rows


def _link(prev: bytes, position: int, event_id: int, row: Sequence[Any]) -> bytes:
    try:
        return link(prev, position, row)
    except TypeError:
        raise ChainBroken("This event holds what no event holds.", position, event_id) from None


def _unlike(line: Line, places: Sequence[int]) -> ChainBroken:
    before = places[places.index(line.position) - 1] if places[0] != line.position else 0
    return ChainBroken(
        f"The rows {before + 1} to {line.position} are not those that the checkpoint {line.place} saw: the chain was "
        "written anew.",
        before + 1,
    )


def _require_reached(head: Head, lines: Sequence[Line]) -> None:
    beyond = [line for line in lines if line.position > head.position]
    if beyond:
        raise ChainBroken(
            f"The rows from here to {beyond[-1].position} are missing: the checkpoint {beyond[-1].place} saw them. Was "
            "an old copy of the database put back? "
            "Where it was, by you: flask audit accept-loss (docs/backup.md).",
            head.position + 1,
        )


def _require_all_sealed(session: ReadingSession) -> None:
    found = _NEVER_SEALED.run(session).fetchall()
    if found:
        raise ChainBroken("This event was put among sealed ones afterwards.", event_id=found[0][0])


def beginning(session: ReadingSession, lines: Sequence[Line], keys: Set[str]) -> Head:
    """Where the chain of what is left begins."""
    at = Head(0, GENESIS)
    for stub in stubs.of_chain(session):
        if stub.key_id not in keys or not stub.is_signed():
            raise ChainBroken("Rows were deleted, and what stands for them was not signed here.", stub.first)
        if stub.first != at.position + 1 or stub.prev != at.hash:
            raise ChainBroken("What stands for purged rows does not follow what is before it.", at.position + 1)
        at = stub.end
    unlike = [line for line in lines if line.position == at.position and line.hash != at.hash]
    if unlike:
        raise _unlike(unlike[0], sorted({line.position for line in lines}))
    return at
