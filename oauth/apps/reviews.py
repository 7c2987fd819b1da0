"""The life of an app: one function for each step, with its reason, history, notice and audit row.

draft → submitted ⇄ more information needed → approved or declined; a decline is appealed once; approved ⇄ suspended;
retired is the end. Each version of an app goes this way by itself; saying yes is in `oauth.apps.approval` (four eyes).
What a step means for the app's requests is worked out by `oauth.apps.admission`.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent import grants
from oauth.apps import admission, clients, member_notices, review_notices
from oauth.apps.app_content import AppContent
from oauth.apps.models import AppReview, AppReviewEvent, DeclineReason, Developer, ReviewState, ReviewStep
from oauth.models import Client
from service import audit
from service.clock import now
from service.plan.staff import plan_staff
from service.settings import Settings

MOST_EVENTS = 200
PATIENCE = timedelta(days=60)
"""How long the plan waits for an answer before silence is a ground for a no."""
_DEVELOPERS_WORDS = (ReviewStep.ANSWER, ReviewStep.APPEAL)


class ReviewRefused(Exception):
    """This step cannot be taken; `sentence` says why."""

    sentence = "This cannot be done here."


class WrongState(ReviewRefused):
    """The version stands otherwise by now."""

    sentence = "The app has moved on since the page was made. Please look at it again. Nothing was changed."


class NotComplete(ReviewRefused):
    """Something is missing that a review needs; `missing` names it in words."""

    def __init__(self, missing: Collection[str]) -> None:
        super().__init__()
        self.missing = tuple(missing)
        self.sentence = f"Before you submit the app, please add: {', '.join(missing)}."


class AppealedAlready(ReviewRefused):
    """A version is appealed once."""

    sentence = "This version was appealed already. You can change the app and submit a new version."


class AnswerAwaited(ReviewRefused):
    """Silence is no ground yet."""

    sentence = (
        f"That a question was not answered is a ground for a no {PATIENCE.days} days after the plan asked, while it "
        "waits for the answer. Nothing was changed."
    )


class OwnApp(plan_staff.NotOneself):
    """A person of the plan would decide on an app of their own developer organisation."""

    sentence = "This app belongs to your own developer organization. Please ask a colleague to do it."


class DeclinedByOneself(plan_staff.NotOneself):
    """A person of the plan would look at the appeal against their own no."""

    sentence = "You declined this version and its developer has appealed. Please ask a colleague to look at it."


class UnknownReview(Exception):
    """No such version of an app."""


def open_first(
    session: Session, client: Client, state: ReviewState, *, settings: Settings, by_account_id: str | None
) -> AppReview:
    """The first version of an app that was just registered."""
    review = AppReview(
        client_id=client.id, number=1, state=state, content=AppContent.of(client).to_keep(),
        submitted_at=now() if state is ReviewState.SUBMITTED else None,
    )  # fmt: skip
    session.add(review)
    session.flush()
    note(session, review, ReviewStep.REGISTER, by_account_id)
    admission.settle(session, client, sandbox=settings.sandbox, reason="registered")
    return review


def submit(session: Session, review: AppReview, *, by_account_id: str) -> None:
    """Hand a draft in: it waits for the plan from now on. Raises WrongState, NotComplete."""
    client = _take(session, review, ReviewState.DRAFT)
    _require_complete(client, AppContent.read(review.content))
    review.submitted_at = now()
    _move(session, review, ReviewState.SUBMITTED, ReviewStep.SUBMIT, by_account_id)


def withdraw(session: Session, review: AppReview, *, by_account_id: str | None) -> None:
    """Take it back to change it. Raises WrongState."""
    _take(session, review, ReviewState.SUBMITTED, ReviewState.MORE_INFORMATION)
    review.submitted_at = None
    _move(session, review, ReviewState.DRAFT, ReviewStep.WITHDRAW, by_account_id)


def ask_more(session: Session, review: AppReview, *, by_account_id: str, question: str) -> None:
    """The plan needs to know more. Raises WrongState, NotOneself."""
    _take_for_plan(session, review, by_account_id, ReviewState.SUBMITTED)
    _move(session, review, ReviewState.MORE_INFORMATION, ReviewStep.ASK, by_account_id, question)


def answer(session: Session, review: AppReview, *, by_account_id: str, answer: str) -> None:
    """The developer answers, and it waits for the plan again; its clock has run on. Raises WrongState, NotComplete."""
    client = _take(session, review, ReviewState.MORE_INFORMATION)
    _require_complete(client, AppContent.read(review.content))
    _move(session, review, ReviewState.SUBMITTED, ReviewStep.ANSWER, by_account_id, answer)


def decline(
    session: Session, review: AppReview, *, by_account_id: str, reason: DeclineReason, explanation: str
) -> None:
    """Say no on one of the fixed grounds, and say why in words. Raises WrongState, AnswerAwaited, NotOneself."""
    _take_for_plan(session, review, by_account_id, ReviewState.SUBMITTED, ReviewState.MORE_INFORMATION)
    if reason not in grounds_of(session, review):
        raise AnswerAwaited
    review.decline_reason, review.decided_at = reason, now()
    _move(session, review, ReviewState.DECLINED, ReviewStep.DECLINE, by_account_id, explanation)


def grounds_of(session: Session, review: AppReview) -> list[DeclineReason]:
    """On which grounds a no may be said of the version now."""
    silent = review.state is ReviewState.MORE_INFORMATION and _asked_at(session, review) <= now() - PATIENCE
    return [reason for reason in DeclineReason if silent or reason is not DeclineReason.NO_ANSWER]


def _asked_at(session: Session, review: AppReview) -> datetime:
    """When the plan asked the question that waits for its answer."""
    asked = select(func.max(AppReviewEvent.at)).where(
        AppReviewEvent.review_id == review.id, AppReviewEvent.step == ReviewStep.ASK
    )
    return session.scalars(asked).one() or now()


def appeal(session: Session, review: AppReview, *, by_account_id: str, grounds: str) -> None:
    """Ask that somebody looks again, once for each version. Raises WrongState, AppealedAlready."""
    _take(session, review, ReviewState.DECLINED)
    if review.appealed_at is not None:
        raise AppealedAlready
    review.submitted_at = review.appealed_at = now()
    review.decided_at = None
    _move(session, review, ReviewState.SUBMITTED, ReviewStep.APPEAL, by_account_id, grounds)


def drop(session: Session, review: AppReview, *, by_account_id: str) -> None:
    """Give up a version that waits beside the one that stands. Raises WrongState."""
    _take(
        session, review, ReviewState.DRAFT, ReviewState.SUBMITTED, ReviewState.MORE_INFORMATION, ReviewState.DECLINED
    )  # fmt: skip
    if admission.versions_of(session, review.client_id).standing is None:
        raise WrongState
    _move(session, review, ReviewState.DROPPED, ReviewStep.DROP, by_account_id)


def suspend(
    session: Session, client_id: str, *, reason: str, settings: Settings, by_account_id: str | None = None
) -> None:
    """Shut an app out: requests, exchanges, refreshes and reads fail from the next one on. Raises WrongState."""
    client = clients.lock(session, client_id)
    review = _standing(session, client, ReviewState.APPROVED)
    require_other(session, client, by_account_id)
    _move(session, review, ReviewState.SUSPENDED, ReviewStep.SUSPEND, by_account_id, reason)
    admission.settle(session, client, sandbox=settings.sandbox, reason=reason)


def reinstate(
    session: Session, client_id: str, *, reason: str, settings: Settings, by_account_id: str | None = None
) -> None:
    """Let a suspended app in again; its grants live on. Raises WrongState."""
    client = clients.lock(session, client_id)
    review = _standing(session, client, ReviewState.SUSPENDED)
    require_other(session, client, by_account_id)
    _move(session, review, ReviewState.APPROVED, ReviewStep.REINSTATE, by_account_id, reason)
    admission.settle(session, client, sandbox=settings.sandbox, reason=reason)


def retire(
    session: Session, client_id: str, *, reason: str, settings: Settings, by_account_id: str | None = None
) -> None:
    """Close an app for good and end its grants; what else of it waits is given up. Raises WrongState."""
    client = clients.lock(session, client_id)
    versions = admission.versions_of(session, client_id)
    if versions.state is ReviewState.RETIRED:
        raise WrongState
    if versions.standing is not None and versions.waiting is not None:
        _move(session, versions.waiting, ReviewState.DROPPED, ReviewStep.DROP, by_account_id)
    review = versions.standing or versions.latest
    _move(session, review, ReviewState.RETIRED, ReviewStep.RETIRE, by_account_id, reason)
    admission.settle(session, client, sandbox=settings.sandbox, reason=reason)
    grants.end_all_of_app(session, client_id)


def retire_for_plan(session: Session, client_id: str, *, reason: str, settings: Settings, by_account_id: str) -> None:
    """Close an app for good in the plan's name. Raises WrongState, NotOneself."""
    require_other(session, clients.lock(session, client_id), by_account_id)
    retire(session, client_id, reason=reason, settings=settings, by_account_id=by_account_id)


