"""What a page says after a form is said once, to whoever sent the form."""

import re

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.accounts.visitor import Visitor
from tests.factories import make_account


def test_a_confirmation_is_said_once_and_only_where_the_form_was_sent(app: Flask, session: Session) -> None:
    account = make_account(session)
    session.commit()
    person, other = Visitor(app), Visitor(app)
    person.sign_in(account)
    other.sign_in(account)
    person.get("/settings")

    address = person.post("/settings/language", language="en").location

    assert address == "/settings?saved=language"
    assert other.get(address).location == "/settings", "an address from elsewhere says nothing"
    assert "usa-alert--success" in person.get(address).text
    assert person.get(address).location == "/settings", "gone back to"
    assert other.get("/settings?saved=language&lang=en").location == "/settings?lang=en"


@pytest.mark.parametrize("query", ["s%61ved=language", "%73aved=language", "lang=en&save%64=language"])
def test_a_confirmation_in_other_letters_is_left_out_too(app: Flask, session: Session, query: str) -> None:
    account = make_account(session)
    session.commit()
    person = Visitor(app)
    person.sign_in(account)

    answer = person.get(f"/settings?{query}")

    assert answer.status_code == 302 and "aved" not in answer.location


@pytest.mark.parametrize(
    "path", ["/%09/evil.example", "/%0A/evil.example", "/x%0d%0aSet-Cookie:%20a=b", "/%5Cevil.example"]
)
def test_leaving_one_out_leads_nowhere_else(app: Flask, path: str) -> None:
    answer = app.test_client().get(f"{path}?done=1")

    assert (answer.status_code, answer.location.lower()) == (302, path.lower().replace(":", "%3a").replace("=", "%3d"))
    assert app.test_client().get(answer.location).status_code == 404


def test_parameters_of_programs_are_left_alone(app: Flask) -> None:
    answer = app.test_client().get("/fhir/r4/Patient?done=1&sent=2020")

    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/%09/other.example", "/%5Cother.example", "/%0D%0Aother.example", "/%C3%A9"])
def test_no_address_leads_to_another_site_by_what_browsers_leave_out(app: Flask, path: str) -> None:
    browser = app.test_client()

    assert browser.get(f"{path}?done=1").location == path
    page = browser.get(path)

    assert page.status_code == 404
    assert re.findall('href="([^"]*)[?]lang=es"', page.text) == [path]


def test_the_page_that_held_a_form_is_of_this_site(app: Flask) -> None:
    sent_from = {"Referer": "http://localhost//other.example/%09?a=1", "Origin": "null"}

    page = app.test_client().post("/sign-out", headers=sent_from).text

    assert 'data-page="/other.example/%09?a=1"' in page
    assert "//other.example" not in page


@pytest.mark.parametrize("path", ["/sign-out", "/settings/language"])
def test_a_browser_that_comes_from_no_address_is_answered(app: Flask, path: str) -> None:
    page = app.test_client().post(path, headers={"Referer": "https://["})

    assert page.status_code == 403 and 'data-page="/"' in page.text
