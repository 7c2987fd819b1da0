"""Saying yes to a version of an app takes two people of the plan: a first look, then a second at the same version."""

from sqlalchemy.orm import Session

from oauth.apps import admission, app_content, clients, dynamic, registration, review_checks, reviews
from oauth.apps.app_content import AppContent
from oauth.apps.clients import ClientRefused
from oauth.apps.models import AppReview, ReviewState
from oauth.models import Client
from service.plan.models import ActKind, PendingAct, PlanStaff
from service.plan.staff import second_looks
from service.plan.staff.second_looks import SecondLookRefused
from service.settings import Settings


class NotToBeApproved(SecondLookRefused):
    """It does not wait for a decision, or not as the first person saw it."""

    sentence = "The app has changed since this was asked. Please refuse this and look at the app anew."


class RulesRefuse(SecondLookRefused):
    """The version meets a rule of registration no more, for instance because its name was taken meanwhile."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def first_look(session: Session, review: AppReview, *, by: PlanStaff, reason: str) -> PendingAct:
    """Ask a second person to approve this version, and show them what it changes.

    Raises NotOneself, SecondLookRefused (among them ChecksOpen).
    """
    client = clients.lock(session, review.client_id)
    session.refresh(review)
    if review.state is not ReviewState.SUBMITTED:
        raise NotToBeApproved
    _require_fit(session, review, client, by)
    _end_outdated(session, review, by)
    return second_looks.ask(
        session, ActKind.APP_APPROVAL, review.id, changes_of(session, review), by_account_id=by.account_id,
        reason=reason, revision=review.revision, app=client.name, client=client.id,
    )  # fmt: skip


def second_look(session: Session, act: PendingAct, *, by: PlanStaff, settings: Settings) -> None:
    """The second person's yes: the version stands from now on, in place of the one before.

    Raises NotOneself, SecondLookRefused (also for one who asked, or an act that is over).
    """
    review = session.get_one(AppReview, act.subject_id)
    client = clients.lock(session, review.client_id)
    session.refresh(review)
    require_may_approve(session, act, by=by)
    _require_fit(session, review, client, by)
    second_looks.approve(session, act, by_account_id=by.account_id)
    stands_as = _put_in_place(session, client, review, settings)
    reviews.approve(session, review, stands_as, by_account_id=by.account_id)
    admission.settle(session, client, sandbox=settings.sandbox, reason="approved")


def require_may_approve(session: Session, act: PendingAct, *, by: PlanStaff) -> None:
    """Raise NotOneself for whom this app is not neutral ground, NotToBeApproved for a version that has moved on."""
    review = session.get_one(AppReview, act.subject_id)
    reviews.require_may_review(session, review, by_account_id=by.account_id)
    if review.state is not ReviewState.SUBMITTED or review.revision != act.content["revision"]:
        raise NotToBeApproved


def changes_of(session: Session, review: AppReview) -> list[dict[str, str]]:
    """What this version changes against the one that stands, as {"what", "before", "after"}; of a first one, all."""
    standing = admission.versions_of(session, review.client_id).standing
    before = AppContent.read(standing.content) if standing else None
    return app_content.differences(before, AppContent.read(review.content))


def refuse(session: Session, act: PendingAct, *, by: PlanStaff, reason: str) -> None:
    """The second person's no, or taken back by who asked; the version waits on. Raises NotOneself, ActOver."""
    review = session.get_one(AppReview, act.subject_id)
    reviews.require_neutral(session, review, clients.lock(session, review.client_id), by.account_id)
    second_looks.refuse(session, act, by_account_id=by.account_id, reason=reason)


def find_waiting(session: Session, review: AppReview) -> PendingAct | None:
    """The act that waits for a second person to approve this version as it stands now."""
    act = second_looks.find_waiting(session, ActKind.APP_APPROVAL, review.id)
    return act if act is not None and act.content["revision"] == review.revision else None


def _end_outdated(session: Session, review: AppReview, by: PlanStaff) -> None:
    """End a first yes to the version as it stood before: nobody can say the second any more."""
    act = second_looks.find_waiting(session, ActKind.APP_APPROVAL, review.id)
    if act is not None and act.content["revision"] != review.revision:
        second_looks.refuse(session, act, by_account_id=by.account_id, reason=NotToBeApproved.sentence)


def _require_fit(session: Session, review: AppReview, client: Client, by: PlanStaff) -> None:
    """Both yeses are said by people who may, over a check-list without a no."""
    reviews.require_neutral(session, review, client, by.account_id)
    review_checks.require_passed(session, review, client)


def _put_in_place(session: Session, client: Client, review: AppReview, settings: Settings) -> ReviewState:
    """Let the app say what the version says; returns the state in which it stands from now on."""
    try:
        registration.write_content(session, client, AppContent.read(review.content), settings)
    except ClientRefused as refused:
        raise RulesRefuse(refused.reason) from None
    dynamic.name_developer(session, client)
    standing = admission.versions_of(session, client.id).standing
    if standing is None:
        return ReviewState.APPROVED
    # A suspension is ended by reinstating alone: it may be later than the first look.
    stands_as = standing.state
    reviews.replace(session, standing)
    return stands_as
