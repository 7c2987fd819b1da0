"""Mails about who acts for whom: that there is news and where to read it, never about whom or what it is.

What it is stands in the message center of each.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.models import RepresentativeLink
from service import mail
from service.accounts import notices
from service.accounts.models import Account
from service.accounts.notice_model import NoticeKind
from service.accounts.notices import About
from service.clock import now


def news(session: Session, account: Account | None) -> None:
    """There is something new about a request of this person."""
    if account is not None:
        _tell(session, account, NoticeKind.REQUEST_NEWS, "representative_news", who="")


def begun(session: Session, link: RepresentativeLink) -> None:
    """Both people hear that somebody acts for a member from now, or a later day, on."""
    _tell_both(session, link, NoticeKind.LINK_BEGUN)


def changed(session: Session, link: RepresentativeLink) -> None:
    """Both hear that a link covers less than before."""
    _tell_both(session, link, NoticeKind.LINK_CHANGED)


def ended(session: Session, link: RepresentativeLink) -> None:
    """Both hear that a link is over. Never sent about a safety block."""
    _tell_both(session, link, NoticeKind.LINK_ENDED)


def let_in_again(session: Session, link: RepresentativeLink) -> None:
    """The member, who had shut somebody out, hears that they act again; the other was told of nothing."""
    _tell_member(session, link, NoticeKind.LINK_BEGUN)


def _tell_both(session: Session, link: RepresentativeLink, kind: NoticeKind) -> None:
    _tell_member(session, link, kind)
    other = session.get(Account, link.representative.account_id) if link.representative.account_id else None
    if other is not None:
        _tell(session, other, kind, "representative_changed", who=link.member.full_name, acts=True)


def _tell_member(session: Session, link: RepresentativeLink, kind: NoticeKind) -> None:
    own = session.scalar(select(Account).where(Account.member_id == link.member_id))
    if own is not None:
        _tell(session, own, kind, "representative_changed", who=link.representative.full_name)


def _tell(
    session: Session, account: Account, kind: NoticeKind, template: str, *, who: str, acts: bool = False
) -> None:  # fmt: skip
    # `by_owner` says which of the two reads it: whoever acts, or the member for whom somebody does.
    notices.keep(session, account, kind, About(who=who), by_owner=acts)
    mail.enqueue(
        session, to=account.email, template=template, language=account.language, given_name=account.given_name,
        at=now(),
    )  # fmt: skip
