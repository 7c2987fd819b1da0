"""A developer with an app, its receiver, and the jobs that bring it messages."""

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, select

from consent import grants
from consent.models import EndedBy, Grant
from oauth.apps import clients
from oauth.apps.models import Developer
from oauth.webhooks import delivery, grant_events, outbox
from service.db import make_sessions
from service.mail import OutboxMail
from service.settings import Settings
from tests.developer.newcomer import Newcomer
from tests.oauth.desk import App, Committing, Desk
from tests.oauth.receiver import Receiver

SHOWN_SECRET = re.compile(r'id="webhook-secret">(whsec_[^<]+)<')


@dataclass
class Post:
    """A developer with an app, its receiver, and the jobs that serve it."""

    ada: Newcomer
    developer: Developer
    desk: Desk
    server: Receiver
    engine: Engine
    client_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.client_id = self.ada.registered()

    @property
    def here(self) -> str:
        return f"/developers/apps/{self.client_id}/webhooks"

    @property
    def settings(self) -> Settings:
        return self.ada.settings

    def listen(self) -> str:
        """Give the address, and the secret that the page shows."""
        found = SHOWN_SECRET.search(self.ada.post(self.here, url=self.server.url).text)
        assert found
        return found[1]

    def connect(self, **given: Any) -> str:
        """A member connects the app; the id of the grant."""
        with Committing(self.ada.app) as session:
            view = clients.get(session, self.client_id)
        self.desk.connect(App(view, None), **given)
        with Committing(self.ada.app) as session:
            return session.scalars(select(Grant.id).order_by(Grant.created_at.desc()).limit(1)).one()

    def revoke(self, grant_id: str) -> None:
        with Committing(self.ada.app) as session:
            grants.revoke(session, session.get_one(Grant, grant_id), by=EndedBy.MEMBER)

    def work(self) -> None:
        """One turn of the jobs."""
        sessions = make_sessions(self.engine)
        grant_events.run(sessions, self.settings)
        delivery.run(sessions, self.settings)

    def deliver(self) -> None:
        delivery.run(make_sessions(self.engine), self.settings)

    def states(self) -> list[tuple[str, str, int]]:
        """Event, state and tries of each message, the oldest first."""
        with Committing(self.ada.app) as session:
            found = reversed(outbox.latest(session, self.client_id))
            return [(one.event.value, one.state.value, one.tries) for one in found]

    def mails(self) -> int:
        with Committing(self.ada.app) as session:
            found = session.scalars(select(OutboxMail.id).where(OutboxMail.template == "webhook_failed")).all()
            return len(found)