def get(session: Session, review_id: str) -> AppReview:
    """A version of an app; raises UnknownReview."""
    found = session.get(AppReview, review_id)
    if found is None:
        raise UnknownReview
    return found


def history(session: Session, client_id: str) -> list[AppReviewEvent]:
    """What happened to an app, the latest first."""
    events = select(AppReviewEvent).where(AppReviewEvent.client_id == client_id)
    return list(session.scalars(events.order_by(AppReviewEvent.at.desc()).limit(MOST_EVENTS)))


def last_words(session: Session, review: AppReview, step: ReviewStep) -> str:
    """What was said with the last step of this kind; empty where there was none."""
    said = select(AppReviewEvent.words).where(AppReviewEvent.review_id == review.id, AppReviewEvent.step == step)
    return session.scalar(said.order_by(AppReviewEvent.at.desc()).limit(1)) or ""


def list_in_state(session: Session, *states: ReviewState, limit: int = 200) -> list[AppReview]:
    """The versions in these states, the longest waiting first: the queue of plan staff."""
    found = select(AppReview).where(AppReview.state.in_(states))
    return list(session.scalars(found.order_by(AppReview.submitted_at, AppReview.id).limit(limit)))


def count_submitted(session: Session) -> int:
    """How many versions wait for the plan."""
    waiting = select(func.count()).select_from(AppReview).where(AppReview.state == ReviewState.SUBMITTED)
    return session.scalars(waiting).one()


