"""Signed-in browsers: rows on the server, compared with the account on every request.

Idle 15 minutes, 12 hours at most (identity.md ID-33), 8 for the plan's own staff. The cookie is made anew at sign-in,
at every step up and when another member is chosen; an id from before names nothing afterwards.

Where the account has a second factor, or an e-mailed code is due, the password alone makes half a login: it opens the
page that asks for the other half, and nothing else.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ParamSpec, cast

from flask import g, has_app_context, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CursorResult,
    Select,
    bindparam,
    delete,
    exists,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.attributes import set_committed_value

from service import audit, plan_editions
from service.accounts import devices, notices, page_rates, session_rows
from service.accounts.amr import Method, and_also
from service.accounts.models import Account, AccountStatus, CodeReason, LoginSession, Passkey, Totp
from service.accounts.next_page import here
from service.accounts.statements import END, SIGNED_IN
from service.clock import now
from service.db import Instant, Statement, microseconds
from service.web import PageError, browser_token, db_session, rotate_browser_token

IDLE = timedelta(minutes=15)
_LATELY = timedelta(hours=1)
# A look within this time is not written down again: reading pages would otherwise write on every request.
_UNWRITTEN = timedelta(seconds=5)
_IS_OPEN = Statement(
    "SELECT 1 FROM login_session s JOIN account u ON u.id = s.account_id"
    " WHERE u.credentials_version = s.credentials_version AND s.id = %s AND s.account_id = %s"
    " AND s.ended_at IS NULL AND s.expires_at > %s AND s.last_seen_at > %s"
)
_APP = exists().where(Totp.account_id == Account.id, Totp.confirmed_at.is_not(None))
_PASSKEY = exists().where(Passkey.account_id == Account.id)
P = ParamSpec("P")
_Moment = datetime | BindParameter[datetime]


class SignedOut(PageError):
    """A form was sent by somebody who is not signed in any more."""

    status = 401
    title = _("You are signed out")
    sentence = _("Nothing was changed. Please sign in and try again.")


class NoSuchSession(PageError):
    """No such session of this account."""

    status = 404
    title = _("That session has ended")
    sentence = _("It may have ended by itself. Please look at the list again.")


class Step(StrEnum):
    """What a session still lacks after the password; each value is the endpoint of the page that asks for it."""

    FACTOR = "second_factor.enter"
    EMAIL_CODE = "sign_in_code.enter"


@dataclass(frozen=True)
class Login:
    """Who is signed in, and through which session."""

    account: Account
    session: LoginSession
    has_factor: bool = False
    new_messages: int = 0
    """How many notices wait in the message center; found with the rest, since every page shows it."""

    @property
    def missing_step(self) -> Step | None:
        """What must be shown before this session opens anything; None when nothing is missing."""
        if self.has_factor:
            return Step.FACTOR if self.session.factor_at is None else None
        return Step.EMAIL_CODE if self.session.code_due_at is not None else None

    def factor_is_recent(self) -> bool:
        """Whether the factor, where there is one, was shown since the password was last given."""
        shown: datetime | None = self.session.factor_at
        return not self.has_factor or (shown is not None and shown >= self.session.authenticated_at)


def start(
    session: Session, account: Account, *, device_id: str | None = None, by: Method = Method.PASSWORD
) -> LoginSession:
    """Sign this browser in as `account`: a new cookie, a new row; what the browser had before ends.

    With a second factor it is half a login until `complete`.
    """
    session.flush()
    owner = session_rows.Owner(account.id, account.credentials_version, account.code_due_at)
    begun = session_rows.begin(session, owner, device_id, by=by)
    row = session.get_one(LoginSession, begun.id)
    login = Login(account, row, begun.has_factor)
    if login.missing_step is None:
        set_committed_value(account, "last_signed_in_at", row.created_at)
    _remember(session, login)
    return row


def current_login() -> Login | None:
    """Who is signed in on this browser now, or None; half a login is none."""
    login = _any_login()
    return None if login is None or login.missing_step else login


def peek() -> Login | None:
    """Who is signed in on this browser now, without using the session: its idle time goes on.

    Only before anything else of the request has looked.
    """
    g.session_unused = True
    return current_login()


def half_login() -> Login | None:
    """Who gave the right password on this browser and has still to show the other half."""
    login = _any_login()
    return login if login is not None and login.missing_step else None


def find_run_out(session: Session, within: timedelta = _LATELY) -> Account | None:
    """Whose session on this browser was last used within the last hour, has run out, and was not ended by anybody."""
    lately = (LoginSession.ended_at.is_(None), LoginSession.last_seen_at > now() - within)
    statement = (
        select(Account)
        .join(LoginSession, LoginSession.account_id == Account.id)
        .where(
            LoginSession.token_hash == browser_token(),
            LoginSession.credentials_version == Account.credentials_version,
            Account.status == AccountStatus.ACTIVE,
            *lately,
        )
    )
    return session.scalar(statement)


def is_kept_for(session: Session, longer: timedelta) -> bool:
    """Whether `find_run_out` still finds somebody on this browser when that much time has passed."""
    return find_run_out(session, within=_LATELY - longer) is not None


def complete(session: Session, login: Login, shown: Method) -> None:
    """The factor (or else the e-mailed code) was right: a new cookie, and the login is whole.

    The device of a passkey checks the person too, so that it stands for the password.
    """
    was_half = login.missing_step is not None
    if shown is Method.PASSKEY:
        login.session.authenticated_at = now()
    login.session.factor_at = now() if shown.is_factor else login.session.factor_at
    login.session.amr = and_also(login.session.amr, shown)
    login.session.code_due_at = None
    login.session.token_hash = rotate_browser_token()
    # The session's row before the account's, as a sign-in and a change of the address take them (decision 121).
    session.flush()
    login.account.code_due_at = login.account.code_due_for = None
    whole = Login(login.account, login.session, shown.is_factor or login.has_factor)
    if was_half:
        _note_sign_in(session, whole)
        # Not before: on a known device wrong passwords are counted apart, and half a login has shown no more than one.
        login.session.device_id = devices.find(session, login.account) or devices.remember(session, login.account)
    session.flush()
    _remember(session, whole)
    audit.record(session, "accounts:login_session:complete", account_id=login.account.id)


def require_code(account: Account, why: CodeReason) -> None:
    """Let the next sign-in ask for the second factor, or where there is none for a code by e-mail."""
    account.code_due_at, account.code_due_for = now(), why


def sign_in_address(following: str) -> str:
    """Where somebody goes who is not signed in: the sign-in page, or the one that asks for the other half."""
    half = half_login()
    return step_address(half.missing_step if half else None, following)


def step_address(step: Step | None, following: str) -> str:
    """The page that asks for what is missing, and leads on from there."""
    return url_for(step or "sign_in.sign_in", next=following)


def act_for(session: Session, login: Login, member_id: str | None) -> None:
    """Act for another member from now on, under a new cookie. Whether that is allowed was asked before."""
    login.session.acting_member_id = member_id
    login.session.token_hash = rotate_browser_token()
    session.flush()


def rotate_for_proof(session: Session) -> str:
    """A new cookie after a right code, for whoever is signed in too; the hash that now names it."""
    login = current_login()
    token = rotate_browser_token()
    if login is not None:
        login.session.token_hash = token
        session.flush()
    return token


def end_current(session: Session) -> None:
    """Sign this browser out; its cookie names nothing any more."""
    login = _any_login()
    if login is not None:
        audit.record(session, "accounts:login_session:end", account_id=login.account.id)
    _end_row_of(session, browser_token())
    rotate_browser_token()
    _remember(session, None)


def end_one(session: Session, account: Account, session_id: str) -> None:
    """End one of the account's sessions; raises NoSuchSession."""
    if not _end(session, LoginSession.account_id == account.id, LoginSession.id == session_id):
        raise NoSuchSession
    audit.record(session, "accounts:login_session:end", account_id=account.id, detail={"ended": session_id})


