"""Loading the plan's FHIR data: files or a stream of resources, checked, written in batches, safe to run again.

Good resources are kept, bad ones told by file, line, path, rule and hint. What is stored already and has not changed
stays as it is.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from consent.policy import Access
from fhir import r4
from fhir.loading import reading
from fhir.loading.preparation import Prepared, Rejected, encode, prepare, prepare_resource
from fhir.outcomes import Forbidden
from fhir.storage import writing
from fhir.storage.bodies import bodies_of
from service import audit
from service.db import make_sessions

BATCH = 2_000
_BATCH_BYTES = 32 * 1024 * 1024
_SHOWN = 100
REJECTS = "rejected.ndjson"


class Level(StrEnum):
    """How closely each resource is looked at."""

    SCHEMA = "schema"
    """JSON, type, id, patient, dates: quick."""
    MODELS = "models"
    """The whole resource against the FHIR models: about a hundred times slower."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A resource that was not stored, and why."""

    file: str
    line: int
    path: str
    rule: str
    hint: str

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}" + (f", {self.path}" if self.path else "")
        return f"{where}: {self.rule}. {self.hint}"


@dataclass
class LoadSummary:
    """What a load did so far. `problems` holds the first hundred rejects; the reject file holds all."""

    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    read_bytes: int = 0
    total_bytes: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    problems: list[Reject] = field(default_factory=list)
    reject_file: Path | None = None


Progress = Callable[[LoadSummary], None]
Database = Engine | sessionmaker[Session]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a resource came from."""

    file: str
    line: int


def load(
    database: Database,
    paths: Iterable[Path],
    *,
    access: Access,
    progress: Progress | None = None,
    reject_dir: Path | None = None,
    level: Level = Level.SCHEMA,
) -> LoadSummary:
    """Load files and folders (NDJSON, Bundles, gzip); raises NothingToLoad and Forbidden.

    `progress` is called after each batch with the summary so far; rejects are written below `reject_dir`, with their
    text, readable by the owner only.
    """
    files = reading.files_of(paths)
    with _Loader(database, access, progress, reject_dir) as loader:
        loader.summary.total_bytes = sum(path.stat().st_size for path in files)
        for path in files:
            for line in reading.read(path):
                loader.take_line(line, level)
            loader.flush()
            loader.summary.read_bytes += path.stat().st_size
    return loader.summary


def load_resources(
    database: Database, resources: Iterable[dict[str, Any]], *, access: Access, progress: Progress | None = None
) -> LoadSummary:
    """Load a stream of parsed resources in constant memory; they are changed in place (foreign names go)."""
    with _Loader(database, access, progress, None) as loader:
        for number, resource in enumerate(resources, start=1):
            loader.take(Source("stream", number), resource)
    return loader.summary


class _Loader:
    """Collects prepared resources and writes them batch by batch, each batch one transaction."""

    def __init__(self, database: Database, access: Access, progress: Progress | None, reject_dir: Path | None) -> None:
        if not (access.permits("Patient", "c") and access.permits("Patient", "u")) or access.patient_ids is not None:
            raise Forbidden
        self.summary = LoadSummary()
        self._sessions = make_sessions(database) if isinstance(database, Engine) else database
        self._access = access
        self._progress = progress
        self._reject_dir = reject_dir
        self._reject_file: IO[str] | None = None
        self._batch: dict[writing.Key, tuple[Prepared, Source]] = {}
        self._size = 0
        self._unplaced: list[tuple[Prepared, Source]] = []

    def __enter__(self) -> "_Loader":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._reject_file is not None:
                self._reject_file.close()

    def take_line(self, line: reading.Line, level: Level) -> None:
        """Add the resource of one line to the batch, or reject it."""
        self.summary.read += 1
        source = Source(line.file, line.number)
        try:
            prepared = prepare(line.raw)
            if level is Level.MODELS:
                _require_model(line.raw)
        except Rejected as problem:
            self._reject(source, problem, line.raw)
        else:
            self._collect(prepared, source)

    def take(self, source: Source, resource: dict[str, Any]) -> None:
        """Add one parsed resource to the batch, or reject it."""
        self.summary.read += 1
        try:
            prepared = prepare_resource(resource)
        except Rejected as problem:
            self._reject(source, problem, encode(resource))
        else:
            self._collect(prepared, source)

    def _collect(self, prepared: Prepared, source: Source) -> None:
        if prepared.key in self._batch:
            self.flush()
        self._batch[prepared.key] = (prepared, source)
        self._size += len(prepared.body)
        if len(self._batch) >= BATCH or self._size >= _BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        if self._batch:
            collected = list(self._batch.values())
            self._batch, self._size = {}, 0
            self._unplaced += self._write(collected)
        if self._progress is not None:
            self._progress(self.summary)

    def _write(self, collected: Sequence[tuple[Prepared, Source]]) -> list[tuple[Prepared, Source]]:
        with self._sessions() as session:
            try:
                written = writing.write(session, [one for one, _ in collected])
                session.commit()
            except BaseException:
                bodies_of(session).forget_newest()
                raise
        self.summary.added += written.added
        self.summary.changed += written.changed
        self.summary.unchanged += written.unchanged
        unplaced = {id(one) for one in written.unplaced}
        self.summary.by_type.update(one.type for one, _ in collected if id(one) not in unplaced)
        return [entry for entry in collected if id(entry[0]) in unplaced]

    def _finish(self) -> None:
        self.flush()
        waiting, self._unplaced = self._unplaced, []
        if waiting:
            hint = "Load what it is about first, or name its Patient among the targets."
            for prepared, source in self._write(waiting):
                self._reject(source, Rejected("patient", hint, "Provenance.target"), prepared.body)
        with self._sessions.begin() as session:
            summary = self.summary
            detail = {"added": summary.added, "changed": summary.changed, "rejected": summary.rejected}
            audit.record(session, "fhir:resource:load", count=summary.read, detail=detail, reason=self._access.reason)

    def _reject(self, source: Source, problem: Rejected, raw: bytes) -> None:
        reject = Reject(source.file, source.line, problem.path, problem.rule, problem.hint)
        self.summary.rejected += 1
        if len(self.summary.problems) < _SHOWN:
            self.summary.problems.append(reject)
        if self._reject_dir is None:
            return
        if self._reject_file is None:
            path = self._reject_dir / REJECTS
            self._reject_dir.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            self._reject_file = os.fdopen(descriptor, "w", encoding="utf-8")
            self.summary.reject_file = path
        told = {
            "file": reject.file, "line": reject.line, "path": reject.path, "rule": reject.rule, "hint": reject.hint,
            "content": raw.decode("utf-8", "replace"),
        }  # fmt: skip
        self._reject_file.write(json.dumps(told) + "\n")


def _require_model(raw: bytes) -> None:
    problem = r4.find_problem(raw)
    if problem is not None:
        raise Rejected("model", problem.message, problem.path)
