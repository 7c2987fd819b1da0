"""A load that was interrupted and will not be gone on with is given up: nobody waits for its delivery any more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.loading import checkpoints
from fhir.loading.tables import FhirLoad, FhirLoadFile, FhirLoadWaiting
from fhir.storage import granting
from service import audit
from service.clock import now
from service.db import microseconds

QUIET = timedelta(minutes=10)
"""How long a load has to have written nothing to count as ended: a batch takes seconds, in a crowd a minute or two."""
_MOST = 500


class NothingUnfinished(Exception):
    """No load of this source was interrupted; `unfinished` are the sources of which some were."""

    def __init__(self, unfinished: Sequence[str]) -> None:
        super().__init__()
        self.unfinished = unfinished


class StillRuns(Exception):
    """A load of this source wrote a moment ago; `until` is when it counts as ended, if it writes nothing more."""

    def __init__(self, until: datetime) -> None:
        super().__init__()
        self.until = until


@dataclass(frozen=True, slots=True)
class Lost:
    """What came of a load that is given up.

    `stored` are the resources that it added, changed or deleted, which stays so; `waiting` those that waited for their
    patient and are dropped; `files` how far each file was read: its path, the last line, whether that is its end.
    """

    received_at: datetime
    stored: int
    rejected: int
    waiting: int
    files: Sequence[tuple[str, int, bool]]


def give_up(session: Session, source: str, *, access: Access, reason: str) -> list[Lost]:
    """Give up each interrupted load of a source; an empty list where that was done before.

    Raises NothingUnfinished, StillRuns and Forbidden.
    """
    granting.require_every_record(access, "c", "u")
    unfinished = select(FhirLoad).where(FhirLoad.source == source, checkpoints.is_unfinished())
    found = session.scalars(unfinished.order_by(FhirLoad.started_at, FhirLoad.id).with_for_update()).all()
    if not found and not _was_given_up(session, source):
        raise NothingUnfinished(_unfinished_sources(session))
    for load in found:
        until = (load.written_at or load.started_at) + QUIET
        if now() < until:
            raise StillRuns(until)
    return [_give_up(session, load, reason) for load in found]


def _give_up(session: Session, load: FhirLoad, reason: str) -> Lost:
    files = select(FhirLoadFile).where(FhirLoadFile.load_id == load.id).order_by(FhirLoadFile.path)
    waiting = select(func.count()).select_from(FhirLoadWaiting).where(FhirLoadWaiting.load_id == load.id)
    lost = Lost(
        load.received_at, load.added + load.changed + load.deleted, load.rejected, session.scalar(waiting) or 0,
        [(one.path, one.line, one.finished) for one in session.scalars(files)],
    )  # fmt: skip
    load.given_up_at = now()
    checkpoints.drop_places(session, load)
    detail = {
        "source": load.source, "received_at": microseconds(load.received_at), "added": load.added,
        "changed": load.changed, "deleted": load.deleted, "rejected": load.rejected, "waiting": lost.waiting,
    }  # fmt: skip
    audit.record(session, "fhir:load:give_up", count=load.lines_read, detail=detail, reason=reason)
    return lost


def _was_given_up(session: Session, source: str) -> bool:
    given_up = select(FhirLoad.id).where(FhirLoad.source == source, FhirLoad.given_up_at.is_not(None)).limit(1)
    return session.scalar(given_up) is not None


def _unfinished_sources(session: Session) -> Sequence[str]:
    sources = select(FhirLoad.source).where(checkpoints.is_unfinished()).distinct().order_by(FhirLoad.source)
    return session.scalars(sources.limit(_MOST)).all()
