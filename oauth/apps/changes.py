"""A change of what the plan looks at: a version of the app that says so from now on, whoever asked for it."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from oauth.apps import admission, registration, reviews
from oauth.apps.app_content import AppContent
from oauth.apps.models import AppReview, ReviewState, ReviewStep
from oauth.apps.reviews import WrongState
from oauth.models import Client
from service.clock import now
from service.settings import Settings

_OPEN = (ReviewState.DRAFT, ReviewState.MORE_INFORMATION)


def propose(
    session: Session, client: Client, content: AppContent, *, settings: Settings, by_account_id: str | None
) -> AppReview:
    """Change it, and return the version that says so; a draft, unless questions of the plan are open about it.

    Beside an approved version it is a new one that waits, and the approved one works on. An app that was never
    approved changes at once. Its row is locked. Raises ClientRefused, WrongState.
    """
    versions = admission.versions_of(session, client.id)
    if not may_edit(versions):
        raise WrongState
    registration.require_content(session, content, client.kind, settings, own_id=client.id)
    review = _open_version(session, versions, content)
    if versions.standing is None:
        registration.write_content(session, client, content, settings)
    reviews.note(session, review, ReviewStep.CHANGE, by_account_id)
    return review


def propose_and_hold(session: Session, client: Client, content: AppContent, *, settings: Settings) -> AppReview:
    """The same for a program that nobody sits at: the version waits for the plan at once, in place of one that waits.

    What a review still needs the plan asks for. Raises ClientRefused, WrongState.
    """
    waiting = admission.versions_of(session, client.id).waiting
    if waiting is not None and waiting.state in {ReviewState.SUBMITTED, ReviewState.MORE_INFORMATION}:
        reviews.withdraw(session, waiting, by_account_id=None)
    review = propose(session, client, content, settings=settings, by_account_id=None)
    review.submitted_at, review.state = now(), ReviewState.SUBMITTED
    review.revision += 1
    reviews.note(session, review, ReviewStep.SUBMIT, None)
    return review


def may_edit(versions: admission.Versions) -> bool:
    """Whether what is reviewed may be changed now: not while it waits for the plan, nor after the end."""
    waiting = versions.waiting
    return versions.state is not ReviewState.RETIRED and (waiting is None or waiting.state is not ReviewState.SUBMITTED)


def _open_version(session: Session, versions: admission.Versions, content: AppContent) -> AppReview:
    """The version that is open to change, with this content; a new one where the last was decided."""
    latest = versions.latest
    if latest.state in _OPEN:
        latest.content = content.to_keep()
        latest.revision += 1
        return latest
    numbers = select(func.max(AppReview.number)).where(AppReview.client_id == latest.client_id)
    made = AppReview(
        client_id=latest.client_id, number=session.scalars(numbers).one() + 1, state=ReviewState.DRAFT,
        content=content.to_keep(),
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made
