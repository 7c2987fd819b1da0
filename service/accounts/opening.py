"""Opening an account: one person, one account, and one address, one account (decision 112)."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service import audit
from service.accounts import usernames
from service.accounts.models import Account, EmailChange
from service.clock import now


class AccountExists(Exception):
    """The address or the member has an account by now: somebody was faster."""


@dataclass(frozen=True)
class NewPerson:
    """Who the account is for; the address was proven before."""

    given_name: str
    family_name: str
    email: str
    member_id: str | None = None
    language: str = "en"


def open_account(session: Session, person: NewPerson, *, username: str, password_hash: str) -> Account:
    """Open the account; raises UnusableUsername, AccountExists. The hash comes from `passwords.make_hash`."""
    usernames.require_usable(session, username)
    account = Account(
        username=usernames.shown(username), username_key=usernames.key(username),
        username_skeleton=usernames.skeleton(username), email=person.email.strip(),
        email_key=usernames.email_key(person.email), email_verified_at=now(), given_name=person.given_name,
        family_name=person.family_name, language=person.language,
        password_hash=password_hash, member_id=person.member_id,
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(account)
    except IntegrityError:
        # Somebody was faster: the database's unique keys decide, not the look before. Which of them did, a look tells.
        if _has_account(session, person):
            raise AccountExists from None
        raise usernames.UsernameTaken from None
    audit.record(session, "accounts:account:open", account_id=account.id, member_id=account.member_id)
    return account


def find_by_email(session: Session, address: str) -> Account | None:
    """The account whose address this is, or to which it can still be given back (72 hours after a change)."""
    key = usernames.email_key(address)
    held = (EmailChange.old_email_key == key, EmailChange.undo_until > now(), EmailChange.spent_at.is_(None))
    return session.scalar(select(Account).where(Account.email_key == key)) or session.scalar(
        select(Account).join(EmailChange, EmailChange.account_id == Account.id).where(*held).limit(1)
    )


def find_by_member(session: Session, member_id: str) -> Account | None:
    """The account of a member."""
    return session.scalar(select(Account).where(Account.member_id == member_id).limit(1))


def _has_account(session: Session, person: NewPerson) -> bool:
    if find_by_email(session, person.email) is not None:
        return True
    return person.member_id is not None and find_by_member(session, person.member_id) is not None
