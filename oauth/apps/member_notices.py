"""Notices to the people who had connected an app that was suspended, let in again or closed; the worker writes them.

They may be many: the step itself waits for none of them, and each transaction here tells some hundred.
"""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, sessionmaker

from consent.models import Grant
from oauth.apps.models import AppReviewEvent, ReviewStep
from service.accounts import notices
from service.accounts.models import Account
from service.accounts.notice_model import NoticeKind
from service.accounts.notices import About
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
        people = _connected(session, event)
        for account in people:
            notices.tell(session, account, _KINDS[event.step], About(client_id=event.client_id))
        if len(people) < _BATCH:
            event.members_told_at = now()
        else:
            event.members_told_to = people[-1].id
    return True


def _connected(session: Session, event: AppReviewEvent) -> list[Account]:
    """The next accounts with a grant that lived when the step was taken."""
    alive = or_(Grant.ended_at.is_(None), Grant.ended_at >= event.at)
    grants = select(Grant.account_id).where(
        Grant.client_id == event.client_id, Grant.created_at <= event.at, Grant.expires_at > event.at, alive
    )
    people = select(Account).where(Account.id.in_(grants), Account.id > event.members_told_to)
    return list(session.scalars(people.order_by(Account.id).limit(_BATCH)))
