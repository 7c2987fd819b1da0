"""Whether an export of everybody held something of a member's record, worked out from the versions that are kept.

Its event says which resources of a type it held; to keep two million names for each would cost more than they tell.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, cast, exists, or_
from sqlalchemy.orm import aliased

from consent.policy import Access, AccessBasis
from fhir.models import StoredResource, StoredVersion
from service.audit import AuditEvent, AuditSubject


def was_in(access: Access, records: Mapping[str, str]) -> ColumnElement[bool]:
    """Whether what an event (`AuditEvent`) about everybody tells of a type (`AuditSubject`) held one of these records.

    `records` are the access's member and those whose records became part of that one, each with their Patient
    (`roster.patients_of_parts`); raises ValueError for another's. What was deleted by then was not in it; nor, as far
    as is known, what has moved to another member's record since.
    """
    if access.member_id not in records and access.basis is not AccessBasis.PLAN_SYSTEM:
        raise ValueError("records of the member in context only")
    # Named one by one: with a subquery for them PostgreSQL goes through the whole table for each event.
    current, kept, patients = StoredResource, StoredVersion, list(records.values())
    replaced_later = or_(*(_follows(aliased(table), kept) for table in (StoredResource, StoredVersion)))
    return or_(
        exists().where(*_held(current, patients)), exists().where(*_held(kept, patients), replaced_later)
    )  # fmt: skip


def _held(table: Any, patients: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        table.patient_id.in_(patients), table.type == AuditSubject.resource_type, table.deleted.is_(False),
        table.last_updated > _told("since"), table.last_updated <= _told("until"),
    )  # fmt: skip


def _follows(later: Any, earlier: Any) -> ColumnElement[bool]:
    """Whether a version came in the place of one after the export was made: meanwhile it may have been left out."""
    follows = exists().where(
        and_(
            later.patient_id == earlier.patient_id, later.type == earlier.type, later.id == earlier.id,
            later.version == earlier.version + 1, later.last_updated > _told("made"),
        )
    )  # fmt: skip
    # Two levels deep nothing ties it to the event at hand by itself: it would look through those of all exports.
    return follows.correlate_except(later)


def _told(name: str) -> ColumnElement[int]:
    # As text first: PostgreSQL would take the number for one of 32 bits.
    return cast(AuditEvent.detail["everybody", name].as_string(), BigInteger)
