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

from oauth.apps import app_reports, policy_watch, reviews
from oauth.apps.models import PolicyWatch, ReportReason, ReviewState
from service.mail import OutboxMail
from service.member.schemas import AppReported
from service.plan.models import StaffRole
from tests.conftest import MovableClock
from tests.factories import make_app, make_client, make_developer, make_plan_staff
from tests.oauth.desk import Desk
from tests.oauth.keyed import redirect_to
from tests.oauth.life import Life, approve_latest
from tests.oauth.programs import Registered

DAY = timedelta(days=1).total_seconds()


@dataclass
class Policy:
    """A developer's server with a privacy policy."""

    url: str = ""
    says: str = "<html><head><title>x</title></head><body><p>We share <b>nothing</b>.</p></body></html>"
    status: int = 200
    moved_to: str = ""
    read: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Policy]:
    policy = Policy()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            policy.read.append(self.path)
            if policy.moved_to and self.path != policy.moved_to:
                redirect_to(policy.moved_to, 301)(self)
                return
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
            over = len(policy.read) - 2 >= 7
            assert mails(session) == (["unreachable"] if over else [])
            told = [ReportReason.POLICY_UNREADABLE] if over else []
            assert [report.reason for report in app_reports.list_open(session, app_id)] == told
    policy.status = 200
    clock.advance(DAY)
    look(desk)
    assert watch_of(desk, app_id).failing_since is None


def test_a_policy_of_200_kb_is_read_and_one_of_more_than_2_mb_is_not(
    desk: Desk, policy: Policy, app_id: str, clock: MovableClock
) -> None:
    policy.says = "<p>" + "We share nothing. " * 12_000 + "</p>"
    look(desk)
    assert watch_of(desk, app_id).digest is not None
    policy.says = "x" * (2 * 1024 * 1024 + 1)
    clock.advance(DAY)
    look(desk)
    assert watch_of(desk, app_id).failing_since is not None


def test_a_policy_that_has_moved_is_read_where_it_is(desk: Desk, policy: Policy, app_id: str) -> None:
    policy.moved_to = "/legal/privacy"
    look(desk)
    assert policy.read == ["/privacy", "/legal/privacy"] and watch_of(desk, app_id).digest


def test_what_reviewers_read_is_what_later_texts_are_held_against(
    desk: Desk, policy: Policy, clock: MovableClock
) -> None:
    life = Life.begin(desk, desk.settings, policy_uri=policy.url)
    look(desk)
    assert policy.read == [], "a draft is nobody's to read"
    life.to(ReviewState.SUBMITTED)
    look(desk)
    first = watch_of(desk, life.app.id).digest
    assert first is not None
    with desk.session() as session:
        life.approve(session)
    policy.says = "<p>We sell everything.</p>"
    look(desk)
    assert len(policy.read) == 1, "approval is no new look"
    clock.advance(DAY)
    look(desk)
    with desk.session() as session:
        assert [one.reason for one in app_reports.list_open(session, life.app.id)] == [ReportReason.POLICY_CHANGED]


def test_an_app_that_is_handed_in_anew_is_read_anew(desk: Desk, policy: Policy, clock: MovableClock) -> None:
    life = Life.begin(desk, desk.settings, policy_uri=policy.url).to(ReviewState.SUBMITTED)
    look(desk)
    clock.advance(DAY / 2)
    with desk.session() as session:
        reviews.withdraw(session, life.latest(session), by_account_id=life.developer_id)
        policy.says = "<p>We share a little.</p>"
        life.submit(session)
    clock.advance(60)
    look(desk)
    look(desk)
    assert len(policy.read) == 2
    with desk.session() as session:
        assert app_reports.list_open(session, life.app.id) == [] and mails(session) == []


def test_the_policies_of_programs_apps_are_not_asked_before_the_plan_has_looked(desk: Desk, policy: Policy) -> None:
    app = Registered.new(desk, policy_uri=policy.url)
    look(desk)
    assert policy.read == []
    with desk.session() as session:
        approve_latest(session, app.id, desk.settings)
    look(desk)
    assert policy.read == ["/privacy"]


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


@pytest.mark.parametrize("reason", ["policy_changed", "policy_unreadable"])
def test_nobody_reports_by_the_form_what_the_watch_sees(reason: str) -> None:
    assert "reason" in AppReported().validate({"reason": reason, "words": "It changed."})
