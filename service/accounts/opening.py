"""Opening an account: one person, one account."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service import audit
from service.accounts import usernames
from service.accounts.models import Account
from service.clock import now


@dataclass(frozen=True)
class NewPerson:
    """Who the account is for; the address was proven before."""

    given_name: str
    family_name: str
    email: str
    member_id: str | None = None
    language: str = "en"


def open_account(session: Session, person: NewPerson, *, username: str, password_hash: str) -> Account:
    """Open the account; raises UnusableUsername. The hash comes from `passwords.make_hash`."""
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
        # Somebody was faster: the database's unique keys decide, not the look before.
        raise usernames.UsernameTaken from None
    audit.record(session, "accounts:account:open", account_id=account.id, member_id=account.member_id)
    return account


def find_by_email(session: Session, address: str) -> Account | None:
    """The account that signs in under this address' owner."""
    return session.scalar(select(Account).where(Account.email_key == usernames.email_key(address)).limit(1))


def find_by_member(session: Session, member_id: str) -> Account | None:
    """The account of a member."""
    return session.scalar(select(Account).where(Account.member_id == member_id).limit(1))
