"""Loading the plan's FHIR data: files or a stream of resources, checked, written in batches, safe to run again.

Good resources are kept, bad ones told by file, line, path, rule and hint. What is stored already and has not changed
stays as it is. A load that was killed goes on behind its last batch.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from consent.policy import Access
from fhir.loading import checkpoints, deletions, examining, profiles, reading, workers
from fhir.loading.batches import Batches, Found
from fhir.loading.examining import Checks, Level, Outcome
from fhir.loading.faults import Finding, Rejected
from fhir.loading.json_texts import encode
from fhir.loading.lines import Place
from fhir.loading.preparation import prepare_resource
from fhir.loading.reading import Piece
from fhir.loading.rejects import require_apart
from fhir.loading.summary import LoadSummary
from fhir.storage import granting
from service.db import make_sessions

__all__ = ["Checks", "Level", "LoadSummary", "load", "load_resources"]
_STREAM = "stream"
_CHUNK = 500

Progress = Callable[[LoadSummary], None]
Database = Engine | sessionmaker[Session]


def load(
    database: Database,
    paths: Iterable[Path],
    *,
    access: Access,
    checks: Checks | None = None,
    source: str = "plan",
    progress: Progress | None = None,
    rejects: Path | None = None,
    warnings: Path | None = None,
    delete: Sequence[Path] = (),
    processes: int | None = None,
    again: bool = False,
) -> LoadSummary:
    """Load files and folders (NDJSON, Bundles, gzip), then delete what the lists in `delete` name.

    Goes on where an earlier load of the same files was interrupted, unless it shall begin `again`. `progress` is called
    after each batch with the summary so far; `rejects` and `warnings` are files to write, readable by the owner only.
    `processes` examine beside this one (None: as many as are worth it). Raises NothingToLoad, IsBeingRead,
    NoDefinitions and Forbidden.
    """
    granting.require_every_record(access, "c", "u")
    checks = checks or Checks()
    if checks.definitions is not None:
        profiles.require_definitions(checks.definitions)
    lists = tuple(delete)
    named = list(paths)
    files = reading.files_of(named)
    for findings in (rejects, warnings):
        require_apart(findings, [*files, *lists])
    sessions = _sessions(database)
    with sessions.begin() as session:
        begun = checkpoints.begin(session, source, [*files, *lists], checks, again=again)
        places = {path: checkpoints.place_in(session, begun, path) for path in [*files, *lists]}
    opened = Batches(sessions, begun, access, rejects=rejects, warnings=warnings)
    with workers.looking_for_cycles_rarely(), opened as batches:
        batches.summary.total_bytes = sum(path.stat().st_size for path in [*files, *lists])
        known = progress or _say_nothing
        count = workers.count_for(batches.summary.total_bytes) if processes is None else processes
        names = reading.names_of([*files, *lists])
        for path, piece, outcomes in workers.examined(_pieces(files, names, places), checks, count):
            batches.take(_found(piece, outcomes))
            batches.reach(path, piece)
            if batches.write_if_full():
                known(batches.summary)
        _delete(batches, lists, names, places)
        batches.finish()
        known(batches.summary)
    return batches.summary


def load_resources(
    database: Database, resources: Iterable[dict[str, Any]], *, access: Access, source: str = _STREAM
) -> LoadSummary:
    """Load a stream of parsed resources in constant memory."""
    granting.require_every_record(access, "c", "u")
    sessions = _sessions(database)
    with sessions.begin() as session:
        begun = checkpoints.begin(session, source, [], Checks(), again=True)
    opened = Batches(sessions, begun, access, rejects=None, warnings=None)
    with workers.looking_for_cycles_rarely(), opened as batches:
        numbered = enumerate(resources, start=1)
        while chunk := list(islice(numbered, _CHUNK)):
            batches.take([_of_stream(number, resource) for number, resource in chunk])
            batches.write_if_full()
        batches.finish()
    return batches.summary


def _sessions(database: Database) -> sessionmaker[Session]:
    return make_sessions(database) if isinstance(database, Engine) else database


def _say_nothing(_summary: LoadSummary) -> None:
    """Nobody watches."""


def _pieces(
    files: Sequence[Path], names: Mapping[Path, str], places: Mapping[Path, tuple[Place | None, bool]]
) -> Iterator[tuple[Path, Piece]]:
    for path in files:
        place, _ = places[path]
        try:
            for piece in reading.pieces(path, place, name=names[path]):
                yield path, piece
        except reading.ChangedFile:
            for piece in reading.pieces(path, name=names[path]):
                yield path, piece


def _found(piece: Piece, outcomes: Sequence[Outcome]) -> list[Found]:
    lines = {line.number: line for line in piece.lines}
    return [
        Found(piece.file, one, one.raw or lines[one.number].raw, is_entry=lines[one.number].is_entry)
        for one in outcomes
    ]


def _of_stream(number: int, resource: dict[str, Any]) -> Found:
    try:
        return Found(_STREAM, Outcome(number, prepare_resource(resource)), b"")
    except Rejected as problem:
        finding = Finding(problem.rule, problem.hint, problem.path)
        return Found(_STREAM, Outcome(number, fault=finding), encode(resource))


def _delete(
    batches: Batches, lists: Sequence[Path], names: Mapping[Path, str],
    places: Mapping[Path, tuple[Place | None, bool]],
) -> None:  # fmt: skip
    for path in lists:
        if places[path][1]:
            continue
        for piece in deletions.pieces(path):
            batches.take([Found(names[path], examining.removal(*one), one[1].encode()) for one in piece])
            batches.write_if_full()
        batches.end(path)
