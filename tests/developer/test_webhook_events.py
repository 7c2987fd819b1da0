"""Messages to the servers of apps: what is told, of whom, signed, and what is not."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from consent import grant_changes, grants, link_ends, representatives
from consent.grant_changes import Narrower
from consent.models import Basis, Duration, EndedBy, Grant, GrantChange, RepresentativeLink, Subject
from consent.scopes import parse
from oauth.apps import disabling, reviews
from oauth.apps.models import Developer
from oauth.webhooks import grant_events
from oauth.webhooks.models import WebhookEndpoint
from service.accounts.models import Account
from service.clock import now
from service.db import make_sessions
from service.plan.models import Member
from tests.conftest import MovableClock
from tests.developer.post import Post
from tests.factories import make_account, make_member, make_representative
from tests.oauth.desk import Committing


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


def test_a_grant_that_ends_with_its_link_is_told_once_however_late_it_is_written_down(
    post: Post, clock: MovableClock
) -> None:
    with Committing(post.ada.app) as session:
        account = make_account(session)
        representative = make_representative(session, account)
        link = representatives.link(
            session, representative, session.get_one(Member, post.desk.member.id), basis=Basis.POWER_OF_ATTORNEY,
            timezone=post.settings.plan.timezone, valid_until=now() + timedelta(days=5),
        )  # fmt: skip
        ends_at = link.valid_until
    post.connect(account=account)
    clock.advance(60)
    post.listen()
    clock.advance(9 * 86_400)
    # The worker was away: the pull passes the last day of the link before its end is written down.
    post.work()
    assert post.states() == []
    sessions = make_sessions(post.engine)
    for _ in range(2):
        link_ends.run(sessions, post.settings)
        post.work()
        grant_events.run_links(sessions, post.settings)
    post.work()
    (taken,) = post.server.taken
    assert ends_at and (taken.told["type"], taken.told["timestamp"]) == ("grant.revoked", ends_at.isoformat())


def test_suspension_resumption_and_the_end_of_an_app_are_told(post: Post) -> None:
    post.listen()
    post.connect()
    with Committing(post.ada.app) as session:
        organization = session.scalars(select(Developer)).one().organization
        for act in (disabling.disable, disabling.enable):
            act(session, organization, reason="checked", settings=post.settings, by_account_id=None)
        reviews.retire(session, post.client_id, reason="over", settings=post.settings)
    post.work()
    assert sorted(post.server.events) == ["app.resumed", "app.retired", "app.suspended"]
    assert [event for event, _, _ in post.states()] == ["app.suspended", "app.resumed", "app.retired"]


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
