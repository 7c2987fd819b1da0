"""Seals events in one chain after they have committed: whoever reads never waits for it.

The job holds the lease of its name, and a row of the database besides: a sealer that lost its lease in mid-job can
neither fork the chain nor leave a gap. What a killed one left unsealed the next one seals.
"""

import time
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, func, insert, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, sessionmaker

from service.audit import AuditEvent
from service.audit_chain.links import SELECTED, head, link
from service.audit_chain.models import AuditSeal, AuditSealing
from service.clock import now
from service.db import Statement
from service.settings import Settings

BATCH = 500
"""Events in one transaction: on SQLite nobody else writes meanwhile, some milliseconds."""
_SLICE_SECONDS = 10.0
# An id is drawn a moment before its transaction has a number by which one could wait for it.
_GRACE = timedelta(seconds=5)
_UNSEALED = Statement(
    f"SELECT {SELECTED} FROM audit_event e WHERE e.id > %s AND NOT EXISTS "  # noqa: S608
    "(SELECT 1 FROM audit_seal s WHERE s.event_id = e.id AND s.event_id > %s) ORDER BY e.id LIMIT %s"
)
# PostgreSQL's numbers of transactions (xid8), as BIGINT: what still runs is at or after the first, before the second.
_OLDEST = literal_column("CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)", BigInteger)
_NEXT = literal_column("CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)", BigInteger)


def run(sessions: sessionmaker[Session], _settings: Settings) -> None:
    """Seal what waits, for some seconds at most: other jobs have their turn."""
    seal_all(sessions, until=time.monotonic() + _SLICE_SECONDS)


def seal_all(sessions: sessionmaker[Session], *, until: float | None = None) -> int:
    """Seal every event that has committed; how many. Stops at `until`, by the monotonic clock."""
    with sessions.begin() as session:
        ripe = _ripe(session, hold(session))
    sealed, after = 0, 0
    while until is None or time.monotonic() < until:
        with sessions.begin() as session:
            some, after = _seal(session, after)
        sealed += some
        if some < BATCH:
            if ripe is not None:
                with sessions.begin() as session:
                    _settle(session, ripe)
            break
    return sealed


def _seal(session: Session, after: int) -> tuple[int, int]:
    """Seal a batch of what comes after the id `after`: how many, and the last id."""
    state = hold(session)
    after = max(after, state.settled)
    found = _UNSEALED.run(session, after, after, BATCH).fetchall()
    if not found:
        return 0, after
    at = head(session)
    position, last = at.position, at.hash
    seals: list[dict[str, Any]] = []
    for row in found:
        position, prev = position + 1, last
        last = link(prev, position, row)
        seals.append({"position": position, "event_id": row[0], "prev": prev, "hash": last})
    session.execute(insert(AuditSeal), seals)
    if _is_sqlite(session):
        # One transaction writes at a time there: ids come in the order of commits.
        state.settled = found[-1][0]
    return len(found), found[-1][0]


def hold(session: Session) -> AuditSealing:
    """The row that whoever adds to the chain, or cuts its beginning, holds to the end of their transaction."""
    held = session.scalar(select(AuditSealing).with_for_update())
    if held is None:
        first = sqlite.insert(AuditSealing) if _is_sqlite(session) else postgresql.insert(AuditSealing)
        none = {"id": 1, "settled": 0, "candidate": 0, "candidate_xid": 0, "candidate_at": now()}
        session.execute(first.values(none).on_conflict_do_nothing())
        held = session.scalars(select(AuditSealing).with_for_update()).one()
    return held


def _ripe(session: Session, state: AuditSealing) -> int | None:
    """The candidate, if all transactions that ran when it was noted are over: what they wrote is seen from now on."""
    if _is_sqlite(session):
        return None
    oldest = session.scalars(select(_OLDEST)).one()
    is_over = state.candidate_xid <= oldest and abs(now() - state.candidate_at) >= _GRACE
    return state.candidate if is_over else None


def _settle(session: Session, ripe: int) -> None:
    state = hold(session)
    if state.candidate != ripe:
        # Another sealer did it, and noted the next one.
        return
    # Of one moment: whoever holds a smaller id and has not committed has a number before this one.
    noted = session.execute(select(func.max(AuditEvent.id), _NEXT)).one()
    state.settled = state.candidate
    state.candidate, state.candidate_xid, state.candidate_at = noted[0] or 0, noted[1], now()


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
