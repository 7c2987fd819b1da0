"""Whole developer organisations at the staff console: found, shut out with a reason, let in again, everybody told."""

import re
from urllib.parse import urlencode

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from oauth.apps import developers, member_notices
from oauth.apps.models import DeveloperOrganization, DeveloperRole, ReviewState
from service.accounts.notice_model import Notice, NoticeKind
from service.audit import AuditEvent
from service.db import make_sessions
from service.plan.models import StaffRole
from tests.accounts.visitor import Visitor, letters
from tests.factories import make_account, make_app, make_developer, make_plan_staff
from tests.oauth.desk import Desk
from tests.oauth.life import Life
from tests.staff.console import Clerk, make_clerk, sign_in_clerk
from tests.staff.reviewing import REVIEWER

PLACE = "/staff/developer-organizations"


def press(clerk: Clerk, organization_id: str, step: str, reason: str) -> int:
    """Open the organisation's page and send its form; the status of the answer."""
    clerk.browser.get(f"{PLACE}/{organization_id}")
    return clerk.browser.post(f"{PLACE}/{organization_id}/{step}", reason=reason).status_code


def organization_of(desk: Desk, life: Life) -> str:
    with desk.session() as own:
        return life.developer(own).organization_id


def test_an_organization_is_shut_out_and_let_in_again_with_reasons_and_everybody_is_told_once(
    app: Flask, session: Session, desk: Desk
) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.APPROVED)
    organization_id = organization_of(desk, life)
    with desk.session() as own:
        second = life.developer(own)
        make_app(own, second, desk.settings, name="A second app")
        email = second.account.email
    token = desk.connect(life.app)["access_token"]
    clerk = make_clerk(app, session, REVIEWER, given_name="Gwen", family_name="Reader")

    page = clerk.browser.get(f"{PLACE}/{organization_id}").text
    assert life.app.view.name in page and "A second app" in page and email in page
    assert "1 connection live now." in page and "It was never shut out." in page
    assert desk.member.family_name not in page
    assert press(clerk, organization_id, "enable", "Not yet.") == 409
    assert press(clerk, organization_id, "disable", " ") == 400
    assert press(clerk, organization_id, "disable", "x" * 501) == 400
    assert desk.works(token)

    assert press(clerk, organization_id, "disable", "Sold what <b>members</b> shared.") == 303
    assert not desk.works(token)
    assert press(clerk, organization_id, "disable", "Again.") == 409
    shown = clerk.browser.get(f"{PLACE}/{organization_id}").text
    assert "Sold what &lt;b&gt;members&lt;/b&gt; shared." in shown and "Gwen Reader" in shown
    assert "Shut out" in clerk.browser.get(f"{PLACE}/").text
    assert "The organization is disabled." in clerk.browser.get(f"/staff/app-reviews/{life.app.id}").text

    assert press(clerk, organization_id, "enable", "They gave it back.") == 303
    assert desk.works(token)
    assert press(clerk, organization_id, "enable", "Again.") == 409
    history = clerk.browser.get(f"{PLACE}/{organization_id}").text.partition("History</h2>")[2]
    assert history.index("They gave it back.") < history.index("Sold what")

    session.commit()
    member_notices.run(make_sessions(session.get_bind()), desk.settings)  # type: ignore[arg-type]
    developer_mails = letters(session, desk.settings, email)[-2:]
    assert "the plan disabled" in developer_mails[0] and "enabled your organization" in developer_mails[1]
    assert not any("Sold what" in one for one in developer_mails)
    assert not [one for one in letters(session, desk.settings, desk.account.email) if life.app.view.name in one]
    told = select(Notice.kind).where(Notice.account_id == desk.account.id).order_by(Notice.at)
    about = {NoticeKind.APP_STOPPED, NoticeKind.APP_BACK}
    assert [kind for kind in session.scalars(told) if kind in about] == [NoticeKind.APP_STOPPED, NoticeKind.APP_BACK]
    tags = ("oauth:developer:disable", "oauth:developer:enable")
    rows = session.scalars(select(AuditEvent).where(AuditEvent.tag.in_(tags)).order_by(AuditEvent.id)).all()
    assert [(row.tag, row.account_id, row.detail) for row in rows] == [
        (tag, clerk.account.id, {"organization": organization_id}) for tag in tags
    ]
    assert rows[0].reason == "Sold what <b>members</b> shared."


