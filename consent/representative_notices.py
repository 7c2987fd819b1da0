"""Mails about who acts for whom: that there is news and where to read it, never about whom or what it is."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.models import RepresentativeLink
from service import mail
from service.accounts.models import Account
from service.clock import now


def news(session: Session, account: Account | None) -> None:
    """There is something new about a request of this person."""
    _tell(session, account, "representative_news")


def changed(session: Session, link: RepresentativeLink) -> None:
    """Both people hear that a link began, changed or ended. Never sent about a safety block."""
    own = session.scalar(select(Account).where(Account.member_id == link.member_id))
    other = session.get(Account, link.representative.account_id) if link.representative.account_id else None
    _tell(session, own, "representative_changed")
    _tell(session, other, "representative_changed")


def _tell(session: Session, account: Account | None, template: str) -> None:
    if account is not None:
        mail.enqueue(
            session, to=account.email, template=template, language=account.language, given_name=account.given_name,
            at=now(),
        )  # fmt: skip
