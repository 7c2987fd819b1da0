"""Counts the SQL statements of a page: those of the ORM and those on the driver's own cursor, without transactions."""

import re
from typing import Any

import psycopg
from sqlalchemy import Engine, event

_BETWEEN = re.compile(r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|PRAGMA|SET)\b", re.I)

_FOR_A_WHILE = (
    "UPDATE login_session SET last_seen_at", "UPDATE pending_authorization SET expires_at",
    "SELECT revocation.id FROM revocation",
)  # fmt: skip
"""What is noted or looked up once in some seconds, for whichever request (docs/accessibility.md)."""


class Statements:
    """Every statement that the database was sent since the last `clear`."""

    def __init__(self, engine: Engine) -> None:
        self.said: list[str] = []
        self._is_postgresql = engine.dialect.name == "postgresql"
        event.listen(engine, "connect", self._listen)
        # Connections from before would not be heard.
        engine.dispose()

    def clear(self) -> None:
        """Forget what was said so far."""
        self.said.clear()

    @property
    def taken(self) -> int:
        """How many there were, but for one of each that stands for a while."""
        besides = sum(any(one.startswith(beginning) for one in self.said) for beginning in _FOR_A_WHILE)
        return len(self.said) - besides

    def _listen(self, connection: Any, _record: object) -> None:
        if not self._is_postgresql:
            connection.set_trace_callback(self._note)
            return
        note = self._note

        class Heard(psycopg.Cursor[Any]):
            def execute(self, query: Any, params: Any = None, **given: Any) -> Any:
                note(str(query))
                return super().execute(query, params, **given)

        connection.cursor_factory = Heard

    def _note(self, text: str) -> None:
        if not _BETWEEN.match(text):
            self.said.append(" ".join(text.split()))
