"""Messages to the servers of apps: what is told, to whom, signed how; tries, ends and hands; and who may look."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from consent import grant_changes, grants, representatives
from consent.grant_changes import Narrower
from consent.models import Basis, Duration, EndedBy, Grant, GrantChange, RepresentativeLink, Subject
from consent.scopes import parse
from oauth.apps import clients, developers, reviews
from oauth.apps.models import Developer
from oauth.webhooks import delivery, grant_events, outbox
from oauth.webhooks.models import Event, MessageState, WebhookEndpoint, WebhookMessage
from service.accounts.models import Account
from service.audit import AuditEvent
from service.clock import now
from service.db import make_sessions
from service.mail import OutboxMail
from service.plan.models import Member
from service.settings import Mode, Settings
from tests.conftest import ROOT, MovableClock
from tests.developer.newcomer import Newcomer
from tests.factories import make_account, make_developer, make_member, make_representative
from tests.oauth.desk import App, Committing, Desk
from tests.oauth.receiver import Receiver, receiver

_SECRET = re.compile(r'id="webhook-secret">(whsec_[^<]+)<')


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
        found = _SECRET.search(self.ada.post(self.here, url=self.server.url).text)
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


@pytest.fixture
def post(app: Flask, engine: Engine, clock: MovableClock) -> Iterator[Post]:
    with Committing(app) as session:
        developer = make_developer(session)
    with receiver() as server:
        yield Post(Newcomer(app).enter(developer), developer, Desk(app), server, engine)


def test_a_revoked_grant_is_told_signed_and_by_ids_that_the_app_has(post: Post) -> None:
    secret = post.listen()
    grant_id = post.connect()
    post.work()
    assert post.server.taken == [], "giving is nothing to tell"
    post.revoke(grant_id)

    post.work()
    post.work()

    (taken,) = post.server.taken
    assert taken.signed_by(secret) and not taken.signed_by("whsec_" + secret[-8:])
    assert taken.headers["content-type"] == "application/json"
    assert abs(int(taken.headers["webhook-timestamp"]) - now().timestamp()) < 60
    with Committing(post.ada.app) as session:
        member = session.get_one(Member, post.desk.member.id)
        subject = session.scalars(select(Subject.id).where(Subject.member_id == member.id)).one()
        ended = session.get_one(Grant, grant_id).ended_at
        row = session.get_one(WebhookEndpoint, post.client_id)
        assert secret not in (row.sealed_secret, row.sealed_previous_secret)
    assert ended
    assert taken.told == {
        "type": "grant.revoked", "timestamp": ended.isoformat(),
        "data": {"client_id": post.client_id, "patient": member.patient_id, "sub": subject},
    }  # fmt: skip
    for word in (member.family_name, member.given_name, post.desk.account.username, grant_id, member.id):
        assert word not in taken.body.decode()
    page = post.ada.get(post.here).text
    assert "Delivered" in page and taken.id in page and "grant.revoked" in page
    assert secret not in page and post.server.says not in page


def test_without_openid_no_subject_is_told(post: Post) -> None:
    post.listen()
    post.revoke(post.connect(scope="launch/patient patient/*.rs"))
    post.work()
    assert set(post.server.taken[0].told["data"]) == {"client_id", "patient"}


def test_a_deed_that_was_rolled_back_is_not_told(post: Post) -> None:
    post.listen()
    grant_id = post.connect()
    with Session(post.engine) as session:
        grants.revoke(session, session.get_one(Grant, grant_id), by=EndedBy.MEMBER)
        session.flush()
        session.rollback()
    post.work()
    assert post.server.taken == [] and post.states() == []


def test_what_ends_while_no_worker_runs_is_told_later_and_what_came_late_too(post: Post, clock: MovableClock) -> None:
    post.listen()
    first, second = post.connect(), post.connect(account=_other_account(post))
    post.revoke(first)
    clock.advance(5 * 86_400)
    post.work()
    assert post.server.events == ["grant.revoked"]
    # As a long transaction leaves it: the row bears a moment that the worker has passed already.
    with Committing(post.ada.app) as session:
        grants.revoke(session, session.get_one(Grant, second), by=EndedBy.PLAN)
        session.execute(update(Grant).where(Grant.id == second).values(ended_at=now() - timedelta(minutes=30)))
    clock.advance(60)
    post.work()
    assert post.server.events == ["grant.revoked", "grant.revoked"]


def _other_account(post: Post) -> Account:
    with Committing(post.ada.app) as session:
        member = make_member(session)
        account = make_account(session, member=member)
    post.desk.member = member
    return account


def test_a_grant_whose_time_is_over_is_told_once_and_one_revoked_before_is_not(
    post: Post, clock: MovableClock
) -> None:  # fmt: skip
    post.listen()
    post.connect(duration=Duration.ONCE)
    clock.advance(7_200)
    post.work()
    # The next yes marks the older grant as expired: that is no second end.
    post.revoke(post.connect(duration=Duration.ONCE))
    post.work()
    clock.advance(7_200)
    post.work()
    assert post.server.events == ["grant.expired", "grant.revoked"]


def test_what_ended_before_the_address_was_given_is_not_told(post: Post, clock: MovableClock) -> None:
    post.revoke(post.connect())
    clock.advance(5)
    post.listen()
    post.work()
    assert post.states() == []


def test_a_representative_who_may_no_longer_act_is_told_as_a_revoked_grant(post: Post) -> None:
    post.listen()
    with Committing(post.ada.app) as session:
        account = make_account(session)
        representative = make_representative(session, account)
        link = representatives.link(
            session, representative, session.get_one(Member, post.desk.member.id), basis=Basis.POWER_OF_ATTORNEY,
            timezone=post.settings.plan.timezone,
        )  # fmt: skip
        link_id = link.id
    post.connect(account=account)
    sessions = make_sessions(post.engine)
    grant_events.run_links(sessions, post.settings)
    assert post.states() == []
    with Committing(post.ada.app) as session:
        session.execute(update(RepresentativeLink).where(RepresentativeLink.id == link_id).values(version=2))
    for _ in range(2):
        grant_events.run_links(sessions, post.settings)
    post.work()
    assert post.server.events == ["grant.revoked"]


def test_suspension_resumption_and_the_end_of_an_app_are_told(post: Post) -> None:
    post.listen()
    post.connect()
    with Committing(post.ada.app) as session:
        organization = session.scalars(select(Developer)).one().organization
        for act in (developers.disable, developers.enable):
            act(session, organization, reason="checked", settings=post.settings, by_account_id=None)
        reviews.retire(session, post.client_id, reason="over", settings=post.settings)
    post.work()
    assert sorted(post.server.events) == ["app.resumed", "app.retired", "app.suspended"]
    assert [event for event, _, _ in post.states()] == ["app.suspended", "app.resumed", "app.retired"]


def test_tries_grow_apart_and_end_and_the_developer_is_told_once_a_day(post: Post, clock: MovableClock) -> None:
    post.listen()
    post.server.status = 500
    assert post.ada.post(f"{post.here}/test").status_code == 303
    assert post.ada.post(f"{post.here}/test").status_code == 303
    for number, pause in enumerate(delivery.PAUSES, start=1):
        post.deliver()
        post.deliver()
        assert len(post.server.taken) == number, "one at a time, and not before its time"
        with Committing(post.ada.app) as session:
            # Its sister waits, so that the tries of one can be counted.
            session.execute(
                update(WebhookMessage).where(WebhookMessage.tries == 0).values(due_at=now() + 2 * delivery.PAUSES[-1])
            )
        clock.advance(max(pause.total_seconds(), 301) + 1)
    assert post.mails() == 0
    post.ada.enter(post.developer)
    page = post.ada.get(post.here).text
    assert "Waiting, 9 tries." in page and "It answered with status 500." in page and "Next try" in page
    post.deliver()
    assert len(post.server.taken) == 10 and len({one.id for one in post.server.taken}) == 1
    assert len({one.body for one in post.server.taken}) == 1
    assert post.states()[0] == ("webhook.test", "failed", 10) and post.mails() == 1
    clock.advance(60)
    post.deliver()
    assert len(post.server.taken) == 10, "given up"

    post.server.status = 200
    again = post.server.taken[0].id
    clock.advance(600)
    assert post.ada.post(f"{post.here}/{again}/again").status_code == 303
    post.deliver()
    assert post.server.taken[-1].id == again and ("webhook.test", "delivered", 1) in post.states()


def test_an_address_that_fails_does_not_hold_up_another(post: Post) -> None:
    post.listen()
    post.server.hold.clear()
    with receiver() as quick:
        other = copy(post)
        other.server, other.client_id = quick, post.ada.registered(name="Other Beacon")
        other.listen()
        post.ada.post(f"{post.here}/test")
        for _ in range(3):
            post.ada.post(f"{other.here}/test")
        post.deliver()
        post.server.hold.set()
        post.deliver()
        assert quick.events == ["webhook.test"] * 3
    assert post.states() == [("webhook.test", "waiting", 1)]


def test_410_ends_the_messages_and_tells_the_developer(post: Post) -> None:
    first = post.listen()
    post.server.status = 410
    for _ in range(2):
        post.ada.post(f"{post.here}/test")
    post.deliver()
    assert [state for _, state, _ in post.states()] == ["failed", "dropped"] and post.mails() == 1
    page = post.ada.get(post.here).text
    assert "answered 410" in page and "/webhooks/test" not in page
    assert post.ada.post(f"{post.here}/test").status_code == 409
    assert post.ada.post(f"{post.here}/secret").status_code == 409
    post.revoke(post.connect())
    post.work()
    assert len(post.server.taken) == 1
    assert post.listen() != first, "a new address, a new secret"


def test_a_new_secret_signs_beside_the_old_for_a_day(post: Post, clock: MovableClock) -> None:
    old = post.listen()
    found = _SECRET.search(post.ada.post(f"{post.here}/secret").text)
    assert found and found[1] != old
    post.ada.post(f"{post.here}/test")
    post.deliver()
    assert post.server.taken[0].signed_by(old) and post.server.taken[0].signed_by(found[1])
    clock.advance(86_401)
    with Committing(post.ada.app) as session:
        outbox.announce(session, post.client_id, Event.TEST)
    post.deliver()
    assert not post.server.taken[1].signed_by(old) and post.server.taken[1].signed_by(found[1])


def test_another_address_keeps_the_secret_and_gets_what_waits(post: Post) -> None:
    secret = post.listen()
    post.server.status = 503
    post.ada.post(f"{post.here}/test")
    post.deliver()
    with receiver() as other, Committing(post.ada.app) as session:
        assert post.ada.post(post.here, url=other.url).status_code == 303
        session.execute(update(WebhookMessage).values(due_at=now()))
        session.commit()
        post.deliver()
        assert other.taken[0].signed_by(secret) and other.taken[0].id == post.server.taken[0].id


def test_taking_the_address_away_drops_what_waits_and_forgets_the_secret(post: Post) -> None:
    post.listen()
    post.ada.post(f"{post.here}/test")
    assert post.ada.post(f"{post.here}/remove").status_code == 303
    assert post.ada.post(f"{post.here}/remove").status_code == 303
    post.work()
    assert post.server.taken == [] and post.states() == [("webhook.test", "dropped", 0)]
    with Committing(post.ada.app) as session:
        row = session.get_one(WebhookEndpoint, post.client_id)
        assert row.sealed_secret == "" and row.sealed_previous_secret is None
        found = select(AuditEvent.tag).where(AuditEvent.tag.startswith("oauth:webhook:")).order_by(AuditEvent.id)
        tags = session.scalars(found).all()
        assert tags == ["oauth:webhook:set", "oauth:webhook:remove"]


def test_a_worker_that_dies_in_mid_send_leaves_the_message_to_the_next(post: Post, clock: MovableClock) -> None:
    secret = post.listen()
    post.ada.post(f"{post.here}/test")
    post.server.hold.clear()
    environment = os.environ | {
        "MODE": "sandbox", "VAR": str(post.settings.var), "DATABASE_URL": post.settings.database_url,
        "BASE_URL": post.settings.base_url, "SECRET_KEY": post.settings.secret_key.hex(),
    }  # fmt: skip
    script = (
        "from service.app import create_app; from oauth.webhooks import delivery; app = create_app(); "
        "held = app.extensions['latchstring']; delivery.run(held.sessions, held.settings)"
    )
    worker = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=environment)
    try:
        assert post.server.arrived.acquire(timeout=120)
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(15)
    post.server.hold.set()
    post.deliver()
    assert len(post.server.taken) == 1, "its lease lives"
    clock.advance(61)
    post.deliver()
    first, second = post.server.taken
    assert first.id == second.id and first.body == second.body and second.signed_by(secret)
    assert post.states() == [("webhook.test", "delivered", 2)]


def test_case_156_a_message_goes_to_no_address_inside(post: Post) -> None:
    for url in (
        "https://169.254.169.254/",
        "https://10.0.0.1/",
        "http://192.0.2.1/",
        "https://2130706433/",
        "ftp://a/",
    ):
        answer = post.ada.post(post.here, url=url)
        assert answer.status_code == 400 and "Address for messages" in answer.text, url
    with Committing(post.ada.app) as session:
        assert session.get(WebhookEndpoint, post.client_id) is None
    # An address that was fit when it was given, and leads inside by now: production sends nothing to loopback.
    post.listen()
    post.ada.post(f"{post.here}/test")
    delivery.run(make_sessions(post.engine), replace(post.settings, mode=Mode.PRODUCTION))
    assert post.server.taken == [] and post.states() == [("webhook.test", "waiting", 1)]


def test_messages_by_hand_are_counted(post: Post) -> None:
    post.listen()
    for _ in range(outbox.BY_HAND_AN_HOUR):
        assert post.ada.visitor.post(f"{post.here}/test").status_code == 303
    assert post.ada.post(f"{post.here}/test").status_code == 429


def test_another_developer_finds_nothing(post: Post) -> None:
    post.listen()
    post.ada.post(f"{post.here}/test")
    with Committing(post.ada.app) as session:
        message_id = session.scalars(select(WebhookMessage.message_id)).one()
        other = make_developer(session)
    eve = Newcomer(post.ada.app).enter(other)
    assert eve.get(post.here).status_code == 404
    for path in ("", "/secret", "/remove", "/test", f"/{message_id}/again"):
        assert eve.post(post.here + path, url=post.server.url).status_code == 404, path
    own = eve.registered(name="Eve's Beacon")
    assert eve.post(f"/developers/apps/{own}/webhooks/{message_id}/again").status_code == 404
    assert eve.post(f"/developers/apps/{own}/webhooks/{uuid4()}/again").status_code == 404
    with Committing(post.ada.app) as session:
        assert session.scalars(select(WebhookMessage.state)).one() is MessageState.WAITING


def test_pause_resumption_and_narrowing_are_told_each_once_with_their_moment(post: Post, clock: MovableClock) -> None:
    post.listen()
    grant_id = post.connect()

    def act(deed: Any) -> None:
        with Committing(post.ada.app) as session:
            account = session.get_one(Account, post.desk.account.id)
            choice = representatives.right_for(session, account, post.desk.member.id)
            assert choice is not None
            deed(session, session.get_one(Grant, grant_id), account, choice)

    def narrower(session: Session, grant: Grant, account: Account, choice: Any) -> None:
        left = Narrower(parse("openid patient/Coverage.rs"), frozenset(), False, grant.expires_at)
        grant_changes.narrow(session, grant, left, account, choice)

    # Within one turn of the worker none of them is lost, and a second pause is another one.
    for deed in (grant_changes.pause, grant_changes.resume, narrower, grant_changes.pause):
        act(deed)
    post.work()
    post.work()
    assert sorted(post.server.events) == ["grant.narrowed", "grant.paused", "grant.paused", "grant.resumed"]
    with Committing(post.ada.app) as session:
        moments = {change.at.isoformat() for change in session.scalars(select(GrantChange))}
    assert {taken.told["timestamp"] for taken in post.server.taken} == moments
    assert all(set(taken.told["data"]) == {"client_id", "patient", "sub"} for taken in post.server.taken)
    clock.advance(60)
    post.revoke(grant_id)
    post.work()
    assert post.server.events[-1] == "grant.revoked" and len(post.server.events) == 5
