"""Labels anew: when the code tables have a new version, and when a Medication came after its prescriptions."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, or_, select, tuple_, update
from sqlalchemy.orm import Session, sessionmaker

from consent.policy import UNCLASSIFIED, Access
from fhir.compartment import TYPES
from fhir.loading import labels
from fhir.loading.json_texts import parse
from fhir.models import StoredResource, StoredVersion, delimited
from fhir.search.clauses import Dialect
from fhir.storage import granting, writing
from fhir.storage.bodies import bodies_of
from fhir.storage.statements import dialect_of
from service import audit

_AT_ONCE = 1_000
_PRESCRIPTIONS = ("MedicationRequest", "MedicationDispense")
_FEW = 50
"""Medications whose prescriptions the database finds itself; for more of them every prescription is looked at."""
_Table = type[StoredResource] | type[StoredVersion]


class Relabelled(NamedTuple):
    """How many were looked at, how many have other labels now, and how many are restricted: no app gets those."""

    looked_at: int = 0
    changed: int = 0
    restricted: int = 0

    def plus(self, other: "Relabelled") -> "Relabelled":
        """Both together."""
        return Relabelled(*(one + another for one, another in zip(self, other, strict=True)))


def relabel(
    sessions: sessionmaker[Session], *, access: Access, progress: Callable[[int], None]
) -> Relabelled:  # fmt: skip
    """Label everything that another version of the tables labelled, older versions too.

    In small transactions: it can be stopped and goes on with what is left. `progress` is told how many were looked at.
    Raises Forbidden unless the access reaches every record.
    """
    granting.require_every_record(access, "u")
    done = Relabelled()
    for table in (StoredResource, StoredVersion):
        # Prescriptions follow their Medications.
        for resource_type in sorted(TYPES, key=lambda one: (one != "Medication", one)):
            for some in _relabel_type(sessions, table, resource_type):
                done = done.plus(some)
                progress(some.looked_at)
    with sessions.begin() as session:
        detail = {"tables": labels.VERSION, "changed": done.changed}
        audit.record(session, "fhir:resource:relabel", count=done.looked_at, detail=detail, reason=access.reason)
    return done


def follow_medications(session: Session, access: Access, medications: Collection[str]) -> None:
    """Label the prescriptions that refer to these Medications, in the caller's transaction; raises Forbidden."""
    granting.require_every_record(access, "u")
    if not medications:
        return
    wanted = {f"Medication/{one}" for one in medications}
    narrowed = _naming(session, wanted) if len(wanted) <= _FEW else ()
    for resource_type in _PRESCRIPTIONS:
        for rows in _prescriptions(session, resource_type, narrowed):
            named = [row for row in rows if any(ref.partition("=")[2] in wanted for ref in row.refs)]
            _label(session, StoredResource, named)


def _relabel_type(
    sessions: sessionmaker[Session], table: _Table, resource_type: str
) -> Iterator[Relabelled]:  # fmt: skip
    """What each transaction did."""
    last: tuple[str, int] = ("", 0)
    while True:
        with sessions.begin() as session:
            # Read behind the lock: a Medication that came in between would lose the label it gave its prescriptions.
            writing.lock(session)
            old = select(table).where(
                table.type == resource_type, table.labelled_by != labels.VERSION,
                # The first comparison is implied by the second; it lets the key start at the right place.
                table.id >= last[0], tuple_(table.id, table.version) > last,
            )  # fmt: skip
            rows: Sequence[Any] = session.scalars(old.order_by(table.id, table.version).limit(_AT_ONCE)).all()
            if not rows:
                return
            last = (rows[-1].id, rows[-1].version)
            found = _label(session, table, rows)
        yield found


def _naming(session: Session, references: Collection[str]) -> tuple[ColumnElement[bool]]:
    words = [f"medication={one}" for one in sorted(references)]
    if dialect_of(session) is Dialect.POSTGRESQL:
        return (StoredResource.refs.op("&&", is_comparison=True)(words),)
    return (or_(*(func.instr(StoredResource.refs, delimited([word])) > 0 for word in words)),)


def _prescriptions(
    session: Session, resource_type: str, narrowed: Sequence[ColumnElement[bool]]
) -> Iterator[Sequence[StoredResource]]:
    last = ""
    while True:
        following = select(StoredResource).where(
            StoredResource.type == resource_type, StoredResource.id > last, *narrowed
        )
        rows = session.scalars(following.order_by(StoredResource.id).limit(_AT_ONCE)).all()
        if not rows:
            return
        last = rows[-1].id
        yield rows


def _label(session: Session, table: _Table, rows: Sequence[StoredResource | StoredVersion]) -> Relabelled:
    """Label these rows."""
    readable = [row for row in rows if not row.deleted]
    found = {id(row): parse(bodies_of(session).unpack(session, row.dictionary_id, row.body)) for row in readable}
    named = {row: labels.medication(resource.get("medicationReference")) for row, resource in found.items()}
    known = _labels_of_medications(session, {one for one in named.values() if one})
    changed = restricted = 0
    for row in rows:
        meant = frozenset(row.labels)
        if id(row) in found:
            meant = labels.labels(found[id(row)])
            medication = named[id(row)]
            meant = labels.with_medication(meant, known.get(medication)) if medication else meant
        changed += meant != frozenset(row.labels)
        restricted += id(row) in found and UNCLASSIFIED in meant
        values: dict[str, Any] = {"labels": sorted(meant), "labelled_by": labels.VERSION}
        session.execute(update(table).where(*_is(table, row)).values(**values))
    session.expire_all()
    return Relabelled(len(rows), changed, restricted)


def _is(table: _Table, row: StoredResource | StoredVersion) -> tuple[Any, ...]:
    return (tuple_(table.type, table.id, table.version) == (row.type, row.id, row.version),)


def _labels_of_medications(session: Session, ids: Collection[str]) -> dict[str, frozenset[str]]:
    stored = StoredResource
    wanted = select(stored.id, stored.labels).where(stored.type == "Medication", stored.id.in_(ids))
    return {one: frozenset(words) for one, words in session.execute(wanted)} if ids else {}
