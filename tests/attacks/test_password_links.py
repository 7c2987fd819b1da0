"""security.md, Plan staff console: 147, at the links by which staff help people to a new password."""

import re

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.accounts import password_links
from service.accounts.models import Account
from service.clock import now
from service.mail import OutboxMail
from service.plan.models import StaffRole
from service.settings import Settings
from tests.accounts.visitor import letters
from tests.attacks.looks import WHY, every, id_for, look_at, rows, services
from tests.conftest import MovableClock
from tests.factories import make_account, make_member, make_portal_staff
from tests.staff.console import make_clerk


def test_case_147_support_sends_the_way_to_the_reset_and_never_sees_or_sets_a_password(
    app: Flask, session: Session, settings: Settings
) -> None:
    member = make_member(session)
    owner = make_account(session, member=member, email="maria@example.org")
    clerk = services(app, session)
    place = look_at(clerk, member)
    hashed = owner.password_hash
    path = place.replace("/staff/members/looks/", "/staff/password-links/member/")

    asked = clerk.browser.get(path)
    answer = clerk.browser.post(path, password="Evil-lamp-77!", email="evil@evil.example")

    assert answer.status_code == 303
    assert "maria@example.org" not in asked.text and 'type="password"' not in asked.text
    [told] = [one for one in letters(session, settings, "maria@example.org") if "/password-reset" in one]
    assert "cannot see your password" in told
    assert re.search(r"\b[0-9]{6}\b", told.partition("\n\n")[2]) is None
    session.refresh(owner)
    assert (owner.password_hash, owner.email) == (hashed, "maria@example.org")
    [row] = rows(session, "accounts:password_link:send")
    assert (row.account_id, row.member_id) == (clerk.account.id, member.id)
    assert row.reason == f"member_called: {WHY['words']}"
    [mail] = every(session, select(OutboxMail).where(OutboxMail.template == "password_link"))
    assert mail.recipient == "maria@example.org"


def test_case_147_no_link_within_an_hour_of_a_new_address(app: Flask, session: Session, clock: MovableClock) -> None:
    member = make_member(session)
    owner = make_account(session, member=member)
    owner.email_verified_at = now()
    session.commit()

    def send() -> int:
        clerk = services(app, session)
        path = look_at(clerk, member).replace("/staff/members/looks/", "/staff/password-links/member/")
        clerk.browser.get(path)
        return clerk.browser.post(path).status_code

    assert send() == 409
    clock.advance(3_300)
    assert send() == 409
    clock.advance(300)
    assert send() == 303
    assert len(every(session, select(OutboxMail).where(OutboxMail.template == "password_link"))) == 1


def test_case_147_no_page_of_the_plan_changes_an_address(app: Flask, session: Session) -> None:
    member = make_member(session)
    owner = make_account(session, member=member, email="maria@example.org")
    login = make_portal_staff(session)
    login.account.email_verified_at = owner.email_verified_at = now()
    session.commit()
    before = {account.id: account.email for account in every(session, select(Account))}
    clerk = make_clerk(app, session, *(role for role in StaffRole))
    place = look_at(clerk, member)
    names = {"staff_id": login.id, "patient_id": member.patient_id, "look_id": place.rpartition("/")[2]}
    new = {"email": "evil@evil.example", "email_address": "evil@evil.example", "new_email": "evil@evil.example"}
    tried = 0

    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/staff") or "POST" not in (rule.methods or set()):
            continue
        clerk.browser.get("/staff/members/")
        with app.test_request_context():
            path = app.url_for(
                rule.endpoint, **{name: names.get(name, id_for(name, member)) for name in rule.arguments}
            )
        clerk.browser.post(path, **WHY, reason="x", **new)
        tried += 1

    assert tried > 20
    session.expire_all()
    assert {one.id: one.email for one in session.scalars(select(Account)) if one.id in before} == before
    assert every(session, select(OutboxMail).where(OutboxMail.template == "password_link")) == []


def test_case_147_a_login_of_the_portal_gets_the_link_with_a_reason_and_not_ones_own(
    app: Flask, session: Session, settings: Settings
) -> None:
    login = make_portal_staff(session)
    clerk = make_clerk(app, session, StaffRole.PROVIDER_SERVICES)
    own = make_portal_staff(session, account=clerk.account)
    session.commit()
    path, mine = (f"/staff/password-links/login/{one.id}" for one in (login, own))

    clerk.browser.get(path)
    assert clerk.browser.post(path).status_code == 400
    assert clerk.browser.post(path, reason="The office called").status_code == 303
    clerk.browser.get(path)
    assert clerk.browser.post(mine, reason="Me").status_code == 409

    assert len(letters(session, settings, login.account.email)) == 1
    assert [row.reason for row in rows(session, "accounts:password_link:send")] == ["The office called"]


def test_case_147_three_links_an_hour(session: Session) -> None:
    owner = make_account(session)
    for _ in range(3):
        password_links.send(session, owner, by_account_id=owner.id, reason="x")
    with pytest.raises(password_links.LinksExhausted):
        password_links.send(session, owner, by_account_id=owner.id, reason="x")
