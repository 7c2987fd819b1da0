"""The worker's part of bulk export: some pages of resources at a time, in a transaction of their own.

A transaction holds the export's row, so that no two workers write the same export; what a worker that was killed had
not committed is written again by the next, over what it left behind. Whose program it is and what it may reach is
looked up for each transaction, a fraction of a second long, so that a suspension or narrower scopes count at once.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from consent import policy
from consent.policy import Access, access_for_backend
from fhir import store
from fhir.bulk import asking, data_export, files, groups, provider_access, standing
from fhir.bulk.asking import Asked
from fhir.bulk.models import BulkExport, BulkFile, FileKind, GroupKind, Status
from fhir.compartment import PATIENT_ELEMENT
from fhir.outcomes import Issue, NotFound, outcome_bytes
from fhir.storage import writing
from fhir.storage.results import Sweep, Swept
from oauth.tokens import system_tokens
from oauth.tokens.token_problems import InvalidToken
from service import audit
from service.audit import Outcome
from service.clock import now
from service.db import microseconds
from service.settings import Settings
from service.web import outages

SLICE_SECONDS = 3.0
"""How long one turn works before it looks whether it should stop."""
TRANSACTION_SECONDS = 0.5
"""How long pages are gathered in one transaction: each costs two waits for the disk, and most pages are small."""
PAGE = 4_000
SLICE = 100
"""Members of a list whose records of one type are exported together, until it is known how many each has."""
MOST_MEMBERS = 2_000
FILE_LINES = 50_000
FILE_BYTES = 8 * 1024 * 1024
"""A file that has so many lines or bytes is followed by another, so that each is sent whole."""
MOST = 50_000_000
"""Resources of one export."""
log = structlog.get_logger("fhir.bulk")


class Place(msgspec.Struct):
    """How far an export is: its phase, the type at hand, the members at hand, the id done last.

    Members are taken in slices, in order of their ids: those after `members_after` up to `members_until`, which stays
    as long as the slice is at hand; first what changed, then the `whole` records of those who are new. A slice is of
    `members` at most, as many as fill a page: those of one page are put in order anew for each page of it.
    """

    deleted: bool = False
    type_at: int = 0
    members_after: str = ""
    members_until: str = ""
    whole: bool = False
    after: str = ""
    lacking: list[str] = []
    narrowed: list[str] = []
    members: int = SLICE
    found: int = 0


class TooMuch(Exception):
    """More than one export may hold."""

    sentence = "The export is too large. Ask for fewer types, or for what changed since a later instant."


def run(sessions: sessionmaker[Session], settings: Settings) -> None:
    """Work on exports for some seconds, or until none is left to work on."""
    until = time.monotonic() + SLICE_SECONDS
    try:
        while time.monotonic() < until and _advance_one(sessions, settings):
            pass
    except outages() as away:
        # Nothing of the page was kept; the next turn begins with it.
        log.warning("export_postponed", problem=type(away).__name__)


def _advance_one(sessions: sessionmaker[Session], settings: Settings) -> bool:
    export_id = ""
    try:
        with sessions.begin() as session:
            export = _next(session)
            if export is None:
                return False
            export_id = export.id
            _advance(session, settings, export)
    except outages():
        raise
    except InvalidToken:
        _fail(sessions, settings, export_id, "The client that asked for this export may not have it any more.")
    except NotFound:
        _fail(sessions, settings, export_id, "The group of this export is not there any more.")
    except TooMuch as too_much:
        _fail(sessions, settings, export_id, too_much.sentence)
    except Exception as fault:
        log.exception("export_failed", export=export_id, problem=type(fault).__name__)
        _fail(sessions, settings, export_id, "The export could not be made. Ask for it again.")
    return True


def _next(session: Session) -> BulkExport | None:
    """The export whose turn it is, held to the end of the transaction."""
    waiting = select(BulkExport).where(BulkExport.status.in_((Status.ACCEPTED, Status.RUNNING)))
    in_turn = waiting.order_by(BulkExport.worked_at.nulls_first(), BulkExport.created_at).limit(1)
    return session.scalar(in_turn.with_for_update(skip_locked=True))


def _advance(session: Session, settings: Settings, export: BulkExport) -> None:
    access = access_for_backend(session, system_tokens.standing(session, export.client_id, export.scope))
    asked = asking.restored(export.asked)
    place = msgspec.convert(export.place, Place)
    export.worked_at = now()
    if export.began_at is None:
        writing.wait_for_writers(session)
        export.began_at, export.status = now(), Status.RUNNING
    work = _Work(session, settings, export, asked, place)
    until = time.monotonic() + TRANSACTION_SECONDS
    work.page(access)
    while export.status is Status.RUNNING and export.written <= MOST and time.monotonic() < until:
        work.page(access)
    work.sync()
    export.place = msgspec.to_builtins(place)
    if export.written > MOST:
        raise TooMuch


class _Work:
    """The pages of one transaction of one export."""

    def __init__(
        self, session: Session, settings: Settings, export: BulkExport, asked: Asked, place: Place
    ) -> None:  # fmt: skip
        self._session, self._settings = session, settings
        self._export, self._asked, self._place = export, asked, place
        self._group = groups.get(session, settings, export.group_id) if export.group_id else None
        self._written: set[Path] = set()

    def sync(self) -> None:
        """Wait until all that was written is on the disk: what the database says is never more than there is."""
        for path in self._written:
            files.sync(path)

    def page(self, access: Access) -> None:
        """Write the next resources, and move on."""
        place = self._place
        if place.type_at >= len(self._asked.types):
            self._next_phase(access)
            return
        resource_type = self._asked.types[place.type_at]
        if not asking.reached(access, resource_type):
            place.lacking.append(resource_type)
            self._next_type()
            return
        if resource_type not in place.narrowed and not standing.covers(access, self._export, resource_type):
            place.narrowed.append(resource_type)
        if not self._is_by_member(resource_type):
            self._write(access, Sweep(resource_type), resource_type)
            return
        members = self._members()
        if not members:
            self._next_type()
            return
        self._of_members(access, resource_type, members)

    def _of_members(self, access: Access, resource_type: str, members: Sequence[tuple[str, int]]) -> None:
        place = self._place
        # Who joined the list after `_since` is new to its reader, who gets the whole of their record.
        since = self._asked.since if self._group else None
        joined = frozenset(one for one, added in members if since is not None and added > since)
        some = joined if place.whole else frozenset(one for one, _added in members) - joined
        found = self._sweep(access, Sweep(resource_type, patients=some)) if some else None
        if found is not None:
            self._keep(resource_type, found)
            place.found += len(found.ids)
        if found is not None and found.more:
            place.after = found.ids[-1]
        elif joined and not place.whole and not place.deleted:
            place.whole, place.after = True, ""
        else:
            place.members_after, place.members_until, place.after, place.whole = members[-1][0], "", "", False
            wanted = PAGE * len(members) // max(place.found, 1)
            # Neither by one member with hundreds nor by a few with none should the next slice be judged alone.
            place.members = max(1, min(wanted, 4 * place.members, MOST_MEMBERS))
            place.found = 0

    def _write(self, access: Access, asked: Sweep, resource_type: str) -> None:
        found = self._sweep(access, asked)
        self._keep(resource_type, found)
        if found.more:
            self._place.after = found.ids[-1]
        else:
            self._next_type()

    def _sweep(self, access: Access, asked: Sweep) -> Swept:
        assert self._export.began_at is not None
        if self._group is not None and self._group.kind is GroupKind.ATTRIBUTION:
            access = policy.for_attribution(access)
        until = microseconds(self._export.began_at)
        return store.sweep(
            self._session,
            access,
            Sweep(
                asked.resource_type,
                patients=asked.patients,
                since=None if self._place.whole else self._asked.since,
                until=min(until, self._asked.until - 1) if self._asked.until is not None else until,
                alternatives=tuple(self._asked.conditions(asked.resource_type)),
            ),
            self._place.after,
            PAGE,
            deleted=self._place.deleted,
        )

    def _keep(self, resource_type: str, found: Swept) -> None:
        if not found.ids:
            return
        kind = FileKind.DELETED if self._place.deleted else FileKind.OUTPUT
        file = self._file(kind, "Bundle" if self._place.deleted else resource_type)
        self._written.add(files.append(self._settings, file, self._lines(resource_type, found)))
        if kind is FileKind.OUTPUT and self._is_by_member(resource_type):
            file.members = dict(Counter(file.members) + Counter(found.patients))
        self._export.written += len(found.ids)

    def _lines(self, resource_type: str, found: Swept) -> Iterable[bytes]:
        if self._place.deleted:
            return [_deletions(resource_type, found.ids)]
        if self._group is not None and self._group.kind is GroupKind.ATTRIBUTION:
            return map(provider_access.without_costs, found.bodies)
        return found.bodies

    def _file(self, kind: FileKind, resource_type: str) -> BulkFile:
        """The file to write on: the newest of its kind and type, or another where that is full."""
        same = (BulkFile.export_id == self._export.id, BulkFile.kind == kind, BulkFile.type == resource_type)
        newest = self._session.scalar(select(BulkFile).where(*same).order_by(BulkFile.number.desc()).limit(1))
        if newest is not None and newest.count < FILE_LINES and newest.size < FILE_BYTES:
            return newest
        number = 1 if newest is None else newest.number + 1
        name = f"{kind}-{resource_type}-{number}.ndjson"
        made = BulkFile(
            export_id=self._export.id, name=name, kind=kind, type=resource_type, number=number, count=0, size=0
        )
        self._session.add(made)
        return made

    def _is_by_member(self, resource_type: str) -> bool:
        return bool(self._group or self._asked.patients) and resource_type in PATIENT_ELEMENT

    def _members(self) -> list[tuple[str, int]]:
        """The members at hand: of the list, of those that were named, or of both."""
        place, wanted = self._place, self._asked.patients
        found = self._slice(place.members_after)
        while wanted and self._group and found and not set(wanted).intersection(one for one, _added in found):
            found = self._slice(found[-1][0])
        if found:
            place.members_until = found[-1][0]
        return [one for one in found if not wanted or one[0] in wanted]

    def _slice(self, after: str) -> list[tuple[str, int]]:
        assert self._export.began_at is not None
        until = self._place.members_until
        if self._group is not None:
            began = self._export.began_at
            return groups.members_after(
                self._session, self._group, after, self._place.members, until=until, joined_by=began
            )
        named = [(one, 0) for one in self._asked.patients if one > after and (not until or one <= until)]
        return named[: self._place.members]

    def _next_type(self) -> None:
        self._place.type_at += 1
        self._place.members_after = self._place.members_until = self._place.after = ""
        self._place.whole, self._place.members, self._place.found = False, SLICE, 0

    def _next_phase(self, access: Access) -> None:
        if self._asked.since is not None and not self._place.deleted:
            self._place.deleted, self._place.type_at = True, 0
            return
        self._tell_problems()
        self._export.status, self._export.expires_at = Status.DONE, now() + standing.LIFE
        lacks = self._place.lacking or self._place.narrowed
        if self._asked.export_type and not lacks and data_export.is_whole(access, self._asked):
            data_export.note_sent(self._session, self._export)
        audit.record(
            self._session, "fhir:bulk:done", client_id=self._export.client_id, count=self._export.written,
            detail={"export": self._export.id},
        )  # fmt: skip

    def _tell_problems(self) -> None:
        absent, where = self._asked.absent, "in this Group" if self._group else "known here"
        told = [
            *([f"{absent} of the Patients named are not {where} and were left out."] if absent else ()),
            *(f"The parameter {name} is not supported and was left out." for name in self._asked.ignored),
            *(
                f"{name} was left out: the client may not have it any more."
                for name in sorted(set(self._place.lacking))
            ),
            *(
                f"{name} was left out in part: the client may not have all of it any more."
                for name in sorted(self._place.narrowed)
            ),
        ]
        if told:
            lines = [outcome_bytes(Issue.NOT_SUPPORTED, sentence, severity="warning") for sentence in told]
            self._written.add(files.append(self._settings, self._file(FileKind.ERROR, "OperationOutcome"), lines))


def _deletions(resource_type: str, ids: Sequence[str]) -> bytes:
    entries: list[dict[str, Any]] = [{"request": {"method": "DELETE", "url": f"{resource_type}/{one}"}} for one in ids]
    return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _fail(sessions: sessionmaker[Session], settings: Settings, export_id: str, sentence: str) -> None:
    with sessions.begin() as session:
        export = session.get(BulkExport, export_id, with_for_update=True)
        if export is None or export.status not in {Status.ACCEPTED, Status.RUNNING}:
            return
        export.status, export.problem, export.expires_at = Status.FAILED, sentence, now() + standing.LIFE
        audit.record(
            session, "fhir:bulk:done", outcome=Outcome.FAILED, client_id=export.client_id, detail={"export": export_id}
        )
    files.remove(settings, export_id)
