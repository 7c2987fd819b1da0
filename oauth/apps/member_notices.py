"""Notices of an app that was suspended, let in again or closed, to members and to who had connected it for them.

The worker writes them. They may be many: the step itself waits for none of them, and each transaction here tells some
hundred.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, sessionmaker

from consent import grant_notices
from consent.models import Grant
from oauth.apps.models import AppReviewEvent, ReviewStep
from service.accounts import notices
from service.accounts.models import Account
from service.accounts.notice_model import NoticeKind
from service.clock import now
from service.settings import Settings

_TOLD = frozenset({ReviewStep.RETIRE, ReviewStep.DISABLE, ReviewStep.ENABLE})
_TOLD_WHERE_IT_WORKED = frozenset({ReviewStep.SUSPEND, ReviewStep.REINSTATE})
_KINDS = {
    ReviewStep.SUSPEND: NoticeKind.APP_STOPPED, ReviewStep.DISABLE: NoticeKind.APP_STOPPED,
    ReviewStep.REINSTATE: NoticeKind.APP_BACK, ReviewStep.ENABLE: NoticeKind.APP_BACK,
    ReviewStep.RETIRE: NoticeKind.APP_CLOSED,
}  # fmt: skip
_BATCH = 500


def is_news(step: ReviewStep, *, organization_stands: bool) -> bool:
    """Whether a step is told to members: not what changes nothing, since the organisation is shut out all the while."""
    return step in _TOLD or (organization_stands and step in _TOLD_WHERE_IT_WORKED)


def run(sessions: sessionmaker[Session], _settings: Settings) -> None:
    """Tell everybody who is not told yet."""
    while _tell_some(sessions):
        pass


def _tell_some(sessions: sessionmaker[Session]) -> bool:
    """Tell the next people of the oldest step; False when nobody is left."""
    with sessions.begin() as session:
        untold = select(AppReviewEvent).where(AppReviewEvent.members_told_at.is_(None)).order_by(AppReviewEvent.at)
        event = session.scalar(untold.limit(1))
        if event is None:
            return False
        people = _people(session, event)
        for account, grant in _heard_by(session, event, people):
            notices.tell(session, account, _KINDS[event.step], grant_notices.about(grant))
        if len(people) < _BATCH:
            event.members_told_at = now()
        else:
            event.members_told_to = people[-1].id
    return True


def _people(session: Session, event: AppReviewEvent) -> list[Account]:
    """The next accounts that such a grant is about, or by whom it was given."""
    given, about = (select(column).where(*_lived(event)) for column in (Grant.account_id, Grant.member_id))
    whose = or_(Account.id.in_(given), Account.member_id.in_(about))
    people = select(Account).where(whose, Account.id > event.members_told_to)
    return list(session.scalars(people.order_by(Account.id).limit(_BATCH)))


def _heard_by(session: Session, event: AppReviewEvent, people: Sequence[Account]) -> list[tuple[Account, Grant]]:
    """Of whom each of these people hears: a grant for each member, however many let the app in for that member."""
    theirs = or_(
        Grant.account_id.in_([account.id for account in people]),
        Grant.member_id.in_([account.member_id for account in people if account.member_id]),
    )
    heard: dict[tuple[str, str], tuple[Account, Grant]] = {}
    told = {account.id for account in people}
    for grant in session.scalars(select(Grant).where(*_lived(event), theirs).order_by(Grant.created_at, Grant.id)):
        for account in grant_notices.concerned(session, grant):
            if account.id in told:
                heard.setdefault((account.id, grant.member_id), (account, grant))
    return list(heard.values())


def _lived(event: AppReviewEvent) -> tuple[ColumnElement[bool], ...]:
    """The conditions (on Grant) that it let the app in when the step was taken."""
    alive = or_(grant_notices.let_in(), Grant.ended_at >= event.at)
    return Grant.client_id == event.client_id, Grant.created_at <= event.at, Grant.expires_at > event.at, alive
