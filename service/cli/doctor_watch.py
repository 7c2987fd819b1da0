"""What `flask doctor` asks of what goes on by itself and is promised to others: the audit's checkpoints, fresh data."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from fhir.loading import freshness
from fhir.loading.freshness import Delivery, Watch
from service.audit_chain import checkpoints, links, vouching
from service.audit_chain.checkpoints import CheckpointLog, Disagrees, KeyChanged, Untrustworthy
from service.audit_chain.keys import AuditKey
from service.cli.findings import Finding, Findings, bad, doubtful, good
from service.clock import now
from service.db import database_of
from service.settings import Settings
from service.web import latchstring

_TIME = "%Y-%m-%d %H:%M"


def audit(settings: Settings) -> Findings:
    """How old the last checkpoint is, and whether the database holds what it saw."""
    folder, key = CheckpointLog(settings.checkpoints_folder), AuditKey(settings.secret_key)
    try:
        last = folder.last()
    except (Untrustworthy, OSError) as problem:
        yield bad(f"the last checkpoint cannot be used: {problem} Look at {folder.folder}, run flask audit verify.")
        return
    if last is not None and last.key_id not in key.known:
        yield bad(KeyChanged.sentence)
        return
    with latchstring().sessions() as session:
        if last is not None and not checkpoints.agrees(session, last, links.head(session)):
            yield bad(Disagrees.sentence)
            return
        since = vouching.missing_since(session, last.position if last else 0)
        may_change = _may_change_audit(session)
    if since is not None and now() - since > vouching.PATIENCE:
        yield bad(
            f"no checkpoint saw what was audited since {_told(since)}, which could be rewritten: see that a worker runs"
            f" and may write to {folder.folder}, or run flask audit checkpoint."
        )
    elif last is not None:
        yield good(f"the last checkpoint, of {last.at}, saw position {last.position}, which the database holds.")
    else:
        yield good("nothing waits for its first checkpoint yet.")
    if may_change:
        yield doubtful(
            "the role of DATABASE_URL may change what was audited: give the servers a role of their own by"
            " deploy/roles.sql (docs/container.md), and run migrations and flask audit purge as the owner."
        )


def _may_change_audit(session: Session) -> bool:
    """Whether this connection's role on PostgreSQL may change or delete what was audited; SQLite knows no roles."""
    if database_of(session) != "postgresql":
        return False
    return bool(session.scalar(text(
        "SELECT bool_or(has_table_privilege(name, 'UPDATE') OR has_table_privilege(name, 'DELETE'))"
        " FROM unnest(ARRAY['audit_event', 'audit_subject', 'audit_seal', 'audit_purge']) AS name"
    )))  # fmt: skip


def data(settings: Settings) -> Findings:
    """Deliveries that apps do not see in time, and those that were given up."""
    with latchstring().sessions() as session:
        found = freshness.pressing(session, settings.plan.timezone)
        given_up = freshness.given_up(session, settings.plan.timezone)
    yield from map(_of_delivery, found)
    for one in given_up:
        assert one.given_up_at is not None
        since = f"{_told(one.given_up_at)}, so that nobody waits for it"
        yield good(f"the delivery of {one.source} that came {_told(one.received_at)} was given up {since}.")
    if not found:
        yield good("no delivery of the last days was late for apps, or soon will be.")


def _of_delivery(one: Delivery) -> Finding:
    told = f"the delivery of {one.source} that came {_told(one.received_at)}"
    if one.watch is Watch.OVERDUE:
        todo = "run its flask fhir load again, or flask fhir give-up."
        return bad(f"{told} was due {_told(one.due_at)} and is not visible: {todo}")
    if one.watch is Watch.DUE_SOON:
        return doubtful(f"{told} is due {_told(one.due_at)}: see that its flask fhir load comes to its end.")
    assert one.visible_at is not None
    return doubtful(f"{told} was visible {_told(one.visible_at)}, after it was due: load sooner after it comes.")


def _told(at: datetime) -> str:
    # When a delivery is due is worked out in the plan's time zone.
    return f"{at.astimezone(UTC):{_TIME}} UTC"
