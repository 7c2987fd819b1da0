"""Support sends the owner of an account the way to the password reset; nobody but the owner sees or sets a password.

The mail holds no secret: it names the reset page, which sends its own code to the same address (security.md 147).
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from service import audit, mail
from service.accounts import throttling
from service.accounts.models import Account, AccountStatus
from service.clock import now

_AFTER_NEW_ADDRESS = timedelta(hours=1)
_PER_HOUR, _HOUR = 3, 3_600.0


class LinkRefused(Exception):
    """No mail is sent; `sentence` says why."""

    sentence = "No link can be sent for this login."


class NotActive(LinkRefused):
    """The account is disabled, or its address was never proven."""

    sentence = "This login is disabled or has no verified e-mail address, so no link can be sent."


class AddressIsNew(LinkRefused):
    """The address changed a moment ago: whoever changed it must not get a new password with it as well."""

    sentence = "The e-mail address of this login is less than an hour old. For safety, no link can be sent before that."


class LinksExhausted(LinkRefused):
    """Enough were sent within the hour."""

    sentence = "Several links were sent for this login within the hour. Please wait an hour."


def send(session: Session, account: Account, *, by_account_id: str, reason: str) -> None:
    """Mail the way to the reset page to the account's address, and tell the owner by it; raises LinkRefused."""
    if account.status is not AccountStatus.ACTIVE or account.email_verified_at is None:
        raise NotActive
    if now() < account.email_verified_at + _AFTER_NEW_ADDRESS:
        raise AddressIsNew
    if not throttling.hit(session, f"password-link:{account.id}", _PER_HOUR, _HOUR):
        raise LinksExhausted
    mail.enqueue(
        session, to=account.email, template="password_link", language=account.language, given_name=account.given_name,
        at=now(),
    )  # fmt: skip
    audit.record(
        session, "accounts:password_link:send", account_id=by_account_id, member_id=account.member_id,
        detail={"for_account": account.id}, reason=reason,
    )  # fmt: skip
