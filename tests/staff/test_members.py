"""The Members tab: look-up, reason, the view's parts; protected records and the queue of break-glass looks."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import grant_changes, representatives
from consent.models import Grant
from service import mail
from service.accounts import authentication, throttling
from service.accounts.models import Account
from service.audit import Outcome
from service.clock import now
from service.plan.models import Guard, Member, ProtectedRecord, StaffRole
from service.plan.staff import record_guards
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.attacks.looks import every, look_at, rows, services
from tests.factories import make_account, make_member, make_plan_staff
from tests.member.pages import represent
from tests.oauth.desk import Desk
from tests.staff.console import make_clerk


def facts(page: str) -> dict[str, str]:
    """What the page's lists of facts say: term and value, without tags."""
    pairs = re.findall(r"<dt>(.*?)</dt>\s*<dd[^>]*>(.*?)</dd>", page, re.S)
    return {term: re.sub(r"<[^>]+>", "", value).strip() for term, value in pairs}


def test_a_member_is_found_by_number_however_typed_and_by_name_with_birth_date(app: Flask, session: Session) -> None:
    member = make_member(session, family_name="O'Neil", member_number="MHP7")
    clerk = services(app, session)
    clerk.browser.get("/staff/members/")

    by_number = clerk.browser.post("/staff/members/", member_number=" mhp7 ")
    by_name = clerk.browser.post("/staff/members/", family_name="oneil", birth_date="1956-04-30")
    another_day = clerk.browser.post("/staff/members/", family_name="oneil", birth_date="1956-05-01")

    assert f"/staff/members/of/{member.patient_id}" in by_number.text
    assert f"/staff/members/of/{member.patient_id}" in by_name.text
    assert "Nobody fits" in another_day.text and member.patient_id not in another_day.text


@pytest.mark.parametrize(
    "asked", [{}, {"family_name": "King"}, {"birth_date": "1956-04-30"}, {"family_name": "K", "birth_date": "soon"}]
)
def test_half_a_look_up_looks_for_nobody(app: Flask, session: Session, asked: dict[str, str]) -> None:
    make_member(session, family_name="King")
    clerk = services(app, session)
    clerk.browser.get("/staff/members/")

    assert clerk.browser.post("/staff/members/", **asked).status_code == 400
    assert rows(session, "staff:member:lookup") == []


def test_a_look_up_shows_ten_at_most(app: Flask, session: Session) -> None:
    for _ in range(12):
        make_member(session, family_name="Alvarez")
    clerk = services(app, session)
    clerk.browser.get("/staff/members/")

    page = clerk.browser.post("/staff/members/", family_name="Alvarez", birth_date="1956-04-30").text

    assert page.count("/staff/members/of/") == 10 and "Only the first 10" in page
    assert len(rows(session, "staff:member:lookup")) == 10


def test_an_unknown_member_has_no_page(app: Flask, session: Session) -> None:
    clerk = services(app, session)

    assert clerk.browser.get("/staff/members/of/nobody").status_code == 404


def test_the_view_shows_whether_the_login_works(app: Flask, session: Session, settings: Settings) -> None:
    member = make_member(session)
    owner = make_account(session, member=member, username="maria")
    owner.last_signed_in_at = now() - timedelta(days=1)
    for _ in range(authentication.PER_ACCOUNT):
        throttling.hit(session, f"sign-in:account:{owner.id}", 1, 300)
    clerk = services(app, session)

    seen = facts(clerk.browser.get(look_at(clerk, member)).text)

    assert seen["User name"] == "maria"
    assert seen["Status"].startswith("locked for now")
    assert seen["Last sign-in"].endswith(f"({settings.plan.timezone.key})")


def test_the_view_of_a_member_without_a_login_says_so(app: Flask, session: Session) -> None:
    member = make_member(session)
    clerk = services(app, session)

    place = look_at(clerk, member)
    page = clerk.browser.get(place).text

    assert "The member has no login" in page and "password-links" not in page
    path = place.replace("/staff/members/looks/", "/staff/password-links/member/")
    assert clerk.browser.get(path).status_code == 404


