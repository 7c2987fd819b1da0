"""How often the endpoints refused an app, day by day and by the word that it was told: counts for its developers.

What the audit keeps of refusals (a wrong secret, a replay, a person's no) is not counted here again.
"""

from typing import Any, cast

from sqlalchemy import CursorResult, delete, select, tuple_
from sqlalchemy.orm import Session

from oauth.apps.models import RefusalDay
from service.clock import now
from service.db import Statement, microseconds

_KEEP_DAYS = 35
_MICROSECONDS_A_DAY = 86_400_000_000
_BATCH = 500
_COUNT = Statement(
    """
    INSERT INTO refusal_day (client_id, day, reason, number)
    SELECT id, CAST(%s AS INTEGER), CAST(%s AS VARCHAR), 1 FROM client WHERE id = %s
    ON CONFLICT (client_id, day, reason) DO UPDATE SET number = refusal_day.number + 1
    """
)


def count(session: Session, client_id: str, reason: str) -> None:
    """Count one refusal of an app today, if there is such an app; `reason` is a word of ours, of nobody's input."""
    _COUNT.run(session, _today(), reason, client_id)


def since(session: Session, client_id: str, day: int) -> list[tuple[int, str, int]]:
    """The counts of an app from a day on: day (since 1970, of UTC), reason, number."""
    columns = select(RefusalDay.day, RefusalDay.reason, RefusalDay.number)
    found = session.execute(columns.where(RefusalDay.client_id == client_id, RefusalDay.day >= day))
    return [(row.day, row.reason, row.number) for row in found]


def delete_old(session: Session) -> int:
    """Delete some hundred counts that no page shows any more; how many."""
    key = tuple_(RefusalDay.client_id, RefusalDay.day, RefusalDay.reason)
    old = (
        select(RefusalDay.client_id, RefusalDay.day, RefusalDay.reason)
        .where(RefusalDay.day < _today() - _KEEP_DAYS)
        .limit(_BATCH)
    )
    result = session.execute(delete(RefusalDay).where(key.in_(old)).execution_options(synchronize_session=False))
    return cast(CursorResult[Any], result).rowcount


def _today() -> int:
    return microseconds(now()) // _MICROSECONDS_A_DAY
