"""What the janitor deletes of the plan's own records: registrations that ran out."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from service.clock import now
from service.plan.models import PortalRegistration

_BATCH = 500
_KEEP = timedelta(days=2)


def delete_over(session: Session) -> int:
    """Delete at most 500 registrations that ran out two days ago, with the answers in them; how many."""
    some = select(PortalRegistration.id).where(PortalRegistration.expires_at < now() - _KEEP).limit(_BATCH)
    result = session.execute(delete(PortalRegistration).where(PortalRegistration.id.in_(some)))
    return cast(CursorResult[Any], result).rowcount


SWEEPS: tuple[Callable[[Session], int], ...] = (delete_over,)
"""The sweeps for `service.jobs.janitor`."""
