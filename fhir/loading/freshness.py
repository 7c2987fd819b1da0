"""How fresh each source is: when its last delivery was received, and when it became visible to apps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from fhir.loading.tables import FhirLoad, FhirSource
from service.clock import now
from service.days import business_day_after

_MOST = 500
_SOON = 0.8
"""The part of the business day after which a delivery that is not visible yet is told of."""


class Watch(StrEnum):
    """How a delivery stands to the one business day within which apps must see it (45 CFR 422.119(c))."""

    IN_TIME = "in_time"
    LATE = "late"
    WAITING = "waiting"
    DUE_SOON = "due_soon"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A source's delivery: when it came, until when it is due, when it was visible (None: not yet), how much it was.

    `rejected` are the lines (entries of Bundles) of its load that are not stored.
    """

    source: str
    received_at: datetime
    due_at: datetime
    visible_at: datetime | None
    written: int
    rejected: int
    watch: Watch


def note(session: Session, source: str, *, received_at: datetime, written: int) -> None:
    """Keep that a delivery of a source is visible from now on."""
    name = source[:64]
    found = session.get(FhirSource, name)
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
    """The last delivery of every source, and each that began to be loaded since and is not visible: those first."""
    load = FhirLoad
    newer = or_(FhirSource.name.is_(None), load.started_at > FhirSource.visible_at)
    begun = select(load).outerjoin(FhirSource, FhirSource.name == load.source)
    begun = begun.where(load.finished_at.is_(None), newer).order_by(load.received_at, load.id).limit(_MOST)
    waiting = [
        _delivery(one.source, one.received_at, None, (one.added + one.changed + one.deleted, one.rejected), zone)
        for one in session.scalars(begun)
    ]
    refused = rejected(session)
    visible = [
        _delivery(one.name, one.received_at, one.visible_at, (one.written, refused.get(one.name, 0)), zone)
        for one in sources(session)
    ]
    return waiting + visible


def rejected(session: Session) -> dict[str, int]:
    """By source, how many lines of its last delivery were rejected, where that came by a load."""
    load = FhirLoad
    same = and_(FhirSource.name == load.source, FhirSource.received_at == load.received_at)
    last = select(load.source, load.rejected).join(FhirSource, same).where(load.finished_at.is_not(None))
    # The same files may have been loaded again.
    return {one.source: one.rejected for one in session.execute(last.order_by(load.finished_at))}


def count_pressing(session: Session, zone: ZoneInfo) -> int:
    """How many deliveries are overdue, or soon will be."""
    return sum(one.watch in {Watch.DUE_SOON, Watch.OVERDUE} for one in deliveries(session, zone))


def _delivery(
    source: str, received_at: datetime, visible_at: datetime | None, counts: tuple[int, int], zone: ZoneInfo
) -> Delivery:  # fmt: skip
    due_at = business_day_after(received_at, zone)
    return Delivery(source, received_at, due_at, visible_at, *counts, _watch(received_at, due_at, visible_at))


def _watch(received_at: datetime, due_at: datetime, visible_at: datetime | None) -> Watch:
    if visible_at is not None:
        return Watch.IN_TIME if visible_at <= due_at else Watch.LATE
    if now() > due_at:
        return Watch.OVERDUE
    return Watch.DUE_SOON if now() - received_at >= (due_at - received_at) * _SOON else Watch.WAITING
