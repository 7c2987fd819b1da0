"""Who changes one thing of an audit at a time, anywhere, and puts it right again."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from service.audit_chain.links import COLUMNS
from tests.attacks.chains import ROWS, Chain


@dataclass
class Vandal:
    """Changes one thing at a time, and puts it right again."""

    connection: Connection
    luck: random.Random
    events: dict[int, Any]
    seals: dict[int, Any]

    def field(self) -> int:
        """A byte of a field of an event; NULL becomes something."""
        position, event = self._event()
        name = self.luck.choice(COLUMNS)
        value = event[name]
        if name == "id":
            changed: Any = value + 1_000_000
        elif name in {"at", "count"}:
            changed = value ^ (1 << self.luck.randrange(30))
        elif name == "detail":
            changed = value.replace("read", self._flipped("read"))
        else:
            changed = self._flipped(value) if value else "x"
        self._set("audit_event", "id", event["id"], name, changed)
        return position

    def link(self) -> int:
        """A byte of a hash, or another event for a link."""
        position = self.luck.randint(1, ROWS)
        name = self.luck.choice(("prev", "hash", "event_id"))
        value = self.seals[position][name]
        at = self.luck.randrange(32)
        changed = value + 5_000 if name == "event_id" else value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
        self._set("audit_seal", "position", position, name, changed)
        return position

    def restamp(self) -> int:
        """The time of an event."""
        position, event = self._event()
        self._set("audit_event", "id", event["id"], "at", event["at"] - 86_400_000_000)
        return position

    def delete(self) -> int:
        """An event, its link, or both."""
        position, event = self._event()
        which = self.luck.randrange(3)
        if which != 1:
            self._run("DELETE FROM audit_event WHERE id = :id", id=event["id"])
        if which != 0:
            self._run("DELETE FROM audit_seal WHERE position = :position", position=position)
        return position

    def insert(self) -> int:
        """An event among the old ones, under an id that was never used."""
        _, event = self._event()
        names = [name for name in COLUMNS if name != "id"]
        self._run(
            f"INSERT INTO audit_event (id, {', '.join(names)}) SELECT :new, {', '.join(names)} FROM audit_event"
            " WHERE id = :old", new=-self.luck.randint(1, 1_000_000), old=event["id"],
        )  # fmt: skip
        return 0

    def swap(self) -> int:
        """What two events say."""
        one, other = sorted(self.luck.sample(range(1, ROWS + 1), 2))
        ids = [self.seals[place]["event_id"] for place in (one, other)]
        for old, new in ((ids[0], -1), (ids[1], ids[0]), (-1, ids[1])):
            self._set("audit_event", "id", old, "id", new)
        return one

    def reorder(self) -> int:
        """Two links."""
        one, other = sorted(self.luck.sample(range(1, ROWS + 1), 2))
        for old, new in ((one, -1), (other, one), (-1, other)):
            self._set("audit_seal", "position", old, "position", new)
        return one

    def mend(self) -> None:
        """Everything as it was."""
        for table, rows in (("audit_event", self.events.values()), ("audit_seal", self.seals.values())):
            self._run(f"DELETE FROM {table}")
            names = list(next(iter(rows)))
            values = ", ".join(self._given(name, name) for name in names)
            self.connection.execute(text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})"), list(rows))

    def _given(self, name: str, parameter: str) -> str:
        is_json = name == "detail" and self.connection.dialect.name == "postgresql"
        return f"CAST(:{parameter} AS JSON)" if is_json else f":{parameter}"

    def _event(self) -> tuple[int, Any]:
        position = self.luck.randint(1, ROWS)
        return position, self.events[self.seals[position]["event_id"]]

    def _flipped(self, value: str) -> str:
        at = self.luck.randrange(len(value))
        return value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]

    def _set(self, table: str, by: str, of: Any, name: str, value: Any) -> None:
        self._run(f"UPDATE {table} SET {name} = {self._given(name, 'value')} WHERE {by} = :of", of=of, value=value)

    def _run(self, statement: str, **given: Any) -> None:
        self.connection.execute(text(statement), given)


def vandal_of(chain: Chain, luck: random.Random) -> Callable[[Connection], Vandal]:
    """Makes the vandal of a transaction, who knows every event and link as they were."""
    read = ", ".join(f"CAST({name} AS TEXT) AS detail" if name == "detail" else name for name in COLUMNS)
    with chain.engine.connect() as connection:
        events = {row.id: dict(row._mapping) for row in connection.execute(text(f"SELECT {read} FROM audit_event"))}
        found = connection.execute(text("SELECT position, event_id, prev, hash FROM audit_seal"))
        seals = {row.position: {**row._mapping, "prev": bytes(row.prev), "hash": bytes(row.hash)} for row in found}
    return lambda connection: Vandal(connection, luck, events, seals)
