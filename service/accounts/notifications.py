"""What happened to an account, told to its owner by mail and kept in their message center.

These mails say what it was: who cannot sign in any more reads them all the same. None holds health data or a secret.
"""

from sqlalchemy.orm import Session

from service import mail
from service.accounts import notices
from service.accounts.models import Account
from service.accounts.notice_model import NoticeKind
from service.clock import now


def password_changed(session: Session, account: Account) -> None:
    """The password was changed and every session ended."""
    _tell(session, account, "password_changed")


def many_wrong_tries(session: Session, account: Account) -> None:
    """Somebody tried many passwords."""
    _tell(session, account, "many_wrong_tries")


def new_device(session: Session, account: Account) -> None:
    """A browser that had not been seen before signed in."""
    _tell(session, account, "new_device")


def registration_tried(session: Session, account: Account) -> None:
    """Somebody tried to register with an address or membership that has an account."""
    _tell(session, account, "registration_tried")


def portal_registration_tried(session: Session, account: Account) -> None:
    """Somebody tried to register for the provider portal with an address that has an account."""
    _tell(session, account, "portal_registration_tried")


def email_in_use(session: Session, account: Account) -> None:
    """Somebody wanted this account's address for another account."""
    _tell(session, account, "email_in_use")


def welcome(session: Session, account: Account) -> None:
    """The account was opened."""
    _tell(session, account, "welcome")


def factor_set_up(session: Session, account: Account) -> None:
    """An authenticator app was set up."""
    _tell(session, account, "factor_set_up")


def factor_removed(session: Session, account: Account) -> None:
    """The authenticator app was removed."""
    _tell(session, account, "factor_removed")


def factors_reset(session: Session, account: Account) -> None:
    """The plan removed everything that is asked for besides the password, for somebody who lost it all."""
    _tell(session, account, "factors_reset")


def passkey_added(session: Session, account: Account) -> None:
    """A passkey was added."""
    _tell(session, account, "passkey_added")


def passkey_removed(session: Session, account: Account) -> None:
    """A passkey was removed."""
    _tell(session, account, "passkey_removed")


def passkey_copied(session: Session, account: Account) -> None:
    """A passkey was shown whose count went back: there may be a copy of it."""
    _tell(session, account, "passkey_copied")


def factor_guessed(session: Session, account: Account) -> None:
    """Somebody who knows the password entered wrong codes."""
    _tell(session, account, "factor_guessed")


def recovery_code_used(session: Session, account: Account, *, left: int) -> None:
    """A recovery code was used instead of the app; `left` are still good."""
    _tell(session, account, "recovery_code_used", left=str(left))


def recovery_codes_ended(session: Session, account: Account) -> None:
    """The plan changed the key of its installation, and recovery codes from before do not count any more."""
    _tell(session, account, "recovery_codes_ended")


def _tell(session: Session, account: Account, template: str, left: str = "") -> None:
    notices.keep(session, account, NoticeKind(template))
    mail.enqueue(
        session, to=account.email, template=template, language=account.language, given_name=account.given_name,
        at=now(), left=left,
    )  # fmt: skip
