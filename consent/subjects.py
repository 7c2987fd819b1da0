"""Subjects: what an app knows an account by that acts for a member, the `sub` of OpenID Connect."""

from typing import cast

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent.models import Subject
from service.db import Statement, new_id

# By hand: every refresh asks for it.
_SUBJECT = Statement("SELECT id FROM subject WHERE account_id = %s AND member_id = %s")


def find_or_make(session: Session, account_id: str, member_id: str) -> str:
    """The `sub` of this account acting for this member: made at first use, the same for ever."""
    found = find(session, account_id, member_id)
    if found is None:
        # Two first exchanges at one moment: one row is kept, both read it.
        table = cast(Table, Subject.__table__)
        insert = postgresql.insert(table) if session.get_bind().dialect.name == "postgresql" else sqlite.insert(table)
        values = {"id": new_id(), "account_id": account_id, "member_id": member_id}
        session.execute(insert.values(values).on_conflict_do_nothing())
        found = find(session, account_id, member_id)
        assert found is not None
    return found


def find(session: Session, account_id: str, member_id: str) -> str | None:
    """The same where it was made; None where no app was ever told one."""
    rows = _SUBJECT.run(session, account_id, member_id).fetchall()
    return str(rows[0][0]) if rows else None


def account_of(session: Session, subject: str) -> str | None:
    """The id of the account behind a `sub`; None for a text that is none."""
    found: str | None = session.scalar(select(Subject.account_id).where(Subject.id == subject))
    return found
