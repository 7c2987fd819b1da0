"""The privacy-policy watch: what is read, what counts as a change, who is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from oauth.apps import app_reports, policy_watch
from oauth.apps.models import PolicyWatch, ReportReason
from service.mail import OutboxMail
from service.member.schemas import AppReported
from service.plan.models import StaffRole
from tests.conftest import MovableClock
from tests.factories import make_app, make_client, make_developer, make_plan_staff
from tests.oauth.desk import Desk

DAY = timedelta(days=1).total_seconds()


@dataclass
class Policy:
    """A developer's server with a privacy policy."""

    url: str = ""
    says: str = "<html><head><title>x</title></head><body><p>We share <b>nothing</b>.</p></body></html>"
    status: int = 200
    read: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Policy]:
    policy = Policy()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            policy.read.append(self.path)
            body = policy.says.encode()
            self.send_response(policy.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    policy.url = f"http://localhost:{server.server_port}/privacy"
    yield policy
    server.shutdown()
    server.server_close()


@pytest.fixture
def policy() -> Iterator[Policy]:
    with serving() as made:
        yield made


@pytest.fixture
def app_id(desk: Desk, policy: Policy) -> str:
    """An approved app with that policy, of a developer."""
    with desk.session() as session:
        developer = make_developer(session)
        return make_client(
            session, desk.settings, policy_uri=policy.url, organization_id=developer.organization_id,
        )  # fmt: skip


def look(desk: Desk) -> None:
    policy_watch.run(desk.app.extensions["latchstring"].sessions, desk.settings)


def watch_of(desk: Desk, app_id: str) -> PolicyWatch:
    with desk.session() as session:
        return session.get_one(PolicyWatch, app_id)


def mails(session: Session) -> list[str]:
    found = session.scalars(select(OutboxMail).where(OutboxMail.template == "policy_watch").order_by(OutboxMail.id))
    return [str(mail.context["news"]) for mail in found]


def test_a_policy_is_read_once_a_day(desk: Desk, policy: Policy, app_id: str, clock: MovableClock) -> None:
    look(desk)
    look(desk)
    assert policy.read == ["/privacy"] and watch_of(desk, app_id).digest
    clock.advance(DAY - 1)
    look(desk)
    assert len(policy.read) == 1
    clock.advance(1)
    look(desk)
    assert len(policy.read) == 2


def test_other_words_are_reported_once_and_told(desk: Desk, policy: Policy, app_id: str, clock: MovableClock) -> None:
    look(desk)
    policy.says = "<p>We sell <b>everything</b>.</p>"
    clock.advance(DAY)
    look(desk)
    policy.says = "<p>We sell more.</p>"
    clock.advance(DAY)
    look(desk)
    with desk.session() as session:
        (report,) = app_reports.list_open(session, app_id)
        assert report.reason is ReportReason.POLICY_CHANGED and report.account_id is None
        assert mails(session) == ["changed", "changed"]
        clerk = make_plan_staff(session, StaffRole.APP_REVIEWER)
        app_reports.close(session, app_id, report.id, by=clerk, outcome="Read; agrees with the answer.")
        assert app_reports.list_open(session, app_id) == []


def test_other_markup_and_spaces_are_no_change(desk: Desk, policy: Policy, app_id: str, clock: MovableClock) -> None:
    look(desk)
    policy.says = "<script>var n = 7</script><div class=x>We   share\n<i>nothing</i>.</div><style>p{}</style>"
    clock.advance(DAY)
    look(desk)
    assert watch_of(desk, app_id).changed_at is None
    with desk.session() as session:
        assert app_reports.list_open(session, app_id) == [] and mails(session) == []


@pytest.mark.parametrize("before", ["<!doctype html><head><meta charset=utf-8>", "<head><title>A</title><body>"])
def test_a_head_without_its_end_hides_no_change(
    desk: Desk, policy: Policy, app_id: str, clock: MovableClock, before: str
) -> None:
    policy.says = f"{before}<p>We share nothing.</p>"
    look(desk)
    policy.says = f"{before}<p>We sell everything.</p>"
    clock.advance(DAY)
    look(desk)
    with desk.session() as session:
        assert mails(session) == ["changed"]


def test_a_policy_out_of_reach_is_told_after_seven_days_once(
    desk: Desk, policy: Policy, app_id: str, clock: MovableClock
) -> None:
    look(desk)
    policy.status = 500
    for _ in range(12):
        clock.advance(DAY)
        look(desk)
        with desk.session() as session:
            failing = session.get_one(PolicyWatch, app_id).failing_since
            assert failing is not None
            assert mails(session) == (["unreachable"] if len(policy.read) - 2 >= 7 else [])
    policy.status = 200
    clock.advance(DAY)
    look(desk)
    assert watch_of(desk, app_id).failing_since is None
    with desk.session() as session:
        assert app_reports.list_open(session, app_id) == []


def test_an_address_that_moved_is_read_anew_and_no_news(desk: Desk, policy: Policy, app_id: str) -> None:
    look(desk)
    with desk.session() as session:
        session.execute(update(PolicyWatch).values(address="http://localhost:1/old", digest="other"))
        session.commit()
        look(desk)
        assert session.get_one(PolicyWatch, app_id, populate_existing=True).address == policy.url
        assert mails(session) == []


def test_addresses_of_nobody_and_apps_out_of_the_gallery_are_not_asked(desk: Desk, policy: Policy) -> None:
    with desk.session() as session:
        make_client(session, desk.settings, policy_uri="https://diary.example/privacy")
        developer = make_developer(session)
        make_app(session, developer, desk.settings, policy_uri=policy.url)
    look(desk)
    with desk.session() as session:
        assert session.scalars(select(PolicyWatch)).all() == [] and policy.read == []


def test_nobody_reports_a_changed_policy_by_the_form() -> None:
    assert "reason" in AppReported().validate({"reason": "policy_changed", "words": "It changed."})
