"""A finger that presses twice: every form of a member's pages is sent two times, with the page's own fields."""

from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from consent.models import Grant, GrantChange, GrantStatus
from service.audit import AuditEvent
from tests.factories import make_account
from tests.member.console import connected
from tests.member.pages import Form, Reader, forms_of, represent
from tests.oauth.desk import Desk

_PAGES = (
    "/settings", "/settings/email", "/messages", "/people", "/people/i-act-for", "/people/requests/new?for=another",
    "/select-member", "/apps", "/apps/{grant}/narrow", "/gallery/{app}", "/gallery/{app}/report", "/confirm-password",
    "/settings/second-factor/set-up",
)  # fmt: skip
_LAST = ("/revoke", "/end", "/shut-out", "/sign-out", "/end-others", "/sessions/")


def _twice(reader: Reader, form: Form) -> tuple[TestResponse, TestResponse]:
    sent = MultiDict(form.fields)
    for name, value, _text in form.buttons[:1]:
        if name:
            sent.add(name, value)
    return reader.browser.post(form.action, data=sent), reader.browser.post(form.action, data=sent)


def _all_forms(reader: Reader, **ids: str) -> dict[str, Form]:
    """The forms of every page, by where they lead; deeds that end something last."""
    found: dict[str, Form] = {}
    for path in _PAGES:
        page = reader.get(path.format(**ids))
        assert page.status_code in {200, 303, 404}, "a page, or none for this person"
        found |= {urlsplit(form.action).path: form for form in forms_of(page.text)}
    return dict(sorted(found.items(), key=lambda one: any(end in one[0] for end in _LAST)))


@pytest.mark.parametrize("who", ["member", "representative"])
def test_no_form_of_a_members_pages_fails_when_it_is_sent_twice(desk: Desk, who: str) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    represent(desk, dana, desk.member)
    reader = Reader(desk, desk.account if who == "member" else dana)
    held = connected(desk, reader)
    forms = _all_forms(reader, grant=held.grant.id, app=held.app.view.id)
    assert len(forms) > 8, forms.keys()
    for action, form in forms.items():
        for answer in _twice(reader, form):
            assert answer.status_code == 303 or 400 <= answer.status_code < 500, (action, answer.status_code)
            assert answer.status_code == 303 or answer.mimetype != "text/html" or "<h1" in answer.text, action


def test_pausing_and_revoking_twice_is_one_deed_with_one_row(desk: Desk) -> None:
    held = connected(desk)
    for deed, changes, status in (("pause", 1, GrantStatus.PAUSED), ("revoke", 1, GrantStatus.REVOKED)):
        [form] = [one for one in forms_of(held.reader.get("/apps").text) if one.action.endswith(f"/{deed}")]
        first, second = _twice(held.reader, form)
        assert first.status_code == 303 and second.status_code in {303, 404, 409}
        with desk.session() as session:
            assert session.get_one(Grant, held.grant.id).status is status
            assert session.scalar(select(func.count()).select_from(GrantChange)) == changes
    with desk.session() as session:
        rows = select(func.count()).where(AuditEvent.tag == "consent:grant:revoke")
        assert session.scalar(rows) == 1


def test_that_one_stopped_acting_for_somebody_is_said_once(desk: Desk) -> None:
    with desk.session() as session:
        dana = make_account(session, given_name="Dana", family_name="Reyes")
    represent(desk, dana, desk.member)
    reader = Reader(desk, dana)
    [form] = [one for one in forms_of(reader.get("/people/i-act-for").text) if one.action.endswith("/stop")]
    first, second = _twice(reader, form)
    assert (first.status_code, second.status_code) == (303, 404)
    said = "You do not act for this member any more"
    assert said in reader.get(first.location).text
    assert said not in reader.follow(reader.get(first.location)).text