def hold_all(session: Session, account: Account) -> None:
    """Wait for what the account's browsers do at this moment, and let them wait until this transaction ends.

    For who changes the account's row and ends its sessions: a request holds its session's row before it changes the
    account's (decision 121).
    """
    # What was changed of the account so far is written after this, or the order would be the other one.
    with session.no_autoflush:
        theirs = (LoginSession.account_id == account.id, LoginSession.ended_at.is_(None))
        session.execute(select(LoginSession.id).where(*theirs).order_by(LoginSession.id).with_for_update())


def end_all(session: Session, account: Account, *, except_id: str | None = None) -> int:
    """End every session of the account (but `except_id`), on all workers from the next request on."""
    conditions = [LoginSession.account_id == account.id]
    if except_id is not None:
        conditions.append(LoginSession.id != except_id)
    ended = _end(session, *conditions)
    if has_app_context():
        g.pop("login_seen_by", None)
    audit.record(session, "accounts:login_session:end_all", account_id=account.id, count=ended)
    return ended


def end_all_at_once(session: Session, account: Account) -> None:
    """End every session, and those that a sign-in under way is about to begin.

    It has read the account and hashes the password meanwhile: the session it then begins is one of the older version.
    """
    hold_all(session, account)
    account.credentials_version += 1
    session.flush()
    end_all(session, account)


