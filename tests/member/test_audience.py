"""Pages that everybody shares stand in the frame of the person's own place: nobody is given the wrong phone line."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.accounts.models import Account
from service.plan.models import StaffRole
from service.settings import Settings
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_member, make_organization, make_plan_staff, make_portal_staff, make_totp

MEMBERS_FRAME = "Interoperability Resource Center"
SHARED = ("/settings", "/settings/second-factor", "/settings/second-factor/set-up")


def frame(page: str) -> tuple[str, bool]:
    """The service's name in the header, and whether the phone lines of members are in the footer."""
    name = page.split('class="ls-brand__service">')[1].split("<")[0]
    return name, "Call member services" in page.split("<footer")[1]


@pytest.fixture
def account(session: Session) -> Account:
    made = make_account(session)
    session.commit()
    return made


def test_people_of_offices_have_the_portal_s_frame(app: Flask, session: Session, account: Account) -> None:
    make_portal_staff(session, make_organization(session), account=account)
    session.commit()
    visitor = Visitor(app)
    visitor.sign_in(account)
    for path in SHARED:
        assert frame(visitor.get(path).text) == ("Provider Portal", False), path


def test_people_of_the_plan_have_their_own_frame_and_help(app: Flask, session: Session, account: Account) -> None:
    make_plan_staff(session, StaffRole.PROVIDER_SERVICES, account=account)
    session.commit()
    visitor = Visitor(app)
    visitor.sign_in_with_factor(account)
    for path in (*SHARED[:2], "/staff/", "/staff/help", "/staff/no-such-page"):
        page = visitor.get(path).text
        assert frame(page) == ("Staff console", False), path
        assert 'href="/staff/help"' in page, path


def test_the_step_after_the_password_has_the_frame_already(
    app: Flask, session: Session, account: Account, settings: Settings
) -> None:
    make_portal_staff(session, make_organization(session), account=account, is_delegate=True)
    make_totp(session, settings, account)
    session.commit()
    visitor = Visitor(app)
    visitor.sign_in(account)
    assert frame(visitor.get("/sign-in/factor?lang=es").text) == ("Provider Portal", False)
    assert 'lang="en"' in visitor.page.text, "the portal is English only"


def test_sign_in_for_the_portal_has_its_frame_and_a_member_s_none(
    app: Flask, session: Session, account: Account
) -> None:
    visitor = Visitor(app)
    assert frame(visitor.get("/sign-in?next=/provider/home").text) == ("Provider Portal", False)
    assert frame(visitor.get("/sign-in").text) == (MEMBERS_FRAME, True)
    account.member_id = make_member(session).id
    session.commit()
    visitor.sign_in(account)
    for path in SHARED:
        assert frame(visitor.get(f"{path}?next=/staff/").text) == (MEMBERS_FRAME, True), path


def test_nobody_is_told_by_the_frame_that_there_is_a_console(app: Flask, session: Session, account: Account) -> None:
    stranger = Visitor(app)
    assert frame(stranger.get("/staff/no-such-page").text) == (MEMBERS_FRAME, True)
    stranger.sign_in(account)
    assert frame(stranger.get("/staff/").text) == (MEMBERS_FRAME, True)
