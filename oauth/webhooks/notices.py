"""Mails to the people of a developer organisation whose app's address does not take its messages."""

from datetime import timedelta

from sqlalchemy.orm import Session

from oauth.apps import developers
from oauth.models import Client
from oauth.webhooks.models import WebhookEndpoint
from service import mail
from service.clock import now

_ONCE_IN = timedelta(days=1)


def tell(session: Session, endpoint: WebhookEndpoint) -> None:
    """Tell them that a message was given up, once a day at most; or that the address ended itself, always."""
    told_lately = endpoint.told_at is not None and now() < endpoint.told_at + _ONCE_IN
    client = session.get_one(Client, endpoint.client_id)
    if client.organization_id is None or (told_lately and endpoint.ended_at is None):
        return
    endpoint.told_at = now()
    for developer in developers.people_of(session, client.organization_id):
        mail.enqueue(
            session, to=developer.account.email, template="webhook_failed", given_name=developer.account.given_name,
            app=client.name, client_id=client.id, ended="yes" if endpoint.ended_at else "", at=now(),
        )  # fmt: skip
