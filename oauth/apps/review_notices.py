"""Mails to the people of a developer organisation about their app; the reasons are on the app's page, not in them.

Of what happens to the whole organisation `oauth.apps.disabling` tells them, once for all its apps.
"""

from sqlalchemy.orm import Session

from oauth.apps import developers
from oauth.apps.models import AppReview, ReviewStep
from oauth.models import Client
from service import mail
from service.clock import now

_TOLD = frozenset(
    {
        ReviewStep.SUBMIT, ReviewStep.ASK, ReviewStep.DECLINE, ReviewStep.APPEAL, ReviewStep.APPROVE,
        ReviewStep.SUSPEND, ReviewStep.REINSTATE, ReviewStep.NARROW, ReviewStep.RETIRE,
    }
)  # fmt: skip


def tell(session: Session, review: AppReview, step: ReviewStep) -> None:
    """Tell every person of the app's organisation, where the step is news to them."""
    client = session.get_one(Client, review.client_id)
    if step not in _TOLD or client.organization_id is None:
        return
    for developer in developers.people_of(session, client.organization_id):
        mail.enqueue(
            session, to=developer.account.email, template="app_review", given_name=developer.account.given_name,
            app=client.name, client_id=client.id, step=step.value, at=now(),
        )  # fmt: skip
