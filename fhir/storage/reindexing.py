"""Index columns worked out anew from the bodies, after a change of what is declared.

Batch by batch, each its own transaction, so that the service goes on answering; safe to run again, and to run while
others load, in turns with them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Engine, bindparam, func, select, tuple_, update
from sqlalchemy.orm import Session

from consent.policy import Access
from fhir.models import StoredResource
from fhir.search.declared import ARRAYS, DATES, Column
from fhir.search.index import IndexRow, index
from fhir.storage import granting, writing
from fhir.storage.bodies import bodies_of
from service import audit
from service.db import make_sessions

_BATCH = 1_000
_INDEX = (
    "provider_id", "claim_number", "sort_date", "texts", "date1_spans", "date2_spans",
    *(f"{column}_{edge}" for column in DATES for edge in ("start", "end")), *(column.value for column in ARRAYS),
)  # fmt: skip
_KEY = (StoredResource.type, StoredResource.id)


@dataclass
class Reindexed:
    """How far it is: rows in all, looked at, changed."""

    total: int = 0
    seen: int = 0
    changed: int = 0


def reindex(
    engine: Engine, *, access: Access, progress: Callable[[Reindexed], None] = lambda _so_far: None
) -> Reindexed:
    """Bring the index of every current resource up to what is declared; raises Forbidden."""
    granting.require_every_record(access, "u")
    sessions, done, last = make_sessions(engine), Reindexed(), ("", "")
    with sessions() as session:
        done.total = session.scalar(select(func.count()).where(StoredResource.deleted.is_(False))) or 0
    while True:
        with sessions.begin() as session:
            # All who change what is seen draw one epoch (decision 94): without the lock two could block each other.
            writing.lock(session)
            rows = _rows_after(session, last)
            done.changed += _update(session, [found for row in rows if (found := _difference(session, row))])
        if not rows:
            break
        last = (rows[-1].type, rows[-1].id)
        done.seen += len(rows)
        progress(done)
    with sessions.begin() as session:
        detail = {"changed": done.changed}
        audit.record(session, "fhir:resource:reindex", count=done.seen, detail=detail, reason=access.reason)
    return done


def _rows_after(session: Session, last: tuple[str, str]) -> list[Any]:
    columns = (*_KEY, StoredResource.version, StoredResource.dictionary_id, StoredResource.body)
    statement = (
        select(*columns, *(getattr(StoredResource, name) for name in _INDEX))
        .where(StoredResource.deleted.is_(False), tuple_(*_KEY) > last)
        .order_by(*_KEY)
        .limit(_BATCH)
    )
    return list(session.execute(statement))


def _difference(session: Session, row: Any) -> dict[str, Any] | None:
    """The bound values that bring one row up to date; None where it is."""
    body = bodies_of(session).unpack(session, row.dictionary_id, bytes(row.body))
    wanted = _values(index(orjson.loads(body)))
    if all(getattr(row, name) == value for name, value in wanted.items()):
        return None
    return {"of_type": row.type, "of_id": row.id, "of_version": row.version} | wanted


def _values(row: IndexRow) -> dict[str, Any]:
    edges = {
        f"{column}_{edge}": getattr(row.dates.get(column), edge, None) for column in DATES for edge in ("start", "end")
    }
    return {
        "provider_id": row.provider_id, "claim_number": row.claim_number, "sort_date": row.sort_date,
        "texts": row.texts, "date1_spans": row.spans.get(Column.DATE1), "date2_spans": row.spans.get(Column.DATE2),
        **edges, **{column.value: row.words.get(column, ()) for column in ARRAYS},
    }  # fmt: skip


def _update(session: Session, changed: list[dict[str, Any]]) -> int:
    if changed:
        statement = (
            update(StoredResource)
            .where(
                StoredResource.type == bindparam("of_type"),
                StoredResource.id == bindparam("of_id"),
                StoredResource.version == bindparam("of_version"),
            )
            .values({name: bindparam(name) for name in _INDEX})
        )
        session.connection().execute(statement, changed)
    return len(changed)
