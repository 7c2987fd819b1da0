"""Writing resources in batches: only what is new or changed, older versions kept, bodies packed.

PostgreSQL takes them by binary COPY, SQLite by executemany; both inside the caller's transaction. One loader writes at
a time (SQLite locks itself, PostgreSQL by an advisory lock), so that versions never clash.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextualSelect, delete, insert, select, text, update
from sqlalchemy.orm import Session

from fhir.compartment import SHARED, SHARED_TYPES
from fhir.loading import labels
from fhir.loading.preparation import Prepared
from fhir.merges import following
from fhir.models import StoredResource, StoredVersion, delimited
from fhir.search.clauses import Dialect
from fhir.search.declared import DATES, Column
from fhir.storage import copying
from fhir.storage.bodies import bodies_of
from fhir.storage.statements import dialect_of
from service.clock import now
from service.db import microseconds

_LOADER_LOCK = 7_340_051
_ROWS_BELIEVED = text("SELECT reltuples FROM pg_class WHERE oid = 'resource'::regclass")
_FEW_ROWS = 1_000
NOBODY = "~"
"""Not a legal FHIR id: versions of a resource that was moved to another patient belong to nobody."""
_CHUNK = 500
_COLUMNS: Mapping[str, str] = {
    "type": "text repeated", "id": "text", "patient_id": "text repeated", "provider_id": "text repeated",
    "version": "int4", "last_updated": "int8", "deleted": "bool",
    "content_hash": "bytea", "dictionary_id": "int4", "body": "bytea", "sort_date": "int8",
    "date1_start": "int8", "date1_end": "int8", "date2_start": "int8", "date2_end": "int8",
    "date3_start": "int8", "date3_end": "int8", "date4_start": "int8", "date4_end": "int8",
    "date1_spans": "text", "date2_spans": "text", "status": "text[] repeated", "category": "text[] repeated",
    "code": "text[] repeated", "identifier": "text[]", "tokens": "text[]", "refs": "text[]", "texts": "text",
    "labels": "text[] repeated", "claim_number": "text", "labelled_by": "text repeated",
}  # fmt: skip
_WORDS = (Column.STATUS, Column.CATEGORY, Column.CODE, Column.IDENTIFIER, Column.TOKENS, Column.REFS)
_COPY = "COPY resource ({columns}) FROM STDIN (FORMAT BINARY)"
_INSERT = "INSERT INTO resource ({columns}) VALUES ({marks})"
_STANDING_COLUMNS = (
    StoredResource.id, StoredResource.version, StoredResource.content_hash, StoredResource.deleted,
    StoredResource.patient_id, StoredResource.labels, StoredResource.provider_id,
)  # fmt: skip
_STANDING: Mapping[Dialect, TextualSelect] = {
    # Each looked up by itself: = ANY() was read through all ids of the type.
    Dialect.POSTGRESQL: text(
        "SELECT standing.id, version, content_hash, deleted, patient_id, labels, provider_id "
        "FROM unnest(CAST(:ids AS text[])) AS wanted (id) CROSS JOIN LATERAL "
        "(SELECT * FROM resource WHERE type = :type AND id = wanted.id OFFSET 0) AS standing"
    ).columns(*_STANDING_COLUMNS),
    Dialect.SQLITE: text(
        "SELECT id, version, content_hash, deleted, patient_id, labels, provider_id FROM resource "
        "WHERE type = :type AND id IN (SELECT value FROM json_each(:ids))"
    ).columns(*_STANDING_COLUMNS),
}
_SAME_COLUMNS = [column.name for column in StoredVersion.__table__.columns]

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is stored of a resource now."""

    version: int
    content_hash: bytes
    deleted: bool
    patient_id: str
    labels: frozenset[str]
    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What one batch did; `unplaced` are Provenances whose patient nobody knows yet.

    `medications` are the ids of Medications that are new or other than before: prescriptions take their labels.
    """

    added: int
    changed: int
    unchanged: int
    unplaced: tuple[Prepared, ...]
    medications: frozenset[str] = frozenset()


def write(session: Session, batch: Sequence[Prepared]) -> Written:
    """Store the batch (no key twice) in the caller's transaction."""
    lock(session)
    _keep_to_indexes(session)
    placed, unplaced = _place(session, batch)
    following.follow(session, placed)
    _label_by_medication(session, placed)
    standing = find_standing(session, [one.key for one in placed])
    fresh = [one for one in placed if one.key not in standing]
    changed = [one for one in placed if _differs(one, standing.get(one.key))]
    _relabel(session, placed, standing)
    retire(session, {one.key: standing[one.key].patient_id != one.patient_id for one in changed})
    _hide_from_former_providers(session, [one for one in changed if _left_its_provider(one, standing[one.key])])
    _insert(session, [(one, 1) for one in fresh] + [(one, standing[one.key].version + 1) for one in changed])
    medications = frozenset(one.id for one in (*fresh, *changed) if one.type == "Medication")
    unchanged = len(placed) - len(fresh) - len(changed)
    return Written(len(fresh), len(changed), unchanged, tuple(unplaced), medications)


