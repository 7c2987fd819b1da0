"""Invitations by a mailed link, whoever invites, portal or developers: the invited person's account."""

from collections.abc import Callable
from typing import Protocol

from sqlalchemy.orm import Session

from service.accounts import enrolling, notifications, opening
from service.accounts.enrolling import Credentials
from service.accounts.models import Account
from service.accounts.opening import AccountExists, NewPerson


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


def accept_as_new(
    session: Session, invitation: Invitation, chosen: Credentials, *, spend: Callable[[], None],
    take_up: Callable[[Account], object],
) -> Account:  # fmt: skip
    """Open the person's account and welcome them. Raises WeakPassword, UnusableUsername, or InvitationOver.

    `spend` takes the invitation, or raises InvitationOver; `take_up` gives the account what it was invited to. Ends the
    running transaction before it hashes, as `enrolling.hash_password` says; nothing was changed yet.
    """
    made = enrolling.hash_password(session, chosen.also(*own_names(invitation, chosen.username)))
    if find_account(session, invitation) is not None:
        raise InvitationOver
    person = NewPerson(invitation.given_name, invitation.family_name, invitation.email)
    # All of it or nothing: a name that was taken meanwhile is answered by a page, and the link must work once more.
    with session.begin_nested():
        spend()
        try:
            account = opening.open_account(session, person, username=chosen.username, password_hash=made)
        except AccountExists:
            # The address got an account a moment ago.
            raise InvitationOver from None
        notifications.welcome(session, account)
        take_up(account)
    return account
