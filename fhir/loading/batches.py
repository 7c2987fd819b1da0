"""Outcomes gathered into batches, each written in one transaction with the checkpoint of what it holds."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from sqlalchemy import delete, select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from consent.policy import Access
from fhir.loading import checkpoints, freshness, relabelling
from fhir.loading.examining import Outcome
from fhir.loading.faults import Finding
from fhir.loading.json_texts import parse
from fhir.loading.lines import Place
from fhir.loading.preparation import Prepared, prepare_resource
from fhir.loading.reading import Piece
from fhir.loading.rejects import FindingsFile
from fhir.loading.summary import SHOWN, LoadSummary, Reject
from fhir.loading.tables import FhirLoad, FhirLoadWaiting
from fhir.storage import writing
from fhir.storage.bodies import bodies_of
from service import audit

BATCH = 2_000
_BATCH_BYTES = 32 * 1024 * 1024
_WAITING_AT_ONCE = 500
_SQLITE_PAGES_KIB = 64 * 1024
_MOST_MISSING = 100_000
# What a database has against one row; everything else is about the database itself.
_ROW_REFUSED = (
    DataError, IntegrityError, psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded,
    sqlite3.DataError, sqlite3.IntegrityError,
)  # fmt: skip
_UNPLACED = Finding(
    "patient", "Load what it is about first, or name its Patient among the targets.", "Provenance.target"
)
_REFUSED = Finding("database", "The database does not take it: one of its texts is too long to be searched by.")


@dataclass(frozen=True, slots=True)
class Found:
    """An outcome, the file it came from, and the text it is about; whether the file is a Bundle, and that an entry."""

    file: str
    outcome: Outcome
    raw: bytes
    is_entry: bool = False

    @property
    def line(self) -> int:
        """The line of the file, 0 where the file is one Bundle."""
        return 0 if self.is_entry else self.outcome.number

    @property
    def entry(self) -> int:
        """Which entry of a Bundle it is, 0 where there is none."""
        return self.outcome.number if self.is_entry else self.outcome.entry


@dataclass
class _Batch:
    """What the next transaction writes."""

    found: list[Found] = field(default_factory=list)
    size: int = 0
    places: dict[Path, tuple[Place, bool]] = field(default_factory=dict)


class Batches:
    """Gathers outcomes and writes them; its summary tells what was done."""

    def __init__(
        self, sessions: sessionmaker[Session], load: FhirLoad, access: Access, *, rejects: Path | None,
        warnings: Path | None,
    ) -> None:  # fmt: skip
        self.summary = LoadSummary()
        self.summary.take_over(load)
        self._sessions = sessions
        self._load = load
        self._access = access
        self._batch = _Batch()
        self._rejects = FindingsFile(rejects, load.rejects_length)
        self._warnings = FindingsFile(warnings, load.warnings_length)
        self._missing: dict[tuple[str, str], Found] = {}
        self._medications: set[str] = set()
        self._patients_gone: dict[str, Found] = {}
        self._done_bytes = 0

    def __enter__(self) -> "Batches":
        return self

    def __exit__(self, *_: object) -> None:
        self._rejects.close()
        self._warnings.close()

    def take(self, found: Sequence[Found]) -> None:
        """Add outcomes of whole lines to the batch; faults go to the reject file."""
        # Entries of one line count once.
        self.summary.read += len({one.outcome.number for one in found})
        for one in found:
            if one.outcome.fault is not None:
                self._reject(one, one.outcome.fault)
                continue
            self._warn(one)
            self._batch.found.append(one)
            self._batch.size += len(one.outcome.prepared.body) if one.outcome.prepared else 0

    def reach(self, path: Path, piece: Piece) -> None:
        """Note how far a file was read; it is kept with the batch."""
        self._batch.places[path] = (piece.end, piece.is_last)
        self.summary.read_bytes = self._done_bytes + piece.read_bytes
        if piece.is_last:
            self._done_bytes += path.stat().st_size
            self.summary.read_bytes = self._done_bytes

    def end(self, path: Path) -> None:
        """Note that a list was read to its end."""
        self._batch.places[path] = (Place(0, b""), True)
        self._done_bytes += path.stat().st_size
        self.summary.read_bytes = self._done_bytes

    def write_if_full(self) -> bool:
        """Write the batch once it is large enough; whether it was."""
        full = len(self._batch.found) >= BATCH or self._batch.size >= _BATCH_BYTES
        if full:
            self._flush()
        return full

    def finish(self) -> None:
        """Write what is left, try again what waited, and close the load."""
        self._flush()
        while self._place_some():
            pass
        self._find_missing_again()
        self._find_records_left()
        with self._sessions.begin() as session:
            load, summary = checkpoints.hold(session, self._load.id), self.summary
            relabelling.follow_medications(session, self._access, self._medications)
            summary.hand_over(load)
            checkpoints.finish(session, load)
            freshness.note(session, load.source, received_at=load.received_at, written=summary.written)
            detail = {
                "source": load.source, "added": summary.added, "changed": summary.changed,
                "deleted": summary.deleted, "rejected": summary.rejected,
            }  # fmt: skip
            audit.record(session, "fhir:resource:load", count=summary.read, detail=detail, reason=self._access.reason)

    def _flush(self) -> None:
        batch, self._batch = self._batch, _Batch()
        if batch.found or batch.places:
            self._write(batch)

    def _write(self, batch: _Batch) -> None:
        """Write a batch; where the database refuses a row, find it by halves and reject it."""
        before = self._counts()
        try:
            self._write_at_once(batch)
        except _ROW_REFUSED:
            self.summary.added, self.summary.changed, self.summary.unchanged, self.summary.deleted = before
            if len(batch.found) == 1:
                self._reject(batch.found[0], _REFUSED)
                self._write_at_once(_Batch(places=batch.places))
                return
            half = len(batch.found) // 2
            self._write(_Batch(batch.found[:half]))
            self._write(_Batch(batch.found[half:], places=batch.places))

    def _counts(self) -> tuple[int, int, int, int]:
        return self.summary.added, self.summary.changed, self.summary.unchanged, self.summary.deleted

    def _write_at_once(self, batch: _Batch) -> None:
        with self._sessions() as session:
            try:
                _give_room(session)
                for part in _parts(batch.found):
                    self._write_part(session, part)
                self._look_for_references(session, batch.found)
                self._keep(session, batch)
                session.commit()
                if len(batch.found) >= BATCH:
                    writing.tell_planner(session)
                    session.commit()
            except BaseException:
                session.rollback()
                bodies_of(session).forget_dictionaries()
                raise

    def _write_part(self, session: Session, part: Sequence[Found]) -> None:
        removed = {one.outcome.removed: one for one in part if one.outcome.removed is not None}
        if removed:
            self.summary.deleted += writing.bury_all(session, removed)
            self._patients_gone |= {name[1]: _place_of(one) for name, one in removed.items() if name[0] == "Patient"}
            return
        by_prepared = {id(one.outcome.prepared): one for one in part}
        prepared = [one.outcome.prepared for one in part if one.outcome.prepared is not None]
        written = writing.write(session, prepared)
        self.summary.added += written.added
        self.summary.changed += written.changed
        self.summary.unchanged += written.unchanged
        self._medications |= written.medications
        for one in written.unplaced:
            source = by_prepared[id(one)]
            session.add(
                FhirLoadWaiting(
                    load_id=self._load.id, file=source.file, line=source.outcome.number, body=one.body
                )
            )  # fmt: skip

    def _keep(self, session: Session, batch: _Batch) -> None:
        load = checkpoints.hold(session, self._load.id)
        for path, (place, finished) in batch.places.items():
            checkpoints.keep(session, load.id, path, place, finished=finished)
        self.summary.hand_over(load)
        load.rejects_length = self._rejects.settle()
        load.warnings_length = self._warnings.settle()

    def _place_some(self) -> bool:
        """Try some of what waited once more; whether there was any."""
        with self._sessions.begin() as session:
            checkpoints.hold(session, self._load.id)
            waiting = select(FhirLoadWaiting).where(FhirLoadWaiting.load_id == self._load.id)
            rows = session.scalars(waiting.order_by(FhirLoadWaiting.id).limit(_WAITING_AT_ONCE)).all()
            for row in rows:
                self._place(session, row)
            session.execute(delete(FhirLoadWaiting).where(FhirLoadWaiting.id.in_([row.id for row in rows])))
        return bool(rows)

    def _place(self, session: Session, row: FhirLoadWaiting) -> None:
        prepared: Prepared = prepare_resource(parse(row.body))
        written = writing.write(session, [prepared])
        if written.unplaced:
            self._reject(Found(row.file, Outcome(row.line), row.body), _UNPLACED)
        self.summary.added += written.added
        self.summary.changed += written.changed
        self.summary.unchanged += written.unchanged

    def _look_for_references(self, session: Session, found: Sequence[Found]) -> None:
        sources = {target: one for one in found for target in one.outcome.refers}
        if not sources:
            return
        known = writing.find_standing(session, sources)
        for target in sources.keys() - known.keys():
            if len(self._missing) < _MOST_MISSING:
                one = sources[target]
                self._missing[target] = _place_of(one)

    def _find_missing_again(self) -> None:
        with self._sessions() as session:
            known = writing.find_standing(session, self._missing)
        for target, source in self._missing.items():
            if target not in known:
                hint = f"It refers to {'/'.join(target)}, which is not stored: load that too."
                self._tell(source, Finding("reference", hint))

    def _find_records_left(self) -> None:
        """Tell of each Patient that was deleted and has records: a list deletes what it names, in whatever order."""
        with self._sessions() as session:
            gone = writing.find_standing(session, [("Patient", one) for one in self._patients_gone])
            left = [key[1] for key, one in gone.items() if one.deleted and writing.has_records(session, key[1])]
        for patient_id in left:
            hint = f"Patient/{patient_id} is deleted and records of theirs are left: delete them too, or load it again."
            self._tell(self._patients_gone[patient_id], Finding("records-left", hint))

    def _warn(self, one: Found) -> None:
        for finding in one.outcome.warnings:
            self._tell(one, finding)

    def _tell(self, one: Found, finding: Finding) -> None:
        self.summary.warned += 1
        if len(self.summary.warnings) < SHOWN or finding in self.summary.warnings:
            self.summary.warnings[finding] += 1
        self._warnings.write(_told_of(one, finding), one.raw)
        self.summary.warning_file = self._warnings.path

    def _reject(self, one: Found, finding: Finding) -> None:
        summary, told = self.summary, _told_of(one, finding)
        summary.rejected += 1
        summary.reject_file = self._rejects.path
        if len(summary.problems) < SHOWN:
            summary.problems.append(told)
        self._rejects.write(told, one.raw, one.outcome.warnings)


def _place_of(one: Found) -> Found:
    """Where it was read, without what was read there."""
    return Found(one.file, Outcome(one.outcome.number, entry=one.outcome.entry), b"null", one.is_entry)


def _told_of(one: Found, finding: Finding) -> Reject:
    return Reject(one.file, one.line, finding.path, finding.rule, finding.hint, one.entry)


def _give_room(session: Session) -> None:
    # A batch touches pages of every index: SQLite's own 2 MB would write each of them out several times.
    if session.get_bind().dialect.name == "sqlite":
        session.connection().exec_driver_sql(f"PRAGMA cache_size = -{_SQLITE_PAGES_KIB}")


def _parts(found: Sequence[Found]) -> Iterator[list[Found]]:
    """The outcomes in runs that can be written at once: none deletes and puts, none has a name twice."""
    part: list[Found] = []
    keys: set[tuple[str, str]] = set()
    removes = False
    for one in found:
        key = one.outcome.removed or (one.outcome.prepared.key if one.outcome.prepared else ("", ""))
        is_removal = one.outcome.removed is not None
        if part and (key in keys or is_removal != removes):
            yield part
            part, keys = [], set()
        part.append(one)
        keys.add(key)
        removes = is_removal
    if part:
        yield part