def list_open(session: Session, account: Account) -> list[LoginSession]:
    """The account's open sessions, the latest first."""
    moment = now()
    statement = (
        select(LoginSession)
        .where(
            LoginSession.account_id == account.id,
            LoginSession.credentials_version == account.credentials_version,
            *_open(moment, moment - IDLE),
        )
        .order_by(LoginSession.last_seen_at.desc())
        .limit(100)
    )
    return list(session.scalars(statement))


def is_open(session: Session, account_id: str, session_id: str) -> bool:
    """Whether this session of the account stands at this moment, as its browser's next request would find it."""
    at = now()
    found = _IS_OPEN.run(session, session_id, account_id, microseconds(at), microseconds(at - IDLE))
    return bool(found.fetchall())


def require_login(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Only for people who are signed in: a page sends others to sign in and back, a form is refused (401)."""

    @functools.wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        login = current_login()
        if login is None:
            return ask_to_sign_in()
        page_rates.count_account(login.account.id)
        return view(*args, **kwargs)

    return guarded


def ask_to_sign_in() -> ResponseReturnValue:
    """The way to sign in and back for who asked for a page; a form is refused (401)."""
    if request.method not in {"GET", "HEAD"}:
        raise SignedOut
    return redirect(sign_in_address(here()), 303)


def delete_over(session: Session) -> int:
    """Delete at most 500 sessions that ended or ran out a month ago; how many."""
    long_ago = now() - timedelta(days=30)
    over = or_(LoginSession.ended_at < long_ago, LoginSession.expires_at < long_ago)
    some = select(LoginSession.id).where(over).limit(500)
    result = session.execute(delete(LoginSession).where(LoginSession.id.in_(some)))
    return cast(CursorResult[Any], result).rowcount


@functools.cache
def _login_of_browser() -> Select[LoginSession, Account, bool, int, int]:
    """Every page asks for it: made once, at first use, when all tables are known."""
    return (
        select(LoginSession, Account, or_(_APP, _PASSKEY), notices.unread_of(Account.id), plan_editions.how_many())
        .join(Account, Account.id == LoginSession.account_id)
        .options(joinedload(Account.member))
        .where(
            LoginSession.token_hash == bindparam("token_hash"),
            *_open(bindparam("moment", type_=Instant), bindparam("idle_since", type_=Instant)),
            LoginSession.credentials_version == Account.credentials_version,
            Account.status == AccountStatus.ACTIVE,
        )
    )


def _find_login(session: Session) -> Login | None:
    moment = now()
    given = {"token_hash": browser_token(), "moment": moment, "idle_since": moment - IDLE}
    found = session.execute(_login_of_browser(), given).one_or_none()
    if found is None:
        return None
    row, account, has_factor, unread, g.plan_edition_count = found
    if moment - row.last_seen_at >= _UNWRITTEN and not g.get("session_unused"):
        row.last_seen_at = moment
        session.flush()
    return Login(account, row, bool(has_factor), unread)


def _any_login() -> Login | None:
    session = db_session()
    # A rolled-back session forgets its rows: an error page looks again, through the session it has.
    if g.get("login_seen_by") is not session:
        _remember(session, _find_login(session))
    login: Login | None = g.login
    return login


def _note_sign_in(session: Session, login: Login) -> None:
    if login.missing_step is None:
        moment = now()
        SIGNED_IN.run(session, microseconds(moment), login.account.id)
        set_committed_value(login.account, "last_signed_in_at", moment)


def _open(moment: _Moment, idle_since: _Moment) -> tuple[ColumnElement[bool], ...]:
    return (
        LoginSession.ended_at.is_(None),
        LoginSession.expires_at > moment,
        LoginSession.last_seen_at > idle_since,
    )


def _end_row_of(session: Session, token_hash: str) -> None:
    END.run(session, microseconds(now()), token_hash)


def _end(session: Session, *conditions: Any) -> int:
    result = session.execute(
        update(LoginSession).where(LoginSession.ended_at.is_(None), *conditions).values(ended_at=now())
    )
    return cast(CursorResult[Any], result).rowcount


def _remember(session: Session, login: Login | None) -> None:
    g.login, g.login_seen_by = login, session
    g.login_session_id = login.session.id if login else None
