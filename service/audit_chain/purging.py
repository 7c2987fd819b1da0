"""Purging what is older than it has to be kept: a signed stub first, then the rows it stands for.

Only rows that verify are purged, or a purge would hide what was done to them. The triggers let go of what a stub
stands for and of nothing else, so that a purge which was interrupted goes on where it stopped.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Engine, delete, func, select
from sqlalchemy.orm import Session

from service import audit
from service.audit import AuditEvent, AuditSubject
from service.audit_chain import sealer, stubs, verifier
from service.audit_chain.checkpoints import CheckpointLog
from service.audit_chain.keys import AuditKey
from service.audit_chain.links import COLUMNS, Head
from service.audit_chain.models import AuditPurge, AuditSeal
from service.clock import now
from service.db import from_microseconds, make_sessions, microseconds
from service.settings import Settings

_BATCH, _MOST_SUBJECTS = 1_000, 20_000
_AT = COLUMNS.index("at")


class TooYoung(ValueError):
    """Younger rows were named than may be purged."""

    def __init__(self, years: int) -> None:
        super().__init__(
            f"Events are kept for {years} years (AUDIT_YEARS). Give a day before that. Nothing was purged."
        )


class OnHold(ValueError):
    """A legal hold."""

    def __init__(self) -> None:
        super().__init__("AUDIT_HOLD is set: a legal hold, under which nothing is purged.")


def purge(
    engine: Engine, settings: Settings, before: datetime, *, operator: str, act_id: str | None = None
) -> int:  # fmt: skip
    """Purge the events at the start of the chain that are older than `before`; how many.

    Raises TooYoung, OnHold, ChainBroken, Untrustworthy. `operator` is who asked, `act_id` the act by which somebody
    else allowed it, None for a broken glass: for the event that tells of it.
    """
    require_allowed(settings, before)
    sessions = make_sessions(engine)
    while (found := _range(engine, settings, before)) is not None:
        start, end, first_at, last_at = found
        with sessions.begin() as session:
            if not _still_begins_after(session, start):
                continue
            stubs.add(session, AuditKey(settings.secret_key), start, end, first_at, last_at)
            detail = {
                "from": start.position + 1, "through": end.position, "before": before.isoformat(), "operator": operator,
                "years": settings.audit_years, "hold": settings.audit_hold, "act": act_id,
            }  # fmt: skip
            audit.record(session, "audit:event:purge", count=end.position - start.position, detail=detail)
        break
    gone = _BATCH
    while gone:
        with sessions.begin() as session:
            gone = _delete_some(session)
    return found[1].position - found[0].position if found else 0


def require_allowed(settings: Settings, before: datetime) -> None:
    """Raise OnHold, or TooYoung where events after `before` less than AUDIT_YEARS ago would go."""
    if settings.audit_hold:
        raise OnHold
    today = now()
    try:
        latest = today.replace(year=today.year - settings.audit_years)
    except ValueError:
        # The 29th of February of a year without one.
        latest = today.replace(year=today.year - settings.audit_years, day=28)
    if before > latest:
        raise TooYoung(settings.audit_years)


def _range(engine: Engine, settings: Settings, before: datetime) -> tuple[Head, Head, datetime, datetime] | None:
    """What goes: the head before it, its last one, the times between which it lies; None where nothing is so old."""
    key, folder = AuditKey(settings.secret_key), CheckpointLog(settings.checkpoints_folder)
    session = verifier.reading(engine)
    times: list[int] = []
    try:
        lines, _losses = folder.counting(key)
        start = end = verifier.beginning(session, lines, key.known | {line.key_id for line in lines})
        for head, row in verifier.walk(session, start, lines):
            if row[_AT] >= microseconds(before):
                break
            times = [min([*times, row[_AT]]), max([*times, row[_AT]])]
            end = head
    finally:
        session.end()
    if not times:
        return None
    return start, end, from_microseconds(times[0]), from_microseconds(times[1])


def _still_begins_after(session: Session, start: Head) -> bool:
    """Whether no other purge put a stub there since the range was looked at; none can from now on to the commit."""
    sealer.hold(session)
    return (session.scalar(select(func.max(AuditPurge.through_position))) or 0) == start.position


def _delete_some(session: Session) -> int:
    """Delete some of the rows that a stub stands for; how many."""
    through = select(AuditPurge.through_position).order_by(AuditPurge.through_position.desc()).limit(1)
    old = select(AuditSeal.position, AuditSeal.event_id).where(AuditSeal.position <= through.scalar_subquery())
    found = session.execute(old.order_by(AuditSeal.position).limit(_BATCH)).all()
    if not found:
        return 0
    event_ids = _few(session, [row.event_id for row in found])
    session.execute(delete(AuditSubject).where(AuditSubject.event_id.in_(event_ids)))
    session.execute(delete(AuditEvent).where(AuditEvent.id.in_(event_ids)))
    gone = session.execute(delete(AuditSeal).where(AuditSeal.position <= found[len(event_ids) - 1].position))
    return cast(CursorResult[Any], gone).rowcount


def _few(session: Session, event_ids: Sequence[int]) -> Sequence[int]:
    """Of these events, from the first on, so many that they name few members enough for one short transaction."""
    while len(event_ids) > 1:
        # Counted to the bound alone: one event may name 10,000.
        named = select(AuditSubject.event_id).where(AuditSubject.event_id.in_(event_ids)).limit(_MOST_SUBJECTS + 1)
        if (session.scalar(select(func.count()).select_from(named.subquery())) or 0) <= _MOST_SUBJECTS:
            break
        event_ids = event_ids[: len(event_ids) // 2]
    return event_ids
