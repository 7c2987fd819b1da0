"""How exports stand for requests: begun, one at a time for each client; asked after; ended. Then the manifest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from consent.policy import Access
from consent.scopes import parse
from fhir.bulk import asking, files
from fhir.bulk.asking import Asked
from fhir.bulk.models import BulkExport, BulkFile, FileKind, Level, Status
from fhir.outcomes import NotFound, TooManyRequests
from fhir.storage.projections import instant_text
from service.clock import now
from service.db import microseconds
from service.settings import Settings

LIFE = timedelta(hours=24)
"""How long files of a finished export are kept."""
_LONGEST = timedelta(days=3)
"""How long an export may wait and run."""
_POLLS_APART = timedelta(milliseconds=500)
_BATCH = 50


@dataclass(frozen=True, slots=True)
class Running:
    """What is told of an export that is not ready: how far it is, and in how many seconds to ask again."""

    progress: str
    retry_after: int


def begin(
    session: Session, access: Access, level: Level, group_id: str | None, asked: Asked, request: str
) -> BulkExport:  # fmt: skip
    """A new export for the access's client; raises TooManyRequests while another of its is not ready."""
    assert access.client_id is not None, "a program's"
    made = BulkExport(
        client_id=access.client_id, scope=str(access.scopes), level=level, group_id=group_id, request=request,
        asked=asked.kept(), expires_at=now() + _LONGEST, place={}, written=0,
    )  # fmt: skip
    try:
        # The index lets one in, however many ask at once.
        with session.begin_nested():
            session.add(made)
    except IntegrityError:
        standing = select(BulkExport).where(
            BulkExport.client_id == access.client_id, BulkExport.status.in_((Status.ACCEPTED, Status.RUNNING))
        )
        held = session.scalar(standing)
        raise TooManyRequests(
            "An export of this client is being made. Wait for it, or end it with DELETE.",
            _retry_after(held) if held else 5,
        ) from None
    return made


def find(session: Session, access: Access, export_id: str, *, hold: bool = False) -> BulkExport:
    """An export of this very client that is neither ended nor over; raises NotFound."""
    wanted = select(BulkExport).where(BulkExport.id == export_id, BulkExport.client_id == access.client_id)
    found = session.scalar(wanted.with_for_update() if hold else wanted)
    if found is None or found.status is Status.CANCELLED or found.expires_at <= now():
        raise NotFound("There is no such export: it never was, has been ended, or is over.")
    return found


def poll(session: Session, access: Access, export_id: str) -> BulkExport:
    """The export, and that it was asked after; raises NotFound, and TooManyRequests where that was a moment ago."""
    found = find(session, access, export_id, hold=True)
    moment = now()
    if found.polled_at is not None and moment - found.polled_at < _POLLS_APART and is_open(found):
        raise TooManyRequests("Ask less often: Retry-After says when.", _retry_after(found))
    found.polled_at = moment
    return found


def is_open(export: BulkExport) -> bool:
    """Whether the worker still has it."""
    return export.status in {Status.ACCEPTED, Status.RUNNING}


def running(export: BulkExport) -> Running:
    """What is told of one that is not ready."""
    if export.status is Status.ACCEPTED:
        return Running("waiting for its turn", _retry_after(export))
    asked, at = asking.restored(export.asked), export.place.get("type_at", 0)
    types = asked.types
    step = "deletions" if export.place.get("deleted") else types[at] if at < len(types) else "finishing"
    return Running(f"{export.written} resources written, now {step}", _retry_after(export))


def cancel(session: Session, settings: Settings, access: Access, export_id: str) -> None:
    """End an export and delete its files; raises NotFound."""
    found = find(session, access, export_id, hold=True)
    found.status, found.expires_at = Status.CANCELLED, now()
    session.flush()
    # The worker writes only while it holds the row, which we do now.
    files.remove(settings, export_id)


def manifest(session: Session, settings: Settings, access: Access, export: BulkExport) -> dict[str, Any]:
    """The manifest of a finished export (Bulk Data Access, response), with the files whose type the token covers."""
    assert export.began_at is not None
    found = list(session.scalars(select(BulkFile).where(BulkFile.export_id == export.id).order_by(BulkFile.name)))
    told = {kind: [_told(settings, one) for one in found if one.kind is kind] for kind in FileKind}
    covered = [one for one in told[FileKind.OUTPUT] if covers(access, export, one["type"])]
    whole = covers_all(access, export)
    return {
        "transactionTime": instant_text(microseconds(export.began_at)),
        "request": export.request,
        "requiresAccessToken": True,
        "output": covered,
        "deleted": told[FileKind.DELETED] if whole else [],
        "error": told[FileKind.ERROR],
    }


def find_file(session: Session, access: Access, export_id: str, name: str) -> BulkFile:
    """A file of a finished export that this token covers; raises NotFound."""
    export = find(session, access, export_id)
    wanted = select(BulkFile).where(BulkFile.export_id == export.id, BulkFile.name == name)
    found = session.scalar(wanted) if export.status is Status.DONE else None
    if found is None:
        raise NotFound("There is no such file: it never was, or its export has been ended or is over.")
    covered = covers_all(access, export) if found.kind is FileKind.DELETED else covers(access, export, found.type)
    if found.kind is not FileKind.ERROR and not covered:
        raise NotFound("There is no such file for this access token.")
    return found


def covers(access: Access, export: BulkExport, resource_type: str) -> bool:
    """Whether a token reaches all that an export holds of a type: what it was made with, and nothing narrower."""
    made_with = parse(export.scope)
    return all(
        any(set(mine) <= set(theirs) for mine in access.scopes.restrictions(resource_type, letter))
        for letter in "rs"
        for theirs in made_with.restrictions(resource_type, letter)
    ) and asking.reached(access, resource_type)


def covers_all(access: Access, export: BulkExport) -> bool:
    """Whether a token reaches every type of an export."""
    return all(covers(access, export, one) for one in asking.restored(export.asked).types)


def delete_over(sessions: sessionmaker[Session], settings: Settings) -> None:
    """The job that deletes exports whose time is over, with their files."""
    while _delete_some(sessions, settings) == _BATCH:
        pass


def _delete_some(sessions: sessionmaker[Session], settings: Settings) -> int:
    with sessions.begin() as session:
        over = select(BulkExport.id).where(BulkExport.expires_at <= now()).limit(_BATCH)
        ids = list(session.scalars(over.with_for_update(skip_locked=True)))
        for export_id in ids:
            files.remove(settings, export_id)
        session.execute(delete(BulkFile).where(BulkFile.export_id.in_(ids)))
        session.execute(delete(BulkExport).where(BulkExport.id.in_(ids)))
    return len(ids)


def _told(settings: Settings, file: BulkFile) -> dict[str, Any]:
    url = f"{settings.fhir_base}/bulk/{file.export_id}/{file.name}"
    return {"type": file.type, "url": url, "count": file.count}


def _retry_after(export: BulkExport) -> int:
    """Seconds: soon for a small export, which is ready in a moment, later for one that goes on."""
    age = _age(export.created_at)
    return next((seconds for limit, seconds in _PAUSES if age < limit), 10)


def _age(since: datetime) -> timedelta:
    return now() - since


_PAUSES: Sequence[tuple[timedelta, int]] = ((timedelta(seconds=10), 1), (timedelta(minutes=2), 5))
