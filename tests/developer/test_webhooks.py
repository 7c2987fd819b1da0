"""Messages to the servers of apps, on their way: tries, ends, secrets, hands; where none goes; and who may look."""

import os
import signal
import socket
import subprocess
import sys
import time
from copy import copy
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from oauth.webhooks import delivery, endpoints, outbox, signing
from oauth.webhooks.models import Event, MessageState, WebhookEndpoint, WebhookMessage
from service import outbound, sealing
from service.audit import AuditEvent
from service.clock import now
from service.db import make_sessions
from service.settings import Mode
from tests.conftest import ROOT, MovableClock
from tests.developer.newcomer import Newcomer
from tests.developer.post import SHOWN_SECRET, Post
from tests.factories import make_developer
from tests.oauth.desk import Committing
from tests.oauth.receiver import receiver


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


def test_an_address_that_does_not_answer_holds_up_nobody(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "FOR_PROGRAMS", replace(outbound.FOR_PROGRAMS, seconds=1.5))
    with socket.create_server(("127.0.0.1", 0)) as silent, receiver() as quick:
        post.server.url = f"http://127.0.0.1:{silent.getsockname()[1]}/hooks"
        post.listen()
        other = copy(post)
        other.server, other.client_id = quick, post.ada.registered(name="Other Beacon")
        other.listen()
        for _ in range(2):
            post.ada.post(f"{post.here}/test")
        for _ in range(3):
            post.ada.post(f"{other.here}/test")
        began = time.monotonic()
        post.deliver()
        took = time.monotonic() - began
        assert quick.events == ["webhook.test"] * 3 and other.states() == [("webhook.test", "delivered", 1)] * 3
        assert took < 1.4, "it was not waited for"
        assert post.states() == [("webhook.test", "waiting", 1), ("webhook.test", "waiting", 0)], "still under way"
        post.deliver()
        assert [tries for *_, tries in post.states()] == [1, 0], "one at a time for an address"
        problems = []
        while not problems and time.monotonic() < began + 10:
            time.sleep(0.1)
            with Committing(post.ada.app) as session:
                first = outbox.latest(session, post.client_id)[1]
                problems = [first.last_problem] if first.last_problem else []
        assert problems == ["It did not answer whole within 1.5 seconds."]
        with Committing(post.ada.app) as session:
            endpoint = session.get_one(WebhookEndpoint, post.client_id)
            assert endpoint.failures == 1 and endpoint.rests_until > now()


def test_addresses_that_failed_last_come_last_and_take_half_of_the_places(post: Post) -> None:
    for failures in (1, 2, 1, 3, 1, 1, 0, 0):
        give_address(post, failures)

    parcels = delivery._lease_due(make_sessions(post.engine), post.settings, 8, 4)

    assert [parcel.failing for parcel in parcels] == [False, False, True, True, True, True]


def give_address(post: Post, failures: int) -> None:
    """An app with an address that failed so often in a row, and a message that waits."""
    app = post.desk.register()
    with Committing(post.ada.app) as session:
        sealed = sealing.seal(post.settings.secret_key, endpoints.PURPOSE, signing.new_secret())
        session.add(
            WebhookEndpoint(
                client_id=app.id, url=post.server.url, sealed_secret=sealed, listens_from=now(), pulled_until=now(),
                failures=failures, rests_until=now(),
            )
        )  # fmt: skip
        session.flush()
        outbox.announce(session, app.id, Event.TEST)


def test_410_ends_the_messages_and_tells_the_developer(post: Post) -> None:
    first = post.listen()
    post.server.status = 410
    for _ in range(2):
        post.ada.post(f"{post.here}/test")
    post.deliver()
    assert [state for _, state, _ in post.states()] == ["failed", "dropped"] and post.mails() == 1
    page = post.ada.get(post.here).text
    assert "answered 410" in page and "/webhooks/test" not in page
    assert f'value="{post.server.url}"' in page, "its address, for who mends the server"
    assert post.ada.post(f"{post.here}/test").status_code == 409
    assert post.ada.post(f"{post.here}/secret").status_code == 409
    post.revoke(post.connect())
    post.work()
    assert len(post.server.taken) == 1
    assert post.listen() != first, "a new address, a new secret"


def test_a_new_secret_signs_beside_the_old_for_a_day(post: Post, clock: MovableClock) -> None:
    old = post.listen()
    found = SHOWN_SECRET.search(post.ada.post(f"{post.here}/secret").text)
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
