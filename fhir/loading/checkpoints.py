"""How far a load came, kept with each batch in its transaction: after `kill -9` it goes on behind the last one."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.orm import Session

from fhir.loading.examining import Checks
from fhir.loading.lines import Place
from fhir.loading.tables import FhirLoad, FhirLoadFile, FhirLoadWaiting
from service.clock import now
from service.db import from_microseconds


class GivenUp(Exception):
    """The load was given up while it ran; what it wrote before stays."""


def begin(session: Session, source: str, files: Sequence[Path], checks: Checks, *, again: bool) -> FhirLoad:
    """The load of these files that was interrupted; a new one where there is none, or it shall begin `again`."""
    digest = _digest(source, files, checks)
    same = select(FhirLoad).where(FhirLoad.files_digest == digest, is_unfinished())
    found = list(session.scalars(same.order_by(FhirLoad.started_at.desc()).limit(10)))
    if found and not again:
        found[0].written_at = now()
        return found[0]
    known_since = _known_since(session, source)
    for abandoned in found:
        forget(session, abandoned)
    # Of what lay there before the first load of its source nobody here can say when it came (decision 155).
    made = FhirLoad(source=source, files_digest=digest, received_at=max(_received(files), known_since or now()))
    session.add(made)
    session.flush()
    return made


def is_unfinished() -> ColumnElement[bool]:
    """Of a load: it may still be gone on with."""
    return and_(FhirLoad.finished_at.is_(None), FhirLoad.given_up_at.is_(None))


def hold(session: Session, load_id: str) -> FhirLoad:
    """The load, for the transaction that writes what it holds next; raises GivenUp."""
    load = session.get_one(FhirLoad, load_id, with_for_update=True)
    if load.given_up_at is not None:
        raise GivenUp
    load.written_at = now()
    return load


def place_in(session: Session, load: FhirLoad, path: Path) -> tuple[Place | None, bool]:
    """How far a file was read, and whether to its end."""
    found = session.get(FhirLoadFile, (load.id, str(path.resolve())))
    return (Place(found.line, found.digest), found.finished) if found else (None, False)


def keep(session: Session, load_id: str, path: Path, place: Place, *, finished: bool) -> None:
    """Keep how far a file was read, in the transaction of what was read."""
    key = (load_id, str(path.resolve()))
    found = session.get(FhirLoadFile, key)
    if found is None:
        session.add(FhirLoadFile(load_id=key[0], path=key[1], line=place.line, digest=place.digest, finished=finished))
    else:
        found.line, found.digest, found.finished = place.line, place.digest, finished


def finish(session: Session, load: FhirLoad) -> None:
    """The load came to its end: another one of the same files reads them from their start."""
    load.finished_at = now()
    drop_places(session, load)


def forget(session: Session, load: FhirLoad) -> None:
    """Drop a load that is not gone on with; what it stored stays."""
    drop_places(session, load)
    session.delete(load)
    session.flush()


def drop_places(session: Session, load: FhirLoad) -> None:
    """Drop how far its files were read, and what waits for its patient."""
    session.execute(delete(FhirLoadFile).where(FhirLoadFile.load_id == load.id))
    session.execute(delete(FhirLoadWaiting).where(FhirLoadWaiting.load_id == load.id))


def _known_since(session: Session, source: str) -> datetime | None:
    """From when on deliveries of a source are known; None before its first load."""
    return session.scalar(select(func.min(FhirLoad.received_at)).where(FhirLoad.source == source))


def _digest(source: str, files: Sequence[Path], checks: Checks) -> str:
    told = "\n".join([source, checks.level, str(checks.strict), *(str(path.resolve()) for path in files)])
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()


def _received(files: Sequence[Path]) -> datetime:
    if not files:
        # What another program hands over came at this moment.
        return now()
    latest = max(path.stat().st_mtime_ns for path in files)
    return min(from_microseconds(latest // 1000), now())
