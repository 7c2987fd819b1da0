"""Approved apps at the staff console: stopping, letting in again and closing; members told; reports."""

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import grants, representatives
from consent.models import EndedBy, Grant, RepresentativeLink
from oauth.apps import admission, app_reports, approval, changes, disabling, member_notices, reviews
from oauth.apps.approval import NotToBeApproved
from oauth.apps.models import (
    AppReport,
    AppReviewEvent,
    ReportReason,
    ReviewState,
    ReviewStep,
)
from oauth.models import Client
from service.accounts.models import Account
from service.accounts.notice_model import Notice, NoticeKind
from service.db import make_sessions
from service.plan.models import PendingAct
from tests.accounts.visitor import Visitor, letters
from tests.factories import make_account, make_member
from tests.member.pages import Reader, represent
from tests.oauth.desk import Desk
from tests.oauth.life import Life
from tests.staff.console import make_clerk
from tests.staff.reviewing import REVIEWER, press


def told_of(session: Session, desk: Desk, life: Life, account: Account | None = None) -> list[NoticeKind]:
    """What an account was told of the plan's steps with an app, the first first."""
    steps = (NoticeKind.APP_STOPPED, NoticeKind.APP_BACK, NoticeKind.APP_CLOSED)
    mine = (Notice.account_id == (account or desk.account).id, Notice.client_id == life.app.id, Notice.kind.in_(steps))
    with Session(session.get_bind()) as own:
        return list(own.scalars(select(Notice.kind).where(*mine).order_by(Notice.at)))


