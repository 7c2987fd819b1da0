"""Shared resources that hold a member's record, stored before loads refused them: out of everybody's sight.

Nothing is lost: each version is kept under no patient, and its name is told, so that the source can send it without.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session, sessionmaker

from consent.policy import Access
from fhir.compartment import SHARED_TYPES, names_member
from fhir.loading.json_texts import parse
from fhir.models import StoredResource, StoredVersion
from fhir.storage import granting, writing
from fhir.storage.bodies import bodies_of
from fhir.storage.writing import Key
from service import audit

_AT_ONCE = 1_000
_Table = type[StoredResource] | type[StoredVersion]


def withdraw(sessions: sessionmaker[Session], *, access: Access) -> list[Key]:
    """Take them and their older versions away, in small transactions; the type and id of each. Raises Forbidden."""
    granting.require_every_record(access, "d")
    found: dict[Key, None] = {}
    for table in (StoredResource, StoredVersion):
        last: tuple[str, str, int] = ("", "", 0)
        while True:
            with sessions.begin() as session:
                writing.lock(session)
                rows = _rows_after(session, table, last)
                keys = list(_naming_members(session, rows))
                writing.withdraw(session, keys)
            found |= dict.fromkeys(keys)
            if not rows:
                break
            last = (rows[-1].type, rows[-1].id, rows[-1].version)
    with sessions.begin() as session:
        named = ["/".join(key) for key in found]
        detail = {"asked_for": named[:100]}
        audit.record(session, "fhir:resource:withdraw", count=len(found), detail=detail, reason=access.reason)
    return list(found)


def _rows_after(session: Session, table: _Table, last: tuple[str, str, int]) -> Sequence[Any]:
    key = (table.type, table.id, table.version)
    columns = (*key, table.dictionary_id, table.body)
    shared = (table.type.in_(sorted(SHARED_TYPES)), table.patient_id != writing.NOBODY, table.deleted.is_(False))
    return session.execute(select(*columns).where(*shared, tuple_(*key) > last).order_by(*key).limit(_AT_ONCE)).all()


def _naming_members(session: Session, rows: Sequence[Any]) -> Iterator[Key]:
    for row in rows:
        if names_member(parse(bodies_of(session).unpack(session, row.dictionary_id, row.body))):
            yield row.type, row.id
