"""How fresh each source is: when its last delivery was received, and when it became visible to apps.

Administrators are mailed about what is late by `fhir.loading.freshness_mails`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from fhir.loading.tables import FhirLoad, FhirSource
from service.clock import now
from service.days import business_day_after

_MOST = 500
_SOON = 0.8
"""The part of the business day after which a delivery that is not visible yet is told of."""
_LATE_COUNTS = timedelta(days=7)
"""How long one that was visible late is something to look at: why it was can still be found out."""
_GIVEN_UP_IS_TOLD = timedelta(days=30)


class Watch(StrEnum):
    """How a delivery stands to the one business day within which apps must see it (45 CFR 422.119(c))."""

    IN_TIME = "in_time"
    LATE = "late"
    WAITING = "waiting"
    DUE_SOON = "due_soon"
    OVERDUE = "overdue"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A source's delivery: when it came, until when it is due, when it was visible (None: not yet), how much it was.

    `given_up_at` is since when nobody waits for it (`fhir.loading.giving_up`).
    `rejected` are the lines (entries of Bundles) of its load that are not stored.
    """

    source: str
    received_at: datetime
    due_at: datetime
    visible_at: datetime | None
    written: int
    rejected: int
    watch: Watch
    given_up_at: datetime | None = None


def note(session: Session, source: str, *, received_at: datetime, written: int) -> None:
    """Keep that a delivery of a source is visible from now on; loaded again, it has been since the first time."""
    name = source[:64]
    found = session.get(FhirSource, name)
    if found is not None and found.received_at == received_at:
        found.written += written
        return
    if found is None:
        found = FhirSource(name=name)
        session.add(found)
    found.received_at, found.visible_at, found.written = received_at, now(), written


def sources(session: Session) -> Sequence[FhirSource]:
    """Every source, the freshest first."""
    return session.scalars(
        select(FhirSource).order_by(FhirSource.visible_at.desc(), FhirSource.name).limit(_MOST)
    ).all()


def deliveries(session: Session, zone: ZoneInfo) -> list[Delivery]:
    """The last delivery of every source, and each that began to be loaded since and is not visible: those first.

    One that was given up stands last, for a month.
    """
    waiting = _begun(session, FhirLoad.given_up_at.is_(None), zone)
    refused = rejected(session)
    visible = [
        _delivery(one.name, one.received_at, one.visible_at, (one.written, refused.get(one.name, 0)), zone)
        for one in sources(session)
    ]
    return waiting + visible + given_up(session, zone)


def given_up(session: Session, zone: ZoneInfo) -> list[Delivery]:
    """What was given up within the last month and is not replaced by a later delivery of its source."""
    return _begun(session, FhirLoad.given_up_at > now() - _GIVEN_UP_IS_TOLD, zone)


def rejected(session: Session) -> dict[str, int]:
    """By source, how many lines of its last delivery were rejected, where that came by a load."""
    load = FhirLoad
    same = and_(FhirSource.name == load.source, FhirSource.received_at == load.received_at)
    last = select(load.source, load.rejected).join(FhirSource, same).where(load.finished_at.is_not(None))
    # The same files may have been loaded again.
    return {one.source: one.rejected for one in session.execute(last.order_by(load.finished_at))}


def pressing(session: Session, zone: ZoneInfo) -> list[Delivery]:
    """The deliveries that somebody should look at: overdue, or soon to be, or visible late within the last week."""
    return [one for one in deliveries(session, zone) if _is_pressing(one)]


def _begun(session: Session, which: ColumnElement[bool], zone: ZoneInfo) -> list[Delivery]:
    load = FhirLoad
    newer = or_(FhirSource.name.is_(None), load.started_at > FhirSource.visible_at)
    begun = select(load).outerjoin(FhirSource, FhirSource.name == load.source)
    begun = begun.where(load.finished_at.is_(None), newer, which).order_by(load.received_at, load.id).limit(_MOST)
    return [_of_load(one, zone) for one in session.scalars(begun)]


def _of_load(one: FhirLoad, zone: ZoneInfo) -> Delivery:
    counts = (one.added + one.changed + one.deleted, one.rejected)
    found = _delivery(one.source, one.received_at, None, counts, zone)
    if one.given_up_at is None:
        return found
    return replace(found, watch=Watch.GIVEN_UP, given_up_at=one.given_up_at)


def _delivery(
    source: str, received_at: datetime, visible_at: datetime | None, counts: tuple[int, int], zone: ZoneInfo
) -> Delivery:  # fmt: skip
    due_at = business_day_after(received_at, zone)
    return Delivery(source, received_at, due_at, visible_at, *counts, _watch(received_at, due_at, visible_at))


def _is_pressing(one: Delivery) -> bool:
    was_late = one.watch is Watch.LATE and one.visible_at is not None and now() - one.visible_at < _LATE_COUNTS
    return was_late or one.watch in {Watch.DUE_SOON, Watch.OVERDUE}


def _watch(received_at: datetime, due_at: datetime, visible_at: datetime | None) -> Watch:
    if visible_at is not None:
        return Watch.IN_TIME if visible_at <= due_at else Watch.LATE
    if now() > due_at:
        return Watch.OVERDUE
    return Watch.DUE_SOON if now() - received_at >= (due_at - received_at) * _SOON else Watch.WAITING
