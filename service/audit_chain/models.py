"""What the chain keeps beside the events: a seal for each, a stub for each purge, and how far the sealer came."""

from datetime import datetime
from typing import cast

from sqlalchemy import DDL, BigInteger, Integer, LargeBinary, String, Table, event
from sqlalchemy.orm import Mapped, mapped_column

from service.audit import AuditEvent, AuditSubject
from service.db import Base, Instant, append_only

_NUMBER = BigInteger().with_variant(Integer, "sqlite")


class AuditSeal(Base):
    """One link of the chain: the hash (SHA-256) of an event at its position, together with the hash before it."""

    __tablename__ = "audit_seal"

    position: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=False)
    """1, 2, 3 … without a gap."""
    event_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    prev: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditPurge(Base):
    """What stands for purged rows: which they were, the hash the chain goes on from, signed."""

    __tablename__ = "audit_purge"

    through_position: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=False)
    from_position: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime] = mapped_column(Instant)
    """The time of the oldest event that was purged."""
    last_at: Mapped[datetime] = mapped_column(Instant)
    """The time of the youngest one."""
    prev: Mapped[bytes] = mapped_column(LargeBinary)
    """The hash before the first purged row."""
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    """The hash of the last purged row."""
    at: Mapped[datetime] = mapped_column(Instant)
    key_id: Mapped[str] = mapped_column(String(64))
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class AuditSealing(Base):
    """How far the sealer came: one row, held while it seals.

    Up to `settled` every id is sealed or will never be used. PostgreSQL gives ids before transactions commit:
    `candidate` is settled once every transaction that ran at its time, before `candidate_xid`, has ended.
    """

    __tablename__ = "audit_sealing"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    settled: Mapped[int] = mapped_column(BigInteger)
    candidate: Mapped[int] = mapped_column(BigInteger)
    candidate_xid: Mapped[int] = mapped_column(BigInteger)
    candidate_at: Mapped[datetime] = mapped_column(Instant)


# A row goes only after its stub stands; a stub that nobody signed is found by the verifier.
_KEPT = {
    "audit_event": "SELECT 1 FROM audit_seal s JOIN audit_purge p ON s.position <= p.through_position"
    " WHERE s.event_id = OLD.id",
    "audit_subject": "SELECT 1 FROM audit_seal s JOIN audit_purge p ON s.position <= p.through_position"
    " WHERE s.event_id = OLD.event_id",
    "audit_seal": "SELECT 1 FROM audit_purge p WHERE OLD.position <= p.through_position",
}


def _unchanged_but_by_purge(table: Table) -> None:
    name, covered = table.name, _KEPT[table.name]
    # The triggers name each other's tables: they come with the last one.
    last = cast(Table, AuditSealing.__table__)
    last.add_is_dependent_on(table)
    sentence = f"{name} is append-only"
    for statement in (
        f"CREATE TRIGGER {name}_no_update BEFORE UPDATE ON {name} BEGIN SELECT RAISE(ABORT, '{sentence}'); END",
        f"CREATE TRIGGER {name}_no_delete BEFORE DELETE ON {name} WHEN NOT EXISTS ({covered}) "
        f"BEGIN SELECT RAISE(ABORT, '{sentence}'); END",
    ):
        event.listen(last, "after_create", DDL(statement).execute_if(dialect="sqlite"))
    for statement in (
        f"CREATE OR REPLACE FUNCTION {name}_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NOT EXISTS ({covered}) THEN RAISE EXCEPTION '{sentence}'; END IF; RETURN OLD; END $$",
        f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER {name}_no_delete BEFORE DELETE ON {name} FOR EACH ROW EXECUTE FUNCTION {name}_refuse_delete()",
    ):
        event.listen(last, "after_create", DDL(statement).execute_if(dialect="postgresql"))


append_only(cast(Table, AuditPurge.__table__))
cast(Table, AuditSealing.__table__).add_is_dependent_on(cast(Table, AuditPurge.__table__))
for _table in (AuditEvent.__table__, AuditSubject.__table__, AuditSeal.__table__):
    _unchanged_but_by_purge(cast(Table, _table))
