"""Invitations by a mailed link, whoever invites, portal or developers: the invited person's account."""

from typing import Protocol

from sqlalchemy.orm import Session

from service.accounts import enrolling, notifications, opening
from service.accounts.enrolling import Credentials
from service.accounts.models import Account
from service.accounts.opening import NewPerson
from service.accounts.passwords import Rule


class InvitationOver(Exception):
    """Unknown, used, withdrawn, run out, or of somebody who may not invite any more: all look the same."""


class AnothersInvitation(Exception):
    """It was sent to another address than that of the signed-in account."""


class Invitation(Protocol):
    """The row of an invitation, of whichever table."""

    given_name: str
    family_name: str
    email: str
    email_key: str


def find_account(session: Session, invitation: Invitation) -> Account | None:
    """The account of the address that was invited: its owner joins with it."""
    return opening.find_by_email(session, invitation.email)


def require_own(invitation: Invitation, account: Account) -> None:
    """Raise AnothersInvitation unless the account's address is the one that was invited."""
    if account.email_key != invitation.email_key:
        raise AnothersInvitation


def own_names(invitation: Invitation, username: str) -> list[str]:
    """The names that this person's password must not hold."""
    return [username, invitation.email.partition("@")[0], invitation.given_name, invitation.family_name]


def hash_password(session: Session, invitation: Invitation, *, username: str, password: str, rule: Rule) -> str:
    """The hash of the password chosen. Raises WeakPassword, UnusableUsername or InvitationOver.

    Ends the running transaction before it hashes, as `enrolling.hash_password` says; nothing was changed yet.
    """
    own_rule = rule.also(*own_names(invitation, username))
    made = enrolling.hash_password(session, Credentials(username, password, own_rule))
    if find_account(session, invitation) is not None:
        raise InvitationOver
    return made


def open_account(session: Session, invitation: Invitation, *, username: str, password_hash: str) -> Account:
    """Open the account and welcome its person; raises UnusableUsername. In one savepoint with the invitation."""
    person = NewPerson(invitation.given_name, invitation.family_name, invitation.email)
    account = opening.open_account(session, person, username=username, password_hash=password_hash)
    notifications.welcome(session, account)
    return account
