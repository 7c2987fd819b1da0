"""Every form that is kept where its session runs out leads back to a page there is, and keeps no secret."""

import re
from secrets import token_hex
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from flask import Flask, render_template_string
from sqlalchemy.orm import Session
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from service.accounts.kept_form import DECLARED, NEVER
from service.accounts.models import Account
from tests import kept_forms
from tests.accounts.visitor import Visitor, csrf_token
from tests.conftest import ROOT, MovableClock
from tests.factories import make_account, make_member

_LATE = 16 * 60
_OTHER_WORDS = {"consent.decide", "consent.take_longer"}
"""Their own ticks alone are kept, of a request that waits: tests/member/test_kept_forms.py."""


@pytest.fixture
def away(app: Flask, session: Session, clock: MovableClock) -> Visitor:
    """Somebody whose session has run out."""
    account = make_account(session, member=make_member(session))
    session.commit()
    visitor = Visitor(app)
    visitor.sign_in(account)
    visitor.get("/settings")
    clock.advance(_LATE)
    return visitor


def _rules(app: Flask) -> list[Rule]:
    return [rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())]


def _keeps(app: Flask, rule: Rule) -> bool:
    return bool(getattr(app.view_functions[rule.endpoint], DECLARED, False))


def _address(app: Flask, rule: Rule) -> str:
    given = {
        name: "10" if kind.__class__.__name__ == "IntegerConverter" else str(uuid4())
        for name, kind in rule._converters.items()
    }
    return str(app.url_map.bind("localhost").build(rule.endpoint, given, "POST"))


def _send(away: Visitor, address: str) -> TestResponse:
    fields = dict.fromkeys(NEVER - {"csrf_token"}, "a-secret") | {"words": "What I typed.", "again": "What I typed."}
    token = csrf_token(away.page.text)
    return away.browser.post(address, data=fields | {"csrf_token": token})


def test_every_form_that_is_kept_is_there_again_on_a_page_there_is(app: Flask, away: Visitor) -> None:
    kept = [rule for rule in _rules(app) if _keeps(app, rule) and rule.endpoint not in _OTHER_WORDS]
    assert len(kept) > 60
    for rule in kept:
        answer = _send(away, _address(app, rule))
        if answer.status_code != 303:
            assert rule.endpoint in _ASK_NO_SIGN_IN, (rule.endpoint, answer.status_code)
            continue
        target = urlsplit(answer.location)
        assert target.path == "/sign-in", (rule.endpoint, answer.location)
        page = urlsplit(parse_qs(target.query)["next"][0]).path
        assert app.url_map.bind("localhost").match(page, "GET"), rule.endpoint
        cookie = away.browser.get_cookie("kept_form", path=page)
        assert cookie is not None and cookie.path == page, rule.endpoint
        away.browser.delete_cookie("kept_form", path=page)


_TEMPLATES = ROOT / "service/templates"
_OWN_FIELD = re.compile(
    r'<textarea.*?</textarea>|<input(?![^>]*type="(?:hidden|checkbox|radio|submit|file|password)")[^>]*>', re.DOTALL
)
_GET_FORM = re.compile(r'<form[^>]*method="get".*?</form>', re.DOTALL)
_OF_STRANGERS = {"provider/not_listed.html"}
"""Templates of forms that ask for no sign-in."""
_ASK_NO_SIGN_IN = {"provider_contact.contact"}
"""Kept for the question for the password alone: who is not signed in goes on as a stranger."""


def test_reasons_are_given_for_forms_that_there_are_and_are_not_kept(app: Flask) -> None:
    forms = {rule.endpoint: rule for rule in _rules(app)}
    assert set(kept_forms.NOT_KEPT) <= set(forms)
    assert not [endpoint for endpoint in kept_forms.NOT_KEPT if _keeps(app, forms[endpoint])]


def test_what_asks_for_no_sign_in_loses_nothing_where_a_session_ends(app: Flask, away: Visitor) -> None:
    forms = {rule.endpoint: rule for rule in _rules(app)}
    for endpoint in [name for name, why in kept_forms.NOT_KEPT.items() if why == kept_forms.NO_SIGN_IN]:
        answer = _send(away, _address(app, forms[endpoint]))
        assert "You are signed out" not in answer.text, endpoint


def test_a_form_that_loses_what_is_typed_is_seen(app: Flask) -> None:
    page = '<form method="post" action="/sign-out?x=1"><input name="words"></form>'
    assert list(kept_forms.unkept(app, page)) == ["sign_in.sign_out"]
    for harmless in ('<input type="hidden" name="words">', '<input name="code">', '<button name="go">', ""):
        inside = f'<form method="post" action="/sign-out">{harmless}</form>'
        assert list(kept_forms.unkept(app, inside)) == []
    for kept in ("/people/requests/new", "/staff/members/"):
        assert list(kept_forms.unkept(app, page.replace("/sign-out", kept))) == []


def test_fields_that_templates_write_by_themselves_ask_for_what_was_kept() -> None:
    for path in [*(_TEMPLATES / "provider").rglob("*.html"), *(_TEMPLATES / "staff").rglob("*.html")]:
        for field in _OWN_FIELD.findall(_GET_FORM.sub("", path.read_text("utf-8"))):
            assert "kept_value(" in field or str(path.relative_to(_TEMPLATES)) in _OF_STRANGERS, (
                path.name,
                field[:100],
            )


def test_nobody_else_finds_it(app: Flask, session: Session, away: Visitor) -> None:
    other: Account = make_account(session, member=make_member(session))
    session.commit()
    assert _send(away, f"/gallery/{uuid4()}/report").status_code == 303
    assert away.browser.get_cookie("kept_form", path="/settings/email") is None
    assert _send(away, "/settings/email").location == "/sign-in?next=/settings/email"
    away.sign_in(other)
    assert away.browser.get_cookie("kept_form", path="/settings/email") is not None
    assert "What I typed" not in away.get("/settings/email").text


def test_a_form_of_choices_alone_says_that_nothing_of_it_is_typed(app: Flask, away: Visitor) -> None:
    """What it holds is no text of anybody's, and so is not shown to be copied where it is too long to be kept."""
    form = (
        '{% from "forms.html" import form, checkbox, text_area with context %}'
        '{% call form("/x") %}{{ checkbox("types", "Claims") }}'
        '{% if typed %}{{ text_area("words", "Words") }}{% endif %}{% endcall %}'
    )
    with app.test_request_context("/settings/email"):
        alone, both = (
            re.findall(r'name="typed_fields" value="([^"]*)"', render_template_string(form, typed=typed))
            for typed in (False, True)
        )
    assert (alone, both) == (["-"], ["words"])

    fields = {"types": [token_hex(20) for _ in range(100)], "csrf_token": csrf_token(away.page.text)}
    answer = away.browser.post(f"/gallery/{uuid4()}/report", data=fields | {"typed_fields": alone})
    assert answer.status_code == 401 and "too long to be kept" in answer.text
    assert fields["types"][0] not in answer.text and "What you wrote" not in answer.text
