"""Another sign-in address (security.md 113): a code to the old one, then a code to the new one, then 72 hours to undo.

Nothing is sent to the new address before the old one's code was entered, and nothing else until it has proven itself:
resets and notices go to the old address up to that moment. The change is told to the old address with a link that takes
it back; while that link stands, the address is not changed again.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service import audit, mail
from service.accounts import email_codes, notices, notifications, opening, second_factors, sessions
from service.accounts.email_codes import Flow, Recipient
from service.accounts.models import Account, AccountStatus, CodePurpose, CodeReason, EmailChange
from service.accounts.notice_model import NoticeKind
from service.accounts.opening import AccountExists
from service.accounts.sessions import Login
from service.accounts.usernames import email_key
from service.clock import now
from service.db import digest
from service.settings import Settings
from service.single_use import spend
from service.web import browser_id

LIFE = timedelta(minutes=30)
UNDO = timedelta(hours=72)
_LONGEST_TOKEN = 100


class SameAddress(Exception):
    """That is the account's address already."""


class ChangedLately(Exception):
    """The address was changed, and the link that takes it back still stands, until `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__("changed lately")
        self.until = until


class WrongCode(Exception):
    """Mistyped, too old, used, tried too often, or the address has an account by now: nobody is told which."""


class UndoOver(Exception):
    """No such link, its 72 hours are over, or the address is another account's since."""


class UndoneAlready(Exception):
    """The link was used: the change was taken back `at` that moment."""

    def __init__(self, at: datetime) -> None:
        super().__init__("undone already")
        self.at = at


def begin(session: Session, settings: Settings, login: Login, address: str) -> EmailChange:
    """Begin a change and send a code to the old address; raises SameAddress, ChangedLately."""
    account, moment = login.account, now()
    if email_key(address) == account.email_key:
        raise SameAddress
    _require_no_undo(session, account)
    mine = (EmailChange.account_id == account.id, EmailChange.changed_at.is_(None))
    session.execute(update(EmailChange).where(*mine, EmailChange.expires_at > moment).values(expires_at=moment))
    change = EmailChange(
        account_id=account.id, login_session_id=login.session.id, old_email=account.email,
        old_email_key=account.email_key, new_email=address.strip(), begun_at=moment, expires_at=moment + LIFE,
    )  # fmt: skip
    session.add(change)
    session.flush()
    send_code(session, settings, login, change)
    audit.record(session, "accounts:email_change:begin", account_id=account.id)
    return change


def find(session: Session, login: Login) -> EmailChange | None:
    """The change under way in this session."""
    statement = select(EmailChange).where(
        EmailChange.login_session_id == login.session.id, EmailChange.expires_at > now(),
        EmailChange.changed_at.is_(None), EmailChange.old_email == login.account.email,
    )  # fmt: skip
    return session.scalar(statement.order_by(EmailChange.begun_at.desc()).limit(1))


def send_code(session: Session, settings: Settings, login: Login, change: EmailChange) -> None:
    """Send the code that the change waits for, within the limits of codes; the page says the same if they say no."""
    account = login.account
    if change.old_confirmed_at is None:
        old = Recipient(account.id, account.email, account.id, account.language, "email_change_old")
        email_codes.send(session, _flow(settings, CodePurpose.EMAIL_CHANGE), old)
        return
    # An address that has an account gets no code that fits; its owner is told, and the page is the same.
    owner = opening.find_by_email(session, change.new_email)
    subject = account.id if owner is None else None
    new = Recipient(subject, change.new_email, account.id, account.language, "email_change_new")
    if email_codes.send(session, _flow(settings, CodePurpose.NEW_EMAIL), new) and owner is not None:
        notifications.email_in_use(session, owner)


def confirm_old(session: Session, settings: Settings, login: Login, change: EmailChange, given: str) -> None:
    """The old address' code was entered: the new one is sent its own; raises WrongCode."""
    _require_code(session, _flow(settings, CodePurpose.EMAIL_CHANGE), change.old_email, login.account, given)
    change.old_confirmed_at = now()
    audit.record(session, "accounts:email_change:confirm_old", account_id=login.account.id)
    send_code(session, settings, login, change)


