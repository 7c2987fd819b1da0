"""After a backup was put back: what the journal of revocations knows to have been taken away since is done again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Enum, Table, delete, insert, select, update
from sqlalchemy.orm import Session

from service.clock import now
from service.db import Base, Instant, from_microseconds
from service.revocations import MADE_AGAIN, Journal, Revocation, key_of, missing

NO_PASSWORD = "!"
"""In the place of a hash: fits no password. Its owner sets a new one by e-mail."""
ENDED_AS_A_WHOLE: Mapping[str, str] = {
    "login_session": "ended_at", "access_token": "ended_at", "system_token": "ended_at",
    "authorization_code": "spent_at", "email_code": "voided_at", "portal_invitation": "voided_at",
    "developer_invitation": "withdrawn_at", "mailed_pin": "voided_at",
}  # fmt: skip
"""Tables whose open rows a replay ends: what was signed out, spent or withdrawn since would live again among them."""


@dataclass(frozen=True)
class Replayed:
    """How many lines were done again; of which tables some could not be, since what they refer to is not there."""

    count: int
    left_out: Sequence[str]


def replay(session: Session, journal: Journal) -> Replayed:
    """Do again, in the caller's transaction, every line that the database does not know.

    Access tokens, login sessions, codes, PINs and invitations end as a whole, and who changed their password since sets
    a new one.
    """
    lines = {line["id"]: line for line in journal.lines()}
    again = sorted((lines[one] for one in missing(session, list(lines))), key=lambda line: int(line["at"]))
    left_out: list[str] = []
    for line in again:
        if not _do_again(session, line):
            left_out.append(line["table"])
        text = orjson.dumps(line).decode()
        session.add(Revocation(id=line["id"], at=from_microseconds(line["at"]), line=text, written=True))
    for name, column in ENDED_AS_A_WHOLE.items() if again else ():
        table = Base.metadata.tables[name]
        session.execute(update(table).where(table.c[column].is_(None)).values({column: now()}))
    session.flush()
    return Replayed(len(again) - len(left_out), left_out)


def _do_again(session: Session, line: dict[str, Any]) -> bool:
    """Whether it could be done; a row that the copy does not hold and nothing makes again needs no doing."""
    table = Base.metadata.tables[line["table"]]
    if line["values"] is None:
        session.execute(delete(table).where(key_of(table) == line["key"]))
        return True
    values = {name: _from_line(table, name, value) for name, value in line["values"].items()}
    if table.name == "account":
        before = session.scalar(select(table.c.credentials_version).where(key_of(table) == line["key"]))
        if before is not None and before < values["credentials_version"]:
            values["password_hash"] = NO_PASSWORD
    if table.name in MADE_AGAIN and not _refers_to_rows_there_are(session, table, values):
        return False
    changed = session.execute(update(table).where(key_of(table) == line["key"]).values(values).returning(key_of(table)))
    if changed.first() is not None or table.name not in MADE_AGAIN:
        return True
    row = {key_of(table).name: line["key"], **values, **MADE_AGAIN[table.name]}
    if not _refers_to_rows_there_are(session, table, row):
        return False
    session.execute(insert(table).values(row))
    return True


def _refers_to_rows_there_are(session: Session, table: Table, row: Mapping[str, Any]) -> bool:
    """A line may name whom the copy never knew; the database would refuse it, and with it all other lines."""
    named = [(key.column, row[key.parent.name]) for key in table.foreign_keys if row.get(key.parent.name) is not None]
    return all(session.scalar(select(column).where(column == value)) is not None for column, value in named)


def _from_line(table: Table, name: str, value: Any) -> Any:
    kind = table.c[name].type
    if value is None:
        return None
    if isinstance(kind, Instant):
        return from_microseconds(value)
    if isinstance(kind, Enum) and kind.enum_class:
        return kind.enum_class(value)
    return value
