"""security.md, Plan staff console: 144, 145, at records that open with a second reason only."""

from threading import Barrier, Thread

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.audit import Outcome
from service.clock import now
from service.db import make_sessions
from service.plan.models import Guard, Member, PlanStaff, ProtectedRecord, StaffRole, SupportLook, SupportPurpose
from service.plan.staff import record_guards, support_looks
from service.plan.staff.support_looks import Reasons, ReviewedAlready
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters
from tests.attacks.looks import SECOND, WHY, address, every, look_at, make_officer, rows, services
from tests.factories import make_account, make_member, make_plan_staff
from tests.staff.console import make_clerk


def guard_record(session: Session, member: Member, way: str) -> None:
    """Make the member a colleague, a colleague's child, or protected, by one of the ways in which it is known."""
    if way == "account":
        make_plan_staff(session, StaffRole.APP_REVIEWER, account=make_account(session, member=member))
    elif way == "entered":
        record_guards.know_colleague(session, make_plan_staff(session, StaffRole.APP_REVIEWER), member)
    elif way == "address on file":
        member.email_on_file = "Pat@plan.example"
        make_plan_staff(session, StaffRole.APP_REVIEWER, account=make_account(session, email="pat@plan.example"))
    elif way == "household":
        parent = make_member(session, subscriber_number=member.subscriber_number)
        make_plan_staff(session, StaffRole.APP_REVIEWER, account=make_account(session, member=parent))
    else:
        record_guards.protect(session, member, by=make_officer(session), reason="In the public eye")


WAYS = ("account", "entered", "address on file", "household", "protected")


@pytest.mark.parametrize("way", WAYS)
def test_case_144_a_guarded_record_opens_with_a_second_reason_and_the_officer_is_told(
    app: Flask, session: Session, settings: Settings, way: str
) -> None:
    member, officer = make_member(session, given_name="Ludmila"), make_officer(session)
    guard_record(session, member, way)
    clerk = services(app, session, given_name="Nora", family_name="Bell")

    clerk.browser.get("/staff/members/")
    found = clerk.browser.post("/staff/members/", member_number=member.member_number)
    asked = clerk.browser.get(address(member))
    refused = clerk.browser.post(address(member), **WHY, guard="  ")
    assert "Ludmila" not in found.text + asked.text + refused.text
    assert (refused.status_code, every(session, select(SupportLook))) == (400, [])
    assert letters(session, settings, officer.account.email) == []
    session.commit()
    place = look_at(clerk, member, guard=SECOND)

    assert "Ludmila" in clerk.browser.get(place).text
    [row] = rows(session, "staff:member:look")
    assert row.account_id == clerk.account.id and row.member_id == member.id and row.detail
    assert row.reason == f"member_called: {WHY['words']}"
    assert (row.detail["guard_reason"], row.detail["staff"], row.detail["member"]) == (
        SECOND, "Nora Bell", member.full_name,
    )  # fmt: skip
    [told] = letters(session, settings, officer.account.email)
    assert "/staff/break-glass/" in told
    for word in (member.full_name, member.member_number, SECOND, WHY["words"], "Nora"):
        assert word not in told


def test_case_144_ones_own_record_stays_shut_and_the_officer_is_told(
    app: Flask, session: Session, settings: Settings
) -> None:
    member, officer = make_member(session), make_officer(session)
    account = make_account(session, member=member)
    make_plan_staff(session, StaffRole.MEMBER_SERVICES, account=account)
    session.commit()
    browser = Visitor(app)
    browser.enter(account)

    browser.get(address(member))
    refused = browser.post(address(member), **WHY, guard=SECOND)

    assert refused.status_code == 403 and "your own record" in refused.text
    [look] = every(session, select(SupportLook))
    assert (look.guard, look.guard_reason, look.is_open(now())) == (Guard.OWN, SECOND, False)
    session.commit()
    assert browser.get(f"/staff/members/looks/{look.id}").status_code == 303
    assert [row.outcome for row in rows(session, "staff:member:look")] == [Outcome.REFUSED]
    assert len(letters(session, settings, officer.account.email)) == 1


def test_case_144_glass_stays_whole_where_nobody_but_the_looker_can_be_told(app: Flask, session: Session) -> None:
    member = make_member(session)
    session.add(ProtectedRecord(member_id=member.id, reason="x", marked_by_account_id=make_account(session).id))
    clerk = make_clerk(app, session, StaffRole.MEMBER_SERVICES, StaffRole.PRIVACY_OFFICER)

    clerk.browser.get(address(member))
    refused = clerk.browser.post(address(member), **WHY, guard=SECOND)

    assert refused.status_code == 400 and "No privacy officer can be told" in refused.text
    assert every(session, select(SupportLook)) == []


def test_case_144_another_officer_reviews_and_never_the_looker(app: Flask, session: Session) -> None:
    member = make_member(session)
    guard_record(session, member, "protected")
    clerk = make_clerk(app, session, StaffRole.MEMBER_SERVICES, StaffRole.PRIVACY_OFFICER)
    other = make_clerk(app, session, StaffRole.PRIVACY_OFFICER)
    look_at(clerk, member, guard=SECOND)
    [look] = every(session, select(SupportLook))
    session.commit()
    path = f"/staff/break-glass/{look.id}/review"

    clerk.browser.get("/staff/break-glass/")
    assert clerk.browser.post(path).status_code == 409
    page = other.browser.get("/staff/break-glass/")
    assert SECOND in page.text and clerk.account.full_name in page.text and member.full_name in page.text
    assert other.browser.post(path).status_code == 303
    assert other.browser.post(path).status_code == 409

    session.refresh(look)
    assert look.reviewed_by_account_id == other.account.id
    assert [row.account_id for row in rows(session, "staff:member:review")] == [other.account.id]


def test_case_144_a_plain_record_needs_one_reason_and_tells_nobody(
    app: Flask, session: Session, settings: Settings
) -> None:
    member, officer = make_member(session), make_officer(session)
    clerk = services(app, session)

    clerk.browser.get(address(member))
    for lacking in ({"purpose": "member_called"}, {"words": "x"}, {"purpose": "curious", "words": "x"}):
        assert clerk.browser.post(address(member), **lacking).status_code == 400
    look_at(clerk, member)

    assert letters(session, settings, officer.account.email) == []


def test_case_145_two_reviews_at_one_moment_count_once(session: Session, engine: Engine) -> None:
    member, by = make_member(session), make_plan_staff(session, StaffRole.MEMBER_SERVICES)
    guard_record(session, member, "protected")
    reasons = Reasons(SupportPurpose.APPS, "x", guard=SECOND)
    look_id = support_looks.begin(session, by, member, reasons, login_session_id="s").id
    officers = [make_officer(session).id for _ in range(2)]
    session.commit()
    barrier, outcomes = Barrier(2), []

    def review(officer_id: str) -> None:
        with make_sessions(engine)() as own:
            barrier.wait()
            try:
                officer = own.get_one(PlanStaff, officer_id)
                support_looks.review(own, own.get_one(SupportLook, look_id), by=officer)
                own.commit()
                outcomes.append("reviewed")
            except ReviewedAlready:
                outcomes.append("late")

    threads = [Thread(target=review, args=(officer,)) for officer in officers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["late", "reviewed"]
    assert len(rows(session, "staff:member:review")) == 1
