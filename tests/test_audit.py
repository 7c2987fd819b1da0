"""The event stream: rows join the caller's transaction and are never changed afterwards."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from service import audit


def test_an_event_is_kept_with_the_deed_or_not_at_all(session: Session) -> None:
    audit.record(session, "test:thing:do", count=3)
    session.rollback()
    assert session.scalar(text("SELECT count(*) FROM audit_event")) == 0
    audit.record(session, "test:thing:do", count=3, detail={"page": 1})
    session.commit()
    assert session.execute(text("SELECT tag, count, outcome FROM audit_event")).one() == ("test:thing:do", 3, "success")


@pytest.mark.parametrize("change", ["UPDATE audit_event SET tag = 'x'", "DELETE FROM audit_event"])
def test_nobody_changes_an_event(session: Session, change: str) -> None:
    audit.record(session, "test:thing:do")
    session.commit()
    with pytest.raises(DatabaseError, match="append-only"):
        session.execute(text(change))
