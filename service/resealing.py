"""Sealing anew: what lies sealed in the database, opened by whichever key is named, sealed by the present one.

Page by page, each in a transaction of its own that also holds its audit row: whoever is killed in the midst begins
again, and finds what is done already as it should be.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, sessionmaker

from service import audit, sealing
from service.db import Statement, from_microseconds

_PAGE = 200
_BEGIN = "keys:sealed:begin"
# By hand: a reading session makes no others wait while it goes through the audit.
_BEGUN = Statement("SELECT at, CAST(detail AS TEXT) FROM audit_event WHERE tag = %s ORDER BY id")


@dataclass(frozen=True)
class Sealed:
    """A column of sealed things. `name` is what they are, in the plural; each owner of such a column describes it."""

    name: str
    id: InstrumentedAttribute[Any]
    column: InstrumentedAttribute[Any]
    reseal: Callable[[bytes, Any, Any], Any]
    """The key, a row's id and what lies there → the same under the present key; None where it is. Raises NotSealed."""
    where: Callable[[], Sequence[ColumnElement[bool]]]
    """Which rows hold something that is needed still."""

    @classmethod
    def text(
        cls, name: str, id: InstrumentedAttribute[Any], column: InstrumentedAttribute[Any], purpose: str
    ) -> "Sealed":  # fmt: skip
        """A column of what `sealing.seal` made for `purpose`; empty where nothing is sealed."""
        return cls(
            name, id, column, lambda key, _id, sealed: sealing.reseal(key, purpose, sealed), lambda: (column != "",)
        )


@dataclass(frozen=True)
class Tally:
    """How many open under the present key, under an earlier one that is named, and under none."""

    present: int = 0
    earlier: int = 0
    unopened: int = 0

    @property
    def all(self) -> int:
        """How many were looked at."""
        return self.present + self.earlier + self.unopened

    @property
    def others(self) -> int:
        """How many are not under the present key."""
        return self.earlier + self.unopened

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.present + other.present, self.earlier + other.earlier, self.unopened + other.unopened)


def begin(session: Session, key: bytes) -> None:
    """Say in the audit that everything is sealed anew under `key`: what is made from now on is made under it."""
    present, *earlier = map(sealing.name_of, sealing.each(key))
    audit.record(session, _BEGIN, detail={"key": present, "earlier": earlier})


def begun_at(session: Session, key: bytes) -> datetime | None:
    """When it was first said that everything is sealed anew under `key`, and under no other one since.

    None where that is still to come. Reads the whole audit.
    """
    present, *earlier = map(sealing.name_of, sealing.each(key))
    begun: int | None = None
    for at, detail in _BEGUN.run(session, _BEGIN).fetchall():
        told = orjson.loads(detail)
        # A key that was not named then is a coming one: nothing was sealed anew from it.
        begun = (begun or at) if told["key"] == present and {*earlier} <= {*told["earlier"]} else None
    return None if begun is None else from_microseconds(begun)


def survey(sessions: sessionmaker[Session], key: bytes, sealed: Sealed) -> Tally:
    """Count them; nothing is changed, and nobody waits for longer than a page takes."""
    tally = Tally()
    after: Any = None
    while True:
        with sessions() as session:
            rows = session.execute(_page(sealed, after)).all()
        if not rows:
            return tally
        after = rows[-1][0]
        tally += _looked_at(key, sealed, rows)[0]


def seal_anew(sessions: sessionmaker[Session], key: bytes, sealed: Sealed) -> Iterator[Tally]:
    """Seal each of them under the present key; gives what was found so far, page by page, once it is committed."""
    tally = Tally()
    after: Any = None
    while True:
        with sessions.begin() as session:
            # Held, so that what is used or changed meanwhile is not overwritten by what was read before.
            rows = session.execute(_page(sealed, after).with_for_update()).all()
            if not rows:
                return
            found, anew = _looked_at(key, sealed, rows)
            for row_id, made in anew:
                session.execute(
                    update(sealed.column.class_)
                    .where(sealed.id == row_id)
                    .values({sealed.column: made})
                    .execution_options(synchronize_session=False)
                )
            if anew:
                audit.record(session, "keys:sealed:reseal", count=len(anew), detail={"what": sealed.name})
        after, tally = rows[-1][0], tally + found
        yield tally


def _page(sealed: Sealed, after: Any) -> Any:
    statement = select(sealed.id, sealed.column).where(*sealed.where()).order_by(sealed.id).limit(_PAGE)
    return statement if after is None else statement.where(sealed.id > after)


def _looked_at(key: bytes, sealed: Sealed, rows: Sequence[Any]) -> tuple[Tally, list[tuple[Any, Any]]]:
    anew, unopened = [], 0
    for row_id, kept in rows:
        try:
            made = sealed.reseal(key, row_id, kept)
        except sealing.NotSealed:
            unopened += 1
            continue
        if made is not None:
            anew.append((row_id, made))
    return Tally(len(rows) - len(anew) - unopened, len(anew), unopened), anew
