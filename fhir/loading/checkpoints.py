"""How far a load came, kept with each batch in its transaction: after `kill -9` it goes on behind the last one."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from fhir.loading.examining import Checks
from fhir.loading.lines import Place
from fhir.loading.tables import FhirLoad, FhirLoadFile, FhirLoadWaiting
from service.clock import now
from service.db import from_microseconds


def begin(session: Session, source: str, files: Sequence[Path], checks: Checks, *, again: bool) -> FhirLoad:
    """The load of these files that was interrupted; a new one where there is none, or it shall begin `again`."""
    digest = _digest(source, files, checks)
    unfinished = select(FhirLoad).where(FhirLoad.files_digest == digest, FhirLoad.finished_at.is_(None))
    found = list(session.scalars(unfinished.order_by(FhirLoad.started_at.desc()).limit(10)))
    if found and not again:
        return found[0]
    for abandoned in found:
        forget(session, abandoned)
    made = FhirLoad(source=source, files_digest=digest, received_at=_received(files))
    session.add(made)
    session.flush()
    return made


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
    _drop_places(session, load)


def forget(session: Session, load: FhirLoad) -> None:
    """Drop a load that is not gone on with; what it stored stays."""
    _drop_places(session, load)
    session.delete(load)
    session.flush()


def _drop_places(session: Session, load: FhirLoad) -> None:
    session.execute(delete(FhirLoadFile).where(FhirLoadFile.load_id == load.id))
    session.execute(delete(FhirLoadWaiting).where(FhirLoadWaiting.load_id == load.id))


def _digest(source: str, files: Sequence[Path], checks: Checks) -> str:
    told = "\n".join([source, checks.level, str(checks.strict), *(str(path.resolve()) for path in files)])
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()


def _received(files: Sequence[Path]) -> datetime:
    if not files:
        # What another program hands over came at this moment.
        return now()
    latest = max(path.stat().st_mtime_ns for path in files)
    return min(from_microseconds(latest // 1000), now())
