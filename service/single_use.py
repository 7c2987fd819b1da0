"""The one helper that consumes a single-use secret: exactly one winner on any number of workers.

Authorization codes, refresh tokens, e-mail codes, mailed PINs, approval links and invitations are rows with
`spent_at`; values that others make (the `jti` of an assertion) are claimed by a unique insert.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, String, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.clock import now
from service.db import Base, Insertion, Instant, Row, microseconds, write_if_new

_CLAIM = Insertion("claimed_value", "kind", "value", "expires_at")


class SpentOnce:
    """A row that can be spent once; `spent_at` is null until then."""

    spent_at: Mapped[datetime | None] = mapped_column(Instant, default=None)


class ClaimedValue(Base):
    """A value that may be used once, kept until it would be refused anyway."""

    __tablename__ = "claimed_value"

    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(128), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


def spend(session: Session, model: type[SpentOnce], *conditions: ColumnElement[bool], **also_set: Any) -> bool:
    """Spend the one row of `model` that meets `conditions`; False when it is spent already or does not meet them.

    Runs in the caller's transaction, in which the deed is done too: both commit or neither. `also_set` are further
    columns written by the same statement. The conditions must name one row (its id or digest).
    """
    statement = (
        update(model)
        .where(model.spent_at.is_(None), *conditions)
        .values(spent_at=now(), **also_set)
        .execution_options(synchronize_session="fetch")
    )
    return cast(CursorResult[Any], session.execute(statement)).rowcount == 1


def claim(session: Session, kind: str, value: str, *, expires_at: datetime, rows: Sequence[Row] = ()) -> bool:
    """Claim `value` for ever (until `expires_at`); False when somebody has claimed it before.

    `rows` are what the claim is for, where that is all the deed: they are written with it, or not at all.
    """
    return write_if_new(session, Row(_CLAIM, (kind, value, microseconds(expires_at))), rows)
