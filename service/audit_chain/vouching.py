"""Since when the audit goes on without a checkpoint: what none has seen could be rewritten, and nobody would see it."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from service.audit_chain.checkpoints import CheckpointLog, Untrustworthy
from service.db import Statement, from_microseconds

PATIENCE = timedelta(minutes=5)
"""How long that is nothing to tell of: a checkpoint comes half a minute after a seal, or once a worker is back."""
_SEALED_LATER = Statement(
    "SELECT e.at FROM audit_seal s JOIN audit_event e ON e.id = s.event_id WHERE s.position > %s "
    "ORDER BY s.position LIMIT 1"
)
_NOT_SEALED = Statement(
    "SELECT e.at FROM audit_event e WHERE e.id > COALESCE((SELECT settled FROM audit_sealing), 0) AND NOT EXISTS "
    "(SELECT 1 FROM audit_seal s WHERE s.event_id = e.id "
    "AND s.event_id > COALESCE((SELECT settled FROM audit_sealing), 0)) ORDER BY e.id LIMIT 1"
)


def missing_since(session: Session, position: int) -> datetime | None:
    """When the oldest event happened that a checkpoint at `position` did not see, sealed or not; None where it saw all.

    The chain does not keep when it sealed an event, a second after it as a rule.
    """
    found = [*_SEALED_LATER.run(session, position).fetchall(), *_NOT_SEALED.run(session).fetchall()]
    return from_microseconds(min(at for (at,) in found)) if found else None


def missing_since_last(session: Session, folder: CheckpointLog) -> datetime | None:
    """The same of the last checkpoint in `folder`; what cannot be read or trusted vouches for nothing."""
    try:
        last = folder.last()
    except (Untrustworthy, OSError):
        last = None
    return missing_since(session, last.position if last else 0)
