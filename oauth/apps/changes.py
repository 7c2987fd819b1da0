"""A change of what the plan looks at: a version of the app that says so from now on, whoever asked for it.

Or what the plan takes from an approved one by itself.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent.scopes import parse
from oauth.apps import admission, clients, registration, reviews
from oauth.apps.app_content import AppContent
from oauth.apps.models import AppReview, ReviewState, ReviewStep
from oauth.apps.reviews import ReviewRefused, WrongState
from oauth.models import Client
from service.clock import now
from service.settings import Settings


class NotNarrower(ReviewRefused):
    """Something would be added, or nothing taken away, or nothing left."""

    sentence = (
        "Give what is left of the app's scopes: some of them, or parts of them, and nothing else. More takes a new"
        " version of the app; an app that may ask for nothing is suspended. Nothing was changed."
    )


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


def narrow(session: Session, client_id: str, scopes: str, *, reason: str, by_account_id: str | None = None) -> None:
    """Let an app that was approved ask for these of its scopes alone. Raises NotNarrower, WrongState, OwnApp.

    Its access tokens that were given more end with this transaction (case 54), a refresh answers with what is left, and
    its exports reach no more; its people are told, and read the reason.
    """
    client = clients.lock(session, client_id)
    versions = admission.versions_of(session, client_id)
    standing, waiting = versions.standing, versions.waiting
    if standing is None or standing.state is ReviewState.RETIRED:
        raise WrongState
    reviews.require_other(session, client, by_account_id)
    before, left = parse(client.scopes), parse(scopes)
    asked = (set(left.resources), set(left.words))
    within = asked[0] <= set(left.meet(before).resources) and asked[1] <= set(before.words)
    if not left.resources or not within or asked == (set(before.resources), set(before.words)):
        raise NotNarrower
    client.scopes = str(left)
    client.version += 1
    standing.content = {**standing.content, "scopes": client.scopes}
    standing.revision += 1
    if waiting is not None:
        # Its scopes are a change against what stands now: who looked at it first has not seen that.
        waiting.revision += 1
    reviews.note(session, standing, ReviewStep.NARROW, by_account_id, reason)


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