def test_the_view_shows_apps_with_their_reads_and_no_way_to_revoke(app: Flask, session: Session) -> None:
    desk = Desk(app)
    token = desk.connect(desk.register(name="Health Diary"))["access_token"]
    for _ in range(2):
        answer = app.test_client().get("/fhir/r4/Patient", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
    clerk = services(app, session)
    member = session.get_one(Member, desk.member.id)
    session.commit()

    page = clerk.browser.get(look_at(clerk, member)).text

    assert "Health Diary" in page and "Reads in the last 30 days: 2" in page
    assert "/revoke" not in page

    with desk.session() as own:
        grant, account = own.scalars(select(Grant)).one(), own.get_one(Account, desk.account.id)
        choice = representatives.right_for(own, account, member.id)
        assert choice is not None
        grant_changes.pause(own, grant, account, choice)
    page = clerk.browser.get(look_at(clerk, member)).text
    assert "Health Diary" in page and "Paused: it sees nothing until it is resumed." in page
    assert "/resume" not in page


def test_the_view_shows_who_acts_for_the_member(app: Flask, session: Session) -> None:
    desk = Desk(app)
    account = make_account(session, given_name="Dana", family_name="Reyes")
    session.commit()
    represent(desk, account, desk.member)
    clerk = services(app, session)

    page = clerk.browser.get(look_at(clerk, desk.member)).text

    assert "Dana Reyes" in page and "Acts as" in page


def test_the_view_lists_mails_by_subject_and_none_from_before_the_address_was_this_login_s(
    app: Flask, session: Session
) -> None:
    member = make_member(session)
    owner = make_account(session, member=member, email="home@example.org")
    mail.enqueue(session, to=owner.email, template="new_device", given_name="Maria", at=now(), left="")
    clerk = services(app, session)

    own = clerk.browser.get(look_at(clerk, member)).text
    owner.email_verified_at = now()
    session.commit()
    anothers = clerk.browser.get(look_at(clerk, member)).text

    assert "New sign-in to your account" in own and "waits to be sent" in own
    assert "New sign-in" not in anothers


def test_every_mail_has_a_subject_that_names_nobody(settings: Settings) -> None:
    templates = {template.rpartition("/")[2].partition(".")[0] for template in mail._environment().list_templates()}

    for template in templates:
        assert mail.subject_of(mail.OutboxMail(template=template), settings)


def test_the_officer_protects_a_record_and_takes_the_mark_away(app: Flask, session: Session) -> None:
    member, clerk = make_member(session), make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    page = "/staff/protected-records/"
    clerk.browser.get(page)

    assert clerk.browser.post(page, member_number="NOBODY-1", reason="x").status_code == 400
    assert clerk.browser.post(page, member_number=member.member_number).status_code == 400
    assert clerk.browser.post(page, member_number=member.member_number, reason="A singer").status_code == 303
    clerk.browser.get(page)
    assert clerk.browser.post(page, member_number=member.member_number, reason="x").status_code == 400
    assert [one.reason for one in every(session, select(ProtectedRecord))] == ["A singer"]
    clerk.browser.get(page)
    assert clerk.browser.post(f"{page}{member.patient_id}/lift").status_code == 400
    assert clerk.browser.post(f"{page}{member.patient_id}/lift", reason="Retired").status_code == 303
    clerk.browser.get(page)
    assert clerk.browser.post(f"{page}{member.patient_id}/lift", reason="x").status_code == 404

    assert every(session, select(ProtectedRecord)) == []
    events = rows(session, "staff:protected_record:mark") + rows(session, "staff:protected_record:lift")
    assert [(row.outcome, row.reason) for row in events] == [
        (Outcome.FAILED, None), (Outcome.SUCCESS, "A singer"), (Outcome.SUCCESS, "Retired"),
    ]  # fmt: skip


def test_who_left_the_plan_is_no_colleague(session: Session) -> None:
    member, by = make_member(session), make_plan_staff(session, StaffRole.MEMBER_SERVICES)
    former = make_plan_staff(session, StaffRole.APP_REVIEWER, account=make_account(session, member=member))
    assert record_guards.find_guard(session, by, member) is not None

    former.ended_at = now()
    session.flush()

    assert record_guards.find_guard(session, by, member) is None


def test_the_own_record_is_known_by_its_address_too(session: Session) -> None:
    member = make_member(session, email_on_file="Dana.Reyes@plan.example")
    same = {"email": "dana.reyes@plan.example"}
    by = make_plan_staff(session, StaffRole.MEMBER_SERVICES, account=make_account(session, **same))
    other = make_plan_staff(session, StaffRole.MEMBER_SERVICES)
    assert record_guards.find_guard(session, by, member) is Guard.OWN
    assert record_guards.find_guard(session, other, member) is Guard.COLLEAGUE

    by.account.email_verified_at = None
    assert record_guards.find_guard(session, by, member) is Guard.COLLEAGUE, "anybody could have entered it"

    by.account.email_verified_at = now()
    own = make_member(session, subscriber_number=member.subscriber_number)
    record_guards.know_colleague(session, by, own)
    assert record_guards.find_guard(session, by, own) is Guard.OWN
    assert record_guards.find_guard(session, by, member) is Guard.COLLEAGUE, "a child, with a parent's address"


def test_which_member_somebody_is_can_be_kept_from_the_command_line(app: Flask, session: Session) -> None:
    member, staff = make_member(session), make_plan_staff(session, StaffRole.APP_REVIEWER)
    username, number = staff.account.username, member.member_number
    session.commit()
    runner = app.test_cli_runner()

    kept = runner.invoke(args=["staff", "is-member", username, number])
    wrong = runner.invoke(args=["staff", "is-member", username, "NOBODY-1"])

    assert kept.exit_code == 0 and wrong.exit_code == 1
    by = make_plan_staff(session, StaffRole.MEMBER_SERVICES)
    assert record_guards.find_guard(session, by, member) is not None


def test_a_representative_does_not_see_who_looked(app: Flask, session: Session) -> None:
    desk = Desk(app)
    account = make_account(session)
    session.commit()
    represent(desk, account, desk.member)
    clerk = services(app, session)
    look_at(clerk, desk.member)
    browser = Visitor(app)
    browser.enter(account)

    assert browser.get("/people").status_code == 404
    assert browser.get("/who-has-looked").status_code == 404
