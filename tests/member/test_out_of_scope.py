"""A member whose line of business is not served: told plainly, with a number to name, and a way back to the app."""

import re
from html import unescape

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.plan.models import Member
from tests.factories import make_member
from tests.member.pages import form_to, forms_of
from tests.oauth.desk import CALLBACK, Desk, answer_of, pending_id

_REFERENCE = re.compile(r'<p class="ls-reference">Reference number: <code>[\w-]{8,}</code></p>')


@pytest.fixture
def dental(desk: Desk) -> Member:
    """A member of a line of business that is not served."""
    with desk.session() as session:
        return make_member(session, line_of_business=desk.settings.plan.out_of_scope_lines[0])


def _register(browser: FlaskClient, member: Member, path: str = "/register") -> TestResponse:
    form = form_to(browser.get(path).text, "/register")
    told = form.changed(
        member_id=member.member_number, last_name=member.family_name, birth_date=member.birth_date.isoformat(),
        zip_code=member.zip_code,
    )  # fmt: skip
    return browser.post(form.action, data=told)


def test_it_is_told_in_plain_words_with_a_reference_number(desk: Desk, dental: Member) -> None:
    answer = _register(desk.app.test_client(), dental)

    assert answer.status_code == 400 and "not part of this service" in answer.text
    assert _REFERENCE.search(answer.text)
    assert "/consent/leave" not in [form.action for form in forms_of(answer.text)]


def test_who_came_from_an_app_goes_back_to_it_with_a_no(desk: Desk, dental: Member) -> None:
    browser = desk.app.test_client()
    page = desk.authorize(browser, desk.register())
    while page.status_code == 303:
        page = browser.get(page.location)
    (way,) = re.findall(r'href="(/register\?next=[^"]+)"', page.text)

    dead_end = _register(browser, dental, unescape(way))
    form = form_to(dead_end.text, "/consent/leave")
    left = browser.post(form.action, data=form.fields)

    assert _REFERENCE.search(dead_end.text) and [name for *_rest, name in form.buttons] == ["Go back to the app"]
    assert CALLBACK.rpartition("/")[0] in dead_end.headers["Content-Security-Policy"]
    assert left.status_code == 303 and left.location.startswith(f"{CALLBACK}?")
    assert (answer_of(left.location)["error"], answer_of(left.location)["state"]) == ("access_denied", "state-1")
    assert browser.post(form.action, data=form.fields).status_code == 400, "a request is answered once"


def test_a_request_of_another_browser_is_not_answered(desk: Desk, dental: Member) -> None:
    app, theirs, mine = desk.register(), desk.app.test_client(), desk.app.test_client()
    request_id = pending_id(desk.authorize(theirs, app).location)

    answer = _register(mine, dental, f"/register?next=/consent?request={request_id}")

    assert "/consent/leave" not in [form.action for form in forms_of(answer.text)]
