"""The rows that a sign-in writes, in one transaction and on PostgreSQL in one statement."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import g, request
from sqlalchemy.orm import Session

from service import audit
from service.accounts import throttling
from service.accounts.amr import Method
from service.accounts.statements import BEGIN, COLUMNS, END, SIGNED_IN_IF_WHOLE
from service.clock import now
from service.db import microseconds, new_id, write_together
from service.web import browser_token, rotate_browser_token

ABSOLUTE, STAFF_ABSOLUTE = timedelta(hours=12), timedelta(hours=8)
"""How long a session lasts at most: anybody's, and that of the plan's own people."""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Owner:
    """Whose session it is to be, as the account stood before the password was compared."""

    account_id: str
    credentials_version: int
    code_due_at: datetime | None = None


@dataclass(frozen=True)
class Begun:
    """A session that was begun just now."""

    id: str
    has_factor: bool


def begin(
    session: Session,
    owner: Owner,
    device_id: str | None,
    *,
    by: Method = Method.PASSWORD,
    counter: str | None = None,
) -> Begun:
    """The rows of a sign-in, together: what the browser had ends, and so does the `counter` of wrong tries.

    First the counter is locked, then the older session, then the account if the sign-in is whole: an account's sessions
    before its own row (decision 121).
    """
    moment, session_id, before = now(), new_id(), browser_token()
    at, due = microseconds(moment), owner.code_due_at and microseconds(owner.code_due_at)
    # The account's next look is at this session, and the audit tells of it.
    g.pop("login_seen_by", None)
    g.login_session_id = session_id
    given = {
        "id": session_id, "token_hash": rotate_browser_token(), "account_id": owner.account_id, "created_at": at,
        "last_seen_at": at, "authenticated_at": at, "amr": by.value, "device_id": device_id, "code_due_at": due,
        "credentials_version": owner.credentials_version, "ip": request.remote_addr,
        "user_agent": (request.user_agent.string or "")[:300],
    }  # fmt: skip
    values = [given.get(column) for column in COLUMNS]
    ends = (at + STAFF_ABSOLUTE // _MICROSECOND, at + ABSOLUTE // _MICROSECOND)
    account_id = owner.account_id
    with audit.written_together():
        ((has_factor,),) = write_together(
            session,
            (
                (throttling.FORGET, (counter,)),
                (END, (at, before)),
                (SIGNED_IN_IF_WHOLE, (at, account_id, due, account_id, account_id)),
            ),
            (
                audit.row("accounts:login_session:start", account_id=account_id),
                (BEGIN, (*values, account_id, *ends, account_id, account_id)),
            ),
        )
    return Begun(session_id, bool(has_factor))