def test_suspending_letting_in_and_closing_take_a_reason_and_tell_the_members(
    app: Flask, session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    token = desk.connect(life.app)["access_token"]
    clerk = make_clerk(app, session, REVIEWER)
    assert press(clerk, life, "suspend", reason=" ") == 400
    assert desk.works(token)

    assert press(clerk, life, "suspend", reason="A report from a member.") == 303
    assert not desk.works(token)
    assert press(clerk, life, "suspend", reason="Again.") == 409
    assert press(clerk, life, "reinstate", reason="Mended.") == 303
    assert desk.works(token)
    assert press(clerk, life, "retire", reason="The developer has gone.") == 303
    assert not desk.works(token)
    assert press(clerk, life, "reinstate", reason="No.") == 409

    sessions = make_sessions(session.get_bind())  # type: ignore[arg-type]
    session.commit()
    member_notices.run(sessions, desk.settings)
    member_notices.run(sessions, desk.settings)
    assert told_of(session, desk, life) == [NoticeKind.APP_STOPPED, NoticeKind.APP_BACK, NoticeKind.APP_CLOSED]
    mails = letters(session, desk.settings, desk.account.email)
    assert any("You have a message" in mail for mail in mails)
    assert not any("A report from a member" in mail or life.app.view.name in mail for mail in mails)
    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text
    assert "A report from a member." in page and "Suspended by the plan" in page


def test_taking_scopes_away_ends_wider_tokens_and_is_told_to_the_developers(
    app: Flask, session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    tokens = desk.connect(life.app)
    clerk = make_clerk(app, session, REVIEWER)
    with desk.session() as own:
        before = own.get_one(Client, life.app.id).scopes
    left = "launch/patient offline_access patient/Patient.rs"
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    reads = lambda kind: app.test_client().get(f"/fhir/r4/{kind}", headers=headers).status_code  # noqa: E731
    assert reads("Coverage") == 200
    for scopes, reason in (
        ("", "why"),
        (left, " "),
        (before, "why"),
        (f"{left} system/*.rs", "why"),
        ("openid", "why"),
    ):
        assert press(clerk, life, "narrow", scopes=scopes, reason=reason) == 400, (scopes, reason)
    assert reads("Coverage") == 200

    assert press(clerk, life, "narrow", scopes=left, reason="Coverage is not needed.") == 303
    assert (reads("Coverage"), reads("Patient")) == (401, 401)
    refreshed = desk.refresh(life.app, tokens["refresh_token"]).get_json()
    headers["Authorization"] = f"Bearer {refreshed['access_token']}"
    assert "Coverage" not in refreshed["scope"] and (reads("Coverage"), reads("Patient")) == (403, 200)
    with desk.session() as own:
        client, standing = own.get_one(Client, life.app.id), admission.versions_of(own, life.app.id).standing
        assert standing is not None and set(client.scopes.split()) == set(left.split())
        assert standing.content["scopes"] == client.scopes
    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text
    assert "Coverage is not needed." in page and "Scopes taken away by the plan" in page
    assert press(clerk, life, "retire", reason="Gone.") == 303
    assert press(clerk, life, "narrow", scopes="patient/Patient.rs", reason="Again.") == 409


def test_what_was_taken_away_comes_back_by_no_yes_to_a_version_that_was_looked_at_before(desk: Desk) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    with desk.session() as own:
        life.propose(own, name="New name")
        life.submit(own)
        act = life.first_look(own)
        act_id, seen = act.id, {line["what"] for line in act.content["changes"]}
    left = "launch/patient offline_access patient/Patient.rs"
    with desk.session() as own:
        changes.narrow(own, life.app.id, left, reason="Coverage is not needed.")

    with desk.session() as own, pytest.raises(NotToBeApproved):
        act = own.get_one(PendingAct, act_id)
        approval.second_look(own, act, by=life.staff(own, 1), settings=desk.settings)

    with desk.session() as own:
        assert set(own.get_one(Client, life.app.id).scopes.split()) == set(left.split())
        again = life.first_look(own)
        assert {line["what"] for line in again.content["changes"]} > seen, "what comes back is read now"


def test_members_are_told_in_batches_and_each_once(
    app: Flask, session: Session, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_notices, "_BATCH", 1)
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    desk.connect(life.app)
    with desk.session() as own:
        reviews.suspend(own, life.app.id, reason="a report", settings=desk.settings)

    member_notices.run(make_sessions(session.get_bind()), desk.settings)  # type: ignore[arg-type]

    assert told_of(session, desk, life) == [NoticeKind.APP_STOPPED]
    event = session.scalars(select(AppReviewEvent).where(AppReviewEvent.step == ReviewStep.SUSPEND)).one()
    assert event.members_told_at is not None


def test_a_report_is_closed_once_with_what_was_done(app: Flask, session: Session, desk: Desk) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    other = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    with desk.session() as own:
        made = app_reports.report(
            own, life.app.id, account_id=desk.account.id, reason=ReportReason.UNSAFE, words="It\u202e said stop."
        )
        report_id = made.id
    clerk = make_clerk(app, session, REVIEWER)
    page = clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text
    assert "said stop." in page and "\u202e" not in page
    assert life.app.view.name in clerk.browser.get("/staff/app-reviews/").text

    assert press(clerk, life, f"reports/{report_id}/close", reason="") == 400
    assert press(clerk, other, f"reports/{report_id}/close", reason="Called them.") == 404
    assert press(clerk, life, f"reports/{report_id}/close", reason="Called them.") == 303
    assert press(clerk, life, f"reports/{report_id}/close", reason="Called again.") == 409

    found = session.get_one(AppReport, report_id)
    assert (found.outcome, found.closed_by_account_id) == ("Called them.", clerk.account.id)
    told = session.scalars(select(AppReviewEvent).where(AppReviewEvent.client_id == life.app.id)).all()
    assert not any("stop" in event.words for event in told)


def test_case_017_what_is_disabled_is_shut_at_once_and_leaves_the_gallery(
    app: Flask, session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    assert Visitor(app).get(f"/gallery/{life.app.id}").status_code == 200

    life.disable_organization()

    assert Visitor(app).get(f"/gallery/{life.app.id}").status_code == 404
    assert desk.authorize(app.test_client(), life.app).status_code == 400
    clerk = make_clerk(app, session, REVIEWER)
    assert "The organization is disabled." in clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text


def test_members_are_told_once_of_each_app_when_a_whole_organization_is_shut_out(
    app: Flask, session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    resting = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    desk.connect(life.app)
    desk.connect(life.app)
    desk.connect(resting.app)
    with desk.session() as own:
        member = make_member(own)
        revoked = make_account(own, member=member)
    desk.connect(life.app, account=revoked, member=member)
    with desk.session() as own:
        own.get_one(Client, resting.app.id).organization_id = life.developer(own).organization_id
        reviews.suspend(own, resting.app.id, reason="a report", settings=desk.settings)
        grant = own.scalars(select(Grant).where(Grant.account_id == revoked.id)).one()
        grants.revoke(own, grant, by=EndedBy.MEMBER)

    for act in (disabling.disable, disabling.enable):
        with desk.session() as own:
            organization = life.developer(own).organization
            act(own, organization, reason="unknown", settings=desk.settings, by_account_id=None)
    member_notices.run(make_sessions(session.get_bind()), desk.settings)  # type: ignore[arg-type]

    assert told_of(session, desk, life) == [NoticeKind.APP_STOPPED, NoticeKind.APP_BACK]
    assert told_of(session, desk, resting) == [NoticeKind.APP_STOPPED], "its own suspension, and no word again"
    assert told_of(session, desk, life, revoked) == []


def test_what_the_plan_does_with_an_app_is_told_for_whom_it_was_connected_and_to_nobody_shut_out(
    session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    with desk.session() as own:
        dana, out, child = make_account(own), make_account(own), make_member(own)
    for member in (desk.member, child):
        represent(desk, dana, member)
    link = represent(desk, out, desk.member)
    for account, member in ((dana, desk.member), (dana, child), (out, desk.member)):
        desk.connect(life.app, account=account, member=member)

    def heard_by(account: Account) -> list[tuple[NoticeKind, str | None]]:
        steps = (NoticeKind.APP_STOPPED, NoticeKind.APP_BACK)
        mine = (Notice.account_id == account.id, Notice.kind.in_(steps))
        with Session(session.get_bind()) as own:
            found = own.execute(select(Notice.kind, Notice.member_id).where(*mine).order_by(Notice.at)).all()
            return sorted((kind, member_id) for kind, member_id in found)

    with desk.session() as own:
        representatives.block(own, own.get_one(RepresentativeLink, link.id), by_account_id=None)
    for step in (reviews.suspend, reviews.reinstate):
        with desk.session() as own:
            step(own, life.app.id, reason="a report", settings=desk.settings)
        member_notices.run(make_sessions(session.get_bind()), desk.settings)  # type: ignore[arg-type]

    both = [NoticeKind.APP_STOPPED, NoticeKind.APP_BACK]
    assert heard_by(desk.account) == sorted((kind, desk.member.id) for kind in both), "once, however many let it in"
    assert heard_by(dana) == sorted((kind, one.id) for kind in both for one in (desk.member, child))
    assert heard_by(out) == []
    assert f"About {child.full_name}" in Reader(desk, dana).get("/messages").text


def test_a_step_that_changes_nothing_while_the_organization_is_shut_out_is_told_to_no_member(
    session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    desk.connect(life.app)
    life.disable_organization()
    with desk.session() as own:
        reviews.suspend(own, life.app.id, reason="a report", settings=desk.settings)
        reviews.reinstate(own, life.app.id, reason="mended", settings=desk.settings)
    member_notices.run(make_sessions(session.get_bind()), desk.settings)  # type: ignore[arg-type]
    assert told_of(session, desk, life) == [NoticeKind.APP_STOPPED]