def tell_planner(session: Session) -> None:
    """Let PostgreSQL's planner know of the rows written so far, where it believes that there are hardly any.

    It gathers statistics by itself once a minute at most; until then a table that was empty is read by whatever index.
    """
    if dialect_of(session) is Dialect.POSTGRESQL and session.scalar(_ROWS_BELIEVED) < _FEW_ROWS:
        session.execute(text("ANALYZE resource"))


def bury_all(session: Session, keys: Iterable[Key]) -> int:
    """Delete what stands of these; how many did."""
    lock(session)
    _keep_to_indexes(session)
    standing = {key: found for key, found in find_standing(session, keys).items() if not found.deleted}
    for key, found in standing.items():
        bury(session, key, found)
    return len(standing)


def wait_for_writers(session: Session) -> None:
    """Wait until nobody is in the middle of writing: whatever is written from now on says a later instant."""
    lock(session)


def bury(session: Session, key: Key, standing: Standing) -> None:
    """Delete a resource: its row stays, says so, and is a version of its own."""
    lock(session)
    resource_type, resource_id = key
    current = (StoredResource.type == resource_type, StoredResource.id == resource_id)
    copied = select(*(getattr(StoredResource, name) for name in _SAME_COLUMNS)).where(*current)
    session.execute(insert(StoredVersion).from_select(_SAME_COLUMNS, copied))
    session.execute(
        update(StoredResource)
        .where(*current)
        .values(version=standing.version + 1, last_updated=_moment(), deleted=True, body=b"", content_hash=b"")
    )


def withdraw(session: Session, keys: Iterable[Key]) -> None:
    """Delete what stands of these, and take every version there was out of every sight."""
    keys = list(keys)
    bury_all(session, keys)
    for resource_type, ids in _by_type(keys).items():
        for start in range(0, len(ids), _CHUNK):
            _hide_versions(session, resource_type, ids[start : start + _CHUNK])


def has_records(session: Session, patient_id: str) -> bool:
    """Whether anything that is not deleted is kept of a patient, but the Patient itself."""
    stored = StoredResource
    kept = (stored.patient_id == patient_id, stored.type != "Patient", stored.deleted.is_(False))
    return session.scalar(select(stored.id).where(*kept).limit(1)) is not None


def find_standing(session: Session, keys: Iterable[Key]) -> dict[Key, Standing]:
    """What is stored under these keys."""
    dialect = dialect_of(session)
    found: dict[Key, Standing] = {}
    for resource_type, ids in _by_type(keys).items():
        named = ids if dialect is Dialect.POSTGRESQL else json.dumps(ids)
        for row in session.execute(_STANDING[dialect], {"type": resource_type, "ids": named}):
            resource_id, version, content_hash, deleted, patient_id, labelled, provider_id = row
            found[resource_type, resource_id] = Standing(
                version, bytes(content_hash), deleted, patient_id, frozenset(labelled), provider_id
            )
    return found


def retire(session: Session, moved: Mapping[Key, bool]) -> None:
    """Move the current versions of these keys to the replaced ones. Those of another patient go out of every sight."""
    for resource_type, ids in _by_type(moved).items():
        for start in range(0, len(ids), _CHUNK):
            some = ids[start : start + _CHUNK]
            current = (StoredResource.type == resource_type, StoredResource.id.in_(some))
            copied = select(*(getattr(StoredResource, name) for name in _SAME_COLUMNS)).where(*current)
            session.execute(insert(StoredVersion).from_select(_SAME_COLUMNS, copied))
            session.execute(delete(StoredResource).where(*current))
            if strangers := [one for one in some if moved[resource_type, one]]:
                _hide_versions(session, resource_type, strangers)


def _hide_versions(session: Session, resource_type: str, ids: Sequence[str]) -> None:
    session.execute(
        update(StoredVersion)
        .where(StoredVersion.type == resource_type, StoredVersion.id.in_(ids))
        .values(patient_id=NOBODY)
    )


def _left_its_provider(one: Prepared, standing: Standing) -> bool:
    moved = standing.patient_id != one.patient_id or standing.provider_id != one.index.provider_id
    return standing.provider_id is not None and moved


def _hide_from_former_providers(session: Session, moved: Sequence[Prepared]) -> None:
    """Take the older versions of claims that are another's now out of the sight of the provider they had named."""
    for resource_type, ids in _by_type(one.key for one in moved).items():
        for start in range(0, len(ids), _CHUNK):
            session.execute(
                update(StoredVersion)
                .where(StoredVersion.type == resource_type, StoredVersion.id.in_(ids[start : start + _CHUNK]))
                .values(provider_id=None)
            )


def lock(session: Session) -> None:
    """Let nobody else write resources until this transaction ends."""
    if dialect_of(session) is Dialect.POSTGRESQL:
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOADER_LOCK})


