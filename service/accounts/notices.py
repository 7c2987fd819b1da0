"""Notices: what happened, kept for the account's owner in their message center; and the mails that say there is one.

Such a mail names nobody and nothing (no app, no member, no kind of data): it says that there is a message, and where.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import CursorResult, ScalarSelect, delete, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from service import mail
from service.accounts.models import Account
from service.accounts.notice_model import Notice, NoticeKind
from service.clock import now

_TEMPLATE = "new_notice"
_ONE_MAIL_IN = timedelta(hours=1)
_KEEP = timedelta(days=2 * 365)
_BATCH = 500


class UnknownNotice(Exception):
    """No such notice, or another person's: both look the same."""


class Topic(StrEnum):
    """What notices are about, as the owner chooses of which they want mails."""

    ACCOUNT = "account"
    PEOPLE = "people"
    APPS = "apps"
    LOOKS = "looks"


ALWAYS_MAILED = frozenset({Topic.ACCOUNT, Topic.PEOPLE})
"""Who can sign in and who acts for whom: whoever gets in by force must not be able to silence it first."""
_MAILED_ALL_THE_SAME = frozenset({
    NoticeKind.APP_DISCONNECTED, NoticeKind.APP_STOPPED, NoticeKind.APP_CLOSED, NoticeKind.APP_PAUSE_LIFTED,
})  # fmt: skip


@dataclass(frozen=True)
class About:
    """What a notice is about: ids of ours, and the name of the other person.

    `member_name` is the member's, for an owner who acts for them; None for others, who learn no name from a notice.
    """

    member_id: str | None = None
    client_id: str | None = None
    grant_id: str | None = None
    who: str = ""
    member_name: str | None = None


NO_ONE = About()
_TOLD_TO_THE_DOER = frozenset({NoticeKind.APP_CONNECTED, NoticeKind.APP_CHANGED})
"""What opens a door is told to its owner too: it may have been somebody else at their account."""


def tell(
    session: Session, account: Account, kind: NoticeKind, about: About = NO_ONE, *, by_owner: bool = False
) -> Notice:
    """Keep a notice and say by mail that there is one, if the owner wants that and no mail of the last hour says so.

    What the owner did (`by_owner`) and what opens nothing is kept as read, and no mail goes out.
    """
    known = by_owner and kind not in _TOLD_TO_THE_DOER
    mailed = not known and _wants_mail(account, kind) and not _was_mailed(session, account)
    notice = keep(session, account, kind, about, by_owner=by_owner, mailed=mailed)
    notice.read_at = notice.at if known else None
    if mailed:
        mail.enqueue(
            session, to=account.email, template=_TEMPLATE, language=account.language, given_name=account.given_name,
            at=notice.at,
        )  # fmt: skip
    return notice


def keep(
    session: Session, account: Account, kind: NoticeKind, about: About = NO_ONE, *, by_owner: bool = False,
    mailed: bool = False,
) -> Notice:  # fmt: skip
    """Keep a notice without a word by mail, or where another mail says more."""
    name = "" if about.member_id == account.member_id else about.member_name
    notice = Notice(
        account_id=account.id, kind=kind, at=now(), member_id=about.member_id, member_name=name and name[:200],
        client_id=about.client_id, grant_id=about.grant_id, who=about.who[:200], by_owner=by_owner, mailed=mailed,
    )  # fmt: skip
    session.add(notice)
    return notice


def topic_of(kind: NoticeKind) -> Topic:
    """What a kind of notice is about."""
    if kind is NoticeKind.STAFF_LOOKED:
        return Topic.LOOKS
    if kind in {NoticeKind.LINK_BEGUN, NoticeKind.LINK_CHANGED, NoticeKind.LINK_ENDED, NoticeKind.REQUEST_NEWS}:
        return Topic.PEOPLE
    return Topic.APPS if kind.value.startswith("app_") else Topic.ACCOUNT


def list_of(session: Session, account: Account, *, first: int, most: int) -> tuple[list[Notice], int]:
    """A page of the owner's notices, the newest first, and how many there are."""
    mine = Notice.account_id == account.id
    newest = select(Notice, func.count().over()).where(mine).order_by(Notice.at.desc(), Notice.id)
    rows = session.execute(newest.offset(first).limit(most)).all()
    if not rows and first:
        # Behind the last page: how many there are stands on the first.
        return [], list_of(session, account, first=0, most=1)[1]
    return [notice for notice, _ in rows], rows[0][1] if rows else 0


def unread_of(account_id: InstrumentedAttribute[str]) -> ScalarSelect[int]:
    """How many notices of an account are unread, as part of the statement that finds the account."""
    mine = (Notice.account_id == account_id, Notice.read_at.is_(None))
    return select(func.count(Notice.id)).where(*mine).correlate(Account).scalar_subquery()


def mark_read(session: Session, notices: Sequence[Notice]) -> None:
    """The owner has seen these."""
    unread = [notice.id for notice in notices if notice.read_at is None]
    if unread:
        session.execute(
            update(Notice)
            .where(Notice.id.in_(unread))
            .values(read_at=now())
            .execution_options(synchronize_session=False)
        )


def mark_unread(session: Session, account: Account, notice_id: str) -> None:
    """Show it as new until it is looked at again; raises UnknownNotice."""
    mine = update(Notice).where(Notice.id == notice_id, Notice.account_id == account.id).values(read_at=None)
    if cast(CursorResult[Any], session.execute(mine)).rowcount != 1:
        raise UnknownNotice


def choose_mails(account: Account, wanted: Collection[Topic]) -> None:
    """Which topics mails go out about; those of ALWAYS_MAILED do in any case."""
    account.unmailed = sorted(topic.value for topic in set(Topic) - ALWAYS_MAILED - set(wanted)) or None


def mailed_topics(account: Account) -> frozenset[Topic]:
    """The topics about which mails go out."""
    return frozenset(topic for topic in Topic if topic in ALWAYS_MAILED or topic.value not in (account.unmailed or ()))


def delete_old(session: Session) -> int:
    """Delete some notices that are two years old; how many. What happened stays in the audit stream."""
    old = select(Notice.id).where(Notice.at < now() - _KEEP).limit(_BATCH)
    result = session.execute(delete(Notice).where(Notice.id.in_(old)))
    return cast(CursorResult[Any], result).rowcount


def _wants_mail(account: Account, kind: NoticeKind) -> bool:
    return kind in _MAILED_ALL_THE_SAME or topic_of(kind) in mailed_topics(account)


def _was_mailed(session: Session, account: Account) -> bool:
    """Whether a mail of the last hour says that there is a message, and nobody has looked since."""
    unread = select(Notice.id).where(Notice.account_id == account.id, Notice.read_at.is_(None))
    lately = unread.where(Notice.mailed, Notice.at > now() - _ONE_MAIL_IN)
    return session.scalar(lately.limit(1)) is not None
