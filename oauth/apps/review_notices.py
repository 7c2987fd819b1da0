"""Mails to the people of a developer organisation about their app; the reasons are on the app's page, not in them.

Of what happens to the whole organisation `oauth.apps.disabling` tells them, once for all its apps. Behind an app that a
program registered there is an address at most, which nobody has proven (decision 159).
"""

from sqlalchemy.orm import Session

from oauth.apps import developers
from oauth.apps.models import AppReview, DynamicRegistration, ReviewStep
from oauth.models import Client
from service import mail
from service.accounts import throttling
from service.accounts.usernames import is_email
from service.clock import now

_TOLD = frozenset(
    {
        ReviewStep.SUBMIT, ReviewStep.ASK, ReviewStep.DECLINE, ReviewStep.APPEAL, ReviewStep.APPROVE,
        ReviewStep.SUSPEND, ReviewStep.REINSTATE, ReviewStep.NARROW, ReviewStep.RETIRE,
    }
)  # fmt: skip
# What only people of the plan do: whoever registers apps by a program sets off no mail.
_PLANS_OWN = frozenset(
    {
        ReviewStep.ASK, ReviewStep.DECLINE, ReviewStep.APPROVE, ReviewStep.SUSPEND, ReviewStep.REINSTATE,
        ReviewStep.NARROW,
    }
)  # fmt: skip
PER_ADDRESS = 5
"""Mails to one unproven address in a day."""
_DAY = 86_400


def tell(session: Session, review: AppReview, step: ReviewStep) -> None:
    """Tell every person of the app's organisation, or its program's contact, where the step is news to them."""
    client = session.get_one(Client, review.client_id)
    if client.organization_id is None:
        _tell_contact(session, client, step)
        return
    if step not in _TOLD:
        return
    for developer in developers.people_of(session, client.organization_id):
        mail.enqueue(
            session, to=developer.account.email, template="app_review", given_name=developer.account.given_name,
            app=client.name, client_id=client.id, step=step.value, at=now(),
        )  # fmt: skip


def _tell_contact(session: Session, client: Client, step: ReviewStep) -> None:
    """That there is news, without a word of whoever registered the app: the address may be a stranger's."""
    to = (client.contact or "").removeprefix("mailto:")
    of_program = session.get(DynamicRegistration, client.id) is not None
    if step not in _PLANS_OWN or not of_program or not is_email(to):
        return
    if throttling.hit(session, f"app:contact:{throttling.hidden(to.lower())}", PER_ADDRESS, _DAY):
        mail.enqueue(session, to=to, template="program_review", client_id=client.id, step=step.value, at=now())
