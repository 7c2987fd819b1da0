"""An audit with a chain for the attacks on it, and whoever owns the database and may do everything there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from service import audit
from service.audit_chain import checkpoints, sealer, verifier
from service.audit_chain.checkpoints import CheckpointLog
from service.audit_chain.keys import AuditKey
from service.audit_chain.links import COLUMNS, GENESIS, SELECTED, link
from service.audit_chain.verifier import Verdict
from service.db import make_sessions
from service.settings import Settings

ROWS = 40
"""Events in a sealed chain of the tests."""


@dataclass
class Chain:
    """The chain of one database, with its checkpoints."""

    engine: Engine
    settings: Settings

    @property
    def log(self) -> CheckpointLog:
        return CheckpointLog(self.settings.checkpoints_folder)

    @property
    def key(self) -> AuditKey:
        return AuditKey(self.settings.secret_key)

    @property
    def files(self) -> list[Path]:
        return sorted(self.settings.checkpoints_folder.glob("*.ndjson"))

    def record(self, number: int, **given: Any) -> None:
        """Record so many events."""
        with make_sessions(self.engine).begin() as session:
            for one in range(number):
                audit.record(
                    session, "fhir:Patient:read", account_id=f"account-{one}", member_id="member", client_id="client",
                    resource_type="Patient", count=one, detail={"interaction": "read", "number": one}, **given,
                )  # fmt: skip

    def seal(self) -> int:
        return sealer.seal_all(make_sessions(self.engine))

    def checkpoint(self) -> None:
        self.seal()
        with make_sessions(self.engine)() as session:
            checkpoints.take(session, self.log, self.key)

    def verify(self) -> Verdict:
        return verifier.verify(self.engine, self.log, self.key)

    @contextmanager
    def owned(self) -> Iterator[Connection]:
        """A connection on which no trigger speaks, as whoever owns the database has it."""
        with self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL session_replication_role = replica"))
            else:
                named = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
                for name, _ in named:
                    connection.execute(text(f"DROP TRIGGER {name}"))
            yield connection
            if connection.dialect.name == "sqlite":
                for _, sql in named:
                    connection.exec_driver_sql(sql)

    def rewrite(self) -> None:
        """Work the whole chain out anew over the events as they are now."""
        with self.owned() as connection:
            events = connection.execute(text(
                f"SELECT {SELECTED} FROM audit_seal s JOIN audit_event e ON e.id = s.event_id ORDER BY s.position"
            )).all()  # fmt: skip
            connection.execute(text("DELETE FROM audit_seal"))
            last, insert = GENESIS, text("INSERT INTO audit_seal VALUES (:position, :event, :prev, :hash)")
            for position, row in enumerate(events, 1):
                prev, last = last, link(last, position, row)
                told = {"position": position, "event": row[COLUMNS.index("id")], "prev": prev, "hash": last}
                connection.execute(insert, told)


def cut(connection: Connection, which: str) -> None:
    """Delete the links of which that is true, and their events."""
    connection.execute(text(f"DELETE FROM audit_event WHERE id IN (SELECT event_id FROM audit_seal WHERE {which})"))
    connection.execute(text(f"DELETE FROM audit_seal WHERE {which}"))