def missing_of(session: Session, review: AppReview) -> list[str]:
    """What a review of this version needs and is not there yet, in words."""
    return _missing(session.get_one(Client, review.client_id), AppContent.read(review.content))


def _missing(client: Client, content: AppContent) -> list[str]:
    unexplained = [scope for scope in content.scopes.split() if not content.scope_reasons.get(scope, "").strip()]
    needed = {
        "a description in plain words": client.description,
        "the address of the privacy policy": content.policy_uri,
        "the address of the terms": content.terms_uri,
        "a support contact": client.contact,
        "a reason for each scope": not unexplained,
    }
    return [said for said, there in needed.items() if not there]


def require_other(session: Session, client: Client, by_account_id: str | None) -> None:
    """Raise NotOneself where a person of the plan would decide on an app of their own developer organisation."""
    own = session.get(Developer, by_account_id) if by_account_id else None
    if own is not None and own.organization_id == client.organization_id:
        raise OwnApp


def require_may_review(session: Session, review: AppReview, *, by_account_id: str) -> None:
    """Raise NotOneself unless this person of the plan may decide on the version, for pages."""
    require_neutral(session, review, session.get_one(Client, review.client_id), by_account_id)


def require_neutral(session: Session, review: AppReview, client: Client, by_account_id: str) -> None:
    """Raise NotOneself for a reviewer of the own organisation's app, or of an appeal against their own no."""
    require_other(session, client, by_account_id)
    own_no = (AppReviewEvent.step == ReviewStep.DECLINE, AppReviewEvent.account_id == by_account_id)
    if session.scalar(select(AppReviewEvent.id).where(AppReviewEvent.review_id == review.id, *own_no).limit(1)):
        raise DeclinedByOneself


def replace(session: Session, review: AppReview) -> None:
    """A later version was approved in place of this one; for `oauth.apps.approval` only."""
    _move(session, review, ReviewState.REPLACED, ReviewStep.REPLACE, None)


def approve(session: Session, review: AppReview, stands_as: ReviewState, *, by_account_id: str | None) -> None:
    """The yes, after both have said it. It stands suspended where its app is; for `oauth.apps.approval` only."""
    review.decided_at = now()
    _move(session, review, stands_as, ReviewStep.APPROVE, by_account_id)


def note(session: Session, review: AppReview, step: ReviewStep, by_account_id: str | None, words: str = "") -> None:
    """Write a step into the history, tell the developers where it is news to them, and leave the audit row."""
    session.flush()
    moment, client = now(), session.get_one(Client, review.client_id)
    news = member_notices.is_news(step, organization_stands=admission.organization_stands(session, client))
    session.add(
        AppReviewEvent(
            review_id=review.id, client_id=review.client_id, number=review.number, step=step, state=review.state,
            account_id=by_account_id, words=words, at=moment,
            members_told_at=None if news else moment,
        )
    )  # fmt: skip
    review_notices.tell(session, review, step)
    # What developers wrote is theirs: it stands in the history of their app alone.
    reason = None if step in _DEVELOPERS_WORDS else words[:500] or None
    audit.record(
        session, f"oauth:app_review:{step}", account_id=by_account_id, client_id=review.client_id,
        reason=reason, detail={"version": review.number, "state": review.state.value},
    )  # fmt: skip


def _take(session: Session, review: AppReview, *states: ReviewState) -> Client:
    client = clients.lock(session, review.client_id)
    session.refresh(review)
    if review.state not in states:
        raise WrongState
    return client


def _take_for_plan(session: Session, review: AppReview, by_account_id: str, *states: ReviewState) -> None:
    require_neutral(session, review, _take(session, review, *states), by_account_id)


def _standing(session: Session, client: Client, state: ReviewState) -> AppReview:
    review = admission.versions_of(session, client.id).standing
    if review is None or review.state is not state:
        raise WrongState
    return review


def _move(
    session: Session, review: AppReview, state: ReviewState, step: ReviewStep, by_account_id: str | None,
    words: str = "",
) -> None:  # fmt: skip
    review.state = state
    review.revision += 1
    note(session, review, step, by_account_id, words)


def _require_complete(client: Client, content: AppContent) -> None:
    if lacking := _missing(client, content):
        raise NotComplete(lacking)