def confirm_new(session: Session, settings: Settings, login: Login, change: EmailChange, given: str) -> None:
    """The new address' code was entered: it is the account's from now on; raises WrongCode.

    Other sessions end, open codes are void, and the old address is sent the link that takes it back.
    """
    account, moment, token = login.account, now(), secrets.token_urlsafe(32)
    _require_code(session, _flow(settings, CodePurpose.NEW_EMAIL), change.new_email, account, given)
    if change.old_confirmed_at is None or opening.find_by_email(session, change.new_email) is not None:
        raise WrongCode
    try:
        _set(session, account, change.new_email)
    except AccountExists:
        raise WrongCode from None
    change.changed_at, change.undo_hash = moment, digest(token)
    change.undo_until = change.expires_at = moment + UNDO
    mail.enqueue(
        session, to=change.old_email, template="email_changed", language=account.language, at=moment,
        given_name=account.given_name, until=change.undo_until, expires_at=change.undo_until,
        sealed_secret=mail.seal(settings.secret_key, token),
    )  # fmt: skip
    notices.keep(session, account, NoticeKind.EMAIL_CHANGED)
    sessions.rotate_for_proof(session)
    sessions.end_all(session, account, except_id=login.session.id)
    audit.record(session, "accounts:email_change:finish", account_id=account.id)


def find_undo(session: Session, token: str) -> EmailChange:
    """The change that this link takes back; raises UndoOver, UndoneAlready."""
    found = session.scalar(select(EmailChange).where(EmailChange.undo_hash == digest(token[:_LONGEST_TOKEN])))
    if found is None or found.undo_until is None or now() >= found.undo_until:
        raise UndoOver
    if found.spent_at is not None:
        raise UndoneAlready(found.spent_at)
    return found


def undo(session: Session, token: str) -> Account:
    """Take the change back; raises UndoOver, UndoneAlready.

    Whoever made it knew the password: every session ends, factors added since go (the owner was told of none of them at
    the old address, and would be kept out), and the next sign-in asks for an older factor or for a code that goes to
    the old address.
    """
    change = find_undo(session, token)
    account = session.get_one(Account, change.account_id)
    if account.status is not AccountStatus.ACTIVE:
        raise UndoOver
    # Both or neither: who is told that it did not work can try again once the address is free.
    with session.begin_nested():
        if not spend(session, EmailChange, EmailChange.id == change.id, EmailChange.undo_until > now()):
            raise UndoOver
        try:
            _set(session, account, change.old_email)
        except AccountExists:
            raise UndoOver from None
    assert change.changed_at is not None, "only what was done is taken back"
    second_factors.remove_since(session, account, change.changed_at)
    sessions.require_code(account, CodeReason.ADDRESS_UNDONE)
    sessions.end_all_at_once(session, account)
    notices.keep(session, account, NoticeKind.EMAIL_CHANGE_UNDONE)
    for address in (change.old_email, change.new_email):
        mail.enqueue(
            session, to=address, template="email_change_undone", language=account.language, at=now(),
            given_name=account.given_name,
        )  # fmt: skip
    audit.record(session, "accounts:email_change:undo", account_id=account.id)
    return account


def _flow(settings: Settings, purpose: CodePurpose) -> Flow:
    return Flow(purpose, browser_id(), settings.secret_key)


def _require_no_undo(session: Session, account: Account) -> None:
    standing = select(EmailChange.undo_until).where(
        EmailChange.account_id == account.id, EmailChange.undo_until > now(), EmailChange.spent_at.is_(None)
    )
    until = session.scalar(standing.limit(1))
    if until is not None:
        raise ChangedLately(until)


def _require_code(session: Session, flow: Flow, address: str, account: Account, given: str) -> None:
    row = email_codes.verify(session, flow, address, given)
    if row is None or row.subject_id != account.id:
        raise WrongCode


def _set(session: Session, account: Account, address: str) -> None:
    """Give the account that address; raises AccountExists where another got it a moment ago."""
    _hold(session, account)
    try:
        with session.begin_nested():
            account.email, account.email_key, account.email_verified_at = address, email_key(address), now()
    except IntegrityError:
        raise AccountExists from None
    email_codes.void_all(session, account.id)


def _hold(session: Session, account: Account) -> None:
    # The address is a key: on PostgreSQL whoever adds a row of the account waits for the change of it. A browser does
    # that while it holds its session's row, and a sign-in ends that row before it writes when the account signed in.
    sessions.hold_all(session, account)
    session.execute(select(Account.id).where(Account.id == account.id).with_for_update())