def _keep_to_indexes(session: Session) -> None:
    """Have rows looked up by key until this transaction ends, whatever the planner believes.

    A table that a load has only begun to fill has no statistics: it was read from end to end for each batch.
    """
    if dialect_of(session) is Dialect.POSTGRESQL:
        # Without the compiler, which takes whatever is read so after all for dear.
        session.execute(text("SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"))


def _place(session: Session, batch: Sequence[Prepared]) -> tuple[list[Prepared], list[Prepared]]:
    """Find the patient of each Provenance that names none, by what it is about."""
    homeless = [one for one in batch if one.patient_id is None]
    if homeless:
        targets = [target for one in homeless for target in one.targets if target[0] not in SHARED_TYPES]
        owners = {key: found.patient_id for key, found in find_standing(session, targets).items()}
        owners |= {one.key: one.patient_id for one in batch if one.patient_id is not None}
        for one in homeless:
            one.patient_id = _owner(one, owners)
    return [one for one in batch if one.patient_id is not None], [one for one in batch if one.patient_id is None]


def _owner(one: Prepared, owners: Mapping[Key, str]) -> str | None:
    personal = [target for target in one.targets if target[0] not in SHARED_TYPES]
    if not personal:
        return SHARED
    found = {owners[target] for target in personal if target in owners}
    return found.pop() if len(found) == 1 else None


def _label_by_medication(session: Session, batch: Sequence[Prepared]) -> None:
    wanted = [("Medication", one.medication) for one in batch if one.medication]
    if not wanted:
        return
    known = {key[1]: found.labels for key, found in find_standing(session, wanted).items()}
    known |= {one.id: one.labels for one in batch if one.type == "Medication"}
    for one in batch:
        if one.medication:
            one.labels = labels.with_medication(one.labels, known.get(one.medication))


def _differs(one: Prepared, standing: Standing | None) -> bool:
    if standing is None:
        return False
    same = standing.content_hash == one.content_hash and standing.patient_id == one.patient_id
    return standing.deleted or not same


def _relabel(session: Session, batch: Sequence[Prepared], standing: Mapping[Key, Standing]) -> None:
    """Labels follow the code tables and the Medications known by now, without a new version."""
    for one in batch:
        found = standing.get(one.key)
        if found is not None and found.labels != one.labels:
            session.execute(
                update(StoredResource)
                .where(StoredResource.type == one.type, StoredResource.id == one.id)
                .values(labels=sorted(one.labels), labelled_by=labels.VERSION)
            )


def _insert(session: Session, versions: Sequence[tuple[Prepared, int]]) -> None:
    moment = _moment()
    rows: list[tuple[Any, ...]] = []
    grouped: dict[str, list[tuple[Prepared, int]]] = defaultdict(list)
    for one, version in versions:
        grouped[one.type].append((one, version))
    dialect = dialect_of(session)
    for resource_type, group in grouped.items():
        bodies = [one.stamped(version, moment) for one, version in group]
        dictionary_id, packed = bodies_of(session).pack(session, resource_type, bodies)
        rows += [
            _row(dialect, one, version, moment, dictionary_id, body)
            for (one, version), body in zip(group, packed, strict=True)
        ]
    if rows:
        _copy(session, dialect, rows)


def _row(
    dialect: Dialect, one: Prepared, version: int, moment: int, dictionary_id: int, body: bytes
) -> tuple[Any, ...]:
    words = tuple if dialect is Dialect.POSTGRESQL else delimited
    row = one.index
    spans = [row.dates.get(column) for column in DATES]
    return (
        one.type, one.id, one.patient_id, row.provider_id, version, moment, False, one.content_hash, dictionary_id,
        body, row.sort_date,
        *(edge for span in spans for edge in ((span.start, span.end) if span else (None, None))),
        row.spans.get(Column.DATE1), row.spans.get(Column.DATE2),
        *(words(row.words.get(column, ())) for column in _WORDS),
        row.texts, words(sorted(one.labels)), row.claim_number, labels.VERSION,
    )  # fmt: skip


def _copy(session: Session, dialect: Dialect, rows: Sequence[tuple[Any, ...]]) -> None:
    connection: Any = session.connection().connection.driver_connection
    columns = ", ".join(_COLUMNS)
    if dialect is Dialect.SQLITE:
        connection.executemany(_INSERT.format(columns=columns, marks=", ".join("?" for _ in _COLUMNS)), rows)
        return
    with connection.cursor() as cursor, cursor.copy(_COPY.format(columns=columns)) as copy:
        for block in copying.blocks(list(_COLUMNS.values()), rows):
            copy.write(block)


def _moment() -> int:
    # To the millisecond, as meta.lastUpdated says it: searching for the instant shown finds the resource.
    return microseconds(now()) // 1000 * 1000


def _by_type(keys: Iterable[Key]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for resource_type, resource_id in keys:
        grouped[resource_type].append(resource_id)
    return grouped
