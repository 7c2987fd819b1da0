"""What people say about the chain that no machine could know: a key was changed, a database was put back."""

from sqlalchemy.orm import Session

from service import audit
from service.audit_chain import checkpoints, links
from service.audit_chain.checkpoints import CheckpointLog, Kind, Line
from service.audit_chain.keys import AuditKey
from service.audit_chain.links import GENESIS, Head


class NothingToAccept(ValueError):
    """The chain agrees with the checkpoints, or the key is the one that signed the last."""


def rotate_key(session: Session, folder: CheckpointLog, key: AuditKey, *, operator: str) -> None:
    """Let the key of today vouch for what an earlier one signed.

    Raises NothingToAccept, Untrustworthy where the lines do not follow each other.
    """
    last = folder.last()
    if last is None or last.key_id == key.id:
        raise NothingToAccept("The last checkpoint was signed by this very key: there is nothing to do.")
    folder.read(key, signed_by=last.key_id)
    audit.record(session, "audit:key:rotate", detail={"operator": operator, "key": key.id, "earlier": last.key_id})
    session.commit()
    folder.add(key, Kind.KEY, Head(last.position, last.hash))


def accept_loss(session: Session, folder: CheckpointLog, key: AuditKey, *, reason: str, operator: str) -> Line | None:
    """Say that the database was restored, and that what later checkpoints saw is lost; the last one that still holds.

    The lines stay, and every verification names the loss. Raises NothingToAccept, Untrustworthy.
    """
    lines, at = folder.counting(key)[0], links.head(session)
    if not lines or checkpoints.agrees(session, lines[-1], at):
        raise NothingToAccept("The database holds what the last checkpoint saw: nothing is lost.")
    held = next((line for line in reversed(lines) if checkpoints.agrees(session, line, at)), None)
    lost = lines[-1].position - (held.position if held else 0)
    audit.record(
        session, "audit:event:accept-loss", count=lost, reason=reason[:500],
        detail={"operator": operator, "from": (held.position if held else 0) + 1, "through": lines[-1].position},
    )  # fmt: skip
    session.commit()
    folder.add(key, Kind.LOSS, Head(held.position, held.hash) if held else Head(0, GENESIS), reason=reason[:500])
    return held
