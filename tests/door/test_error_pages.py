"""What a person can do at a dead end: try again, go back to the form, go to their own place, call."""

import re

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from service.plan.models import StaffRole
from service.settings import Settings
from service.web import outages
from tests.accounts.visitor import Visitor
from tests.factories import make_account, make_developer, make_member, make_plan_staff, make_portal_staff

_MAIN = re.compile(r"<main.*?</main>", re.DOTALL)


def _main(page: str) -> str:
    found = _MAIN.search(page)
    assert found, page
    return found[0]


@pytest.mark.parametrize("path", ["/staff/", "/provider/home", "/provider/nothing", "/developers/apps", "/nothing"])
def test_a_member_who_strays_is_shown_the_way_home_and_the_member_s_phone_lines(
    app: Flask, session: Session, settings: Settings, path: str
) -> None:
    account = make_account(session, member=make_member(session))
    session.commit()
    person = Visitor(app)
    person.sign_in(account)
    page = person.get(path)
    assert page.status_code == 404
    assert '<a href="/start">Go to the start page</a>' in _main(page.text)
    assert all(line.number in _main(page.text) for line in settings.plan.phone_lines)
    assert "Reference number:" in page.text
    assert person.get("/start").location == "/member"


@pytest.mark.parametrize("who", ["office", "staff", "developer"])
def test_others_who_stray_to_members_pages_are_told_why_and_shown_the_way_home(
    app: Flask, session: Session, who: str
) -> None:
    account = make_account(session)
    make = {"office": make_portal_staff, "developer": make_developer}.get(who)
    if make:
        make(session, account=account)
    else:
        make_plan_staff(session, *StaffRole, account=account)
    session.commit()
    person = Visitor(app)
    person.enter(account)
    page = person.get("/my-information")
    assert page.status_code == 403 and "No member is linked to your account" in page.text
    home = re.findall(r'<a href="([^"]*)">Go to (?:your home|the start) page', _main(page.text))
    assert len(home) == 1 and person.get(home[0]).status_code in {200, 303}


def test_developers_are_shown_their_apps_and_no_phone_lines_of_members(
    app: Flask, session: Session, settings: Settings
) -> None:
    account = make_account(session)
    make_developer(session, account=account)
    session.commit()
    person = Visitor(app)
    stranger = _main(person.get("/developers/nothing").text)
    assert '<a href="/developers">Go to the start page</a>' in stranger
    person.enter(account)
    page = _main(person.get("/developers/apps/nothing").text)
    assert '<a href="/developers/apps">Go to your home page</a>' in page
    for line in settings.plan.phone_lines:
        assert line.number not in page and line.number not in stranger


def test_whom_we_could_not_answer_in_time_is_given_the_page_again(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    def fails() -> str:
        raise outages()[1]("locked")

    app.view_functions["help.index"] = fails
    busy = Visitor(app).get("/help")
    assert busy.status_code == 503 and '<a href="">Try again</a>' in busy.text


def test_a_form_that_was_too_long_leads_back_to_itself(app: Flask) -> None:
    person = Visitor(app)
    person.get("/sign-in")
    answer = person.post("/sign-in", username="a" * 70_000, password="b")
    assert answer.status_code == 400 and '<a href="/sign-in">Open the page with the form again</a>' in answer.text
