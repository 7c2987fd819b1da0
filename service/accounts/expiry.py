"""What the janitor deletes of accounts: rows that would be refused anyway, some hundred at a time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from service.accounts import notices, sessions, throttling
from service.accounts.models import EmailChange, EmailCode, EmailProof, PendingRegistration
from service.clock import now

_BATCH = 500
# Long enough that a clock set back by hours never meets a code that is not there to be refused.
_KEEP = timedelta(days=2)


def _delete_over(model: type[EmailCode | EmailProof | EmailChange | PendingRegistration]) -> Callable[[Session], int]:
    def delete_some(session: Session) -> int:
        some = select(model.id).where(model.expires_at < now() - _KEEP).limit(_BATCH)
        result = session.execute(delete(model).where(model.id.in_(some)))
        return cast(CursorResult[Any], result).rowcount

    return delete_some


SWEEPS: tuple[Callable[[Session], int], ...] = (
    _delete_over(EmailCode),
    _delete_over(EmailProof),
    _delete_over(PendingRegistration),
    _delete_over(EmailChange),
    sessions.delete_over,
    throttling.delete_over,
    notices.delete_old,
)
"""The sweeps for `service.jobs.janitor`."""