def test_the_developers_of_an_organization_without_an_app_that_works_are_told_and_read_why(
    app: Flask, session: Session, desk: Desk
) -> None:
    developer = make_developer(session)
    colleague, gone = make_account(session), make_account(session)
    developers.join(session, colleague, developer.organization, DeveloperRole.DEVELOPER)
    developers.remove(session, developers.join(session, gone, developer.organization), gone.id)
    clerk = make_clerk(app, session, REVIEWER)

    assert press(clerk, developer.organization_id, "disable", "Nobody knows them.") == 303

    for account, mails in ((developer.account, 1), (colleague, 1), (gone, 0)):
        told = [one for one in letters(session, desk.settings, account.email) if "the plan disabled" in one]
        assert len(told) == mails
    session.commit()
    browser = Visitor(app)
    browser.enter(developer.account)
    assert "Nobody knows them." in browser.get("/developers/apps").text


def test_organizations_are_found_by_name_app_and_person(app: Flask, session: Session, desk: Desk) -> None:
    make_developer(session, account=make_account(session, email="ada@orchard.example"), name="Orchard 100% Works")
    other = make_developer(session, name="Harbor Street")
    made, _secret = make_app(session, other, desk.settings, name="Quiet Harbor")
    clerk = make_clerk(app, session, REVIEWER)
    for sought, names in {
        "": ["Harbor Street", "Orchard 100% Works"], "orchard": ["Orchard 100% Works"], "quiet": ["Harbor Street"],
        "ada@orchard": ["Orchard 100% Works"], "100%": ["Orchard 100% Works"], "1%0": [], "_": [],
    }.items():  # fmt: skip
        page = clerk.browser.get(f"{PLACE}/?{urlencode({'q': sought})}").text
        assert re.findall(r'developer-organizations/[0-9a-f-]{36}">([^<]+)</a>', page) == names, sought
    assert "There are no more." in clerk.browser.get(f"{PLACE}/?page=900").text
    assert clerk.browser.get(f"{PLACE}/?page=x").status_code == 200
    assert other.organization_id in clerk.browser.get(f"/staff/app-reviews/{made.id}").text
    assert f"{PLACE}/" in clerk.browser.get("/staff/").text


def test_nobody_decides_on_their_own_organization_and_no_other_role_or_unknown_one_has_a_page(
    app: Flask, session: Session
) -> None:
    reviewer = make_plan_staff(session, REVIEWER)
    own = make_developer(session, account=reviewer.account)
    session.commit()
    clerk = Clerk(reviewer, sign_in_clerk(app, reviewer.account))
    assert "This is your own developer organization." in clerk.browser.get(f"{PLACE}/{own.organization_id}").text
    clerk.browser.get("/staff/")
    refused = clerk.browser.post(f"{PLACE}/{own.organization_id}/disable", reason="Mine.")
    assert refused.status_code == 409 and "Please ask a colleague" in refused.text
    assert session.get_one(DeveloperOrganization, own.organization_id, populate_existing=True).stands
    session.commit()
    for unknown in ("00000000-0000-4000-8000-000000000000", "no-id"):
        assert clerk.browser.get(f"{PLACE}/{unknown}").status_code == 404
    clerk.browser.get("/staff/")
    answer = clerk.browser.post_without_token(f"{PLACE}/{own.organization_id}/disable", reason="x")
    assert answer.status_code == 403
    session.commit()
    nora = make_clerk(app, session, StaffRole.MEMBER_SERVICES)
    assert nora.browser.get(f"{PLACE}/{own.organization_id}").status_code == 404
