"""Attacks on the consent screen (cases 69 to 73)."""

import re
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from consent.models import ConsentDecision, Grant, LinkScope
from consent.scopes import parse
from oauth.apps import clients
from oauth.models import Client, PendingAuthorization
from tests.factories import make_account, make_member
from tests.member.pages import Reader, form_to, represent
from tests.oauth.desk import SCOPE, App, Code, Desk, answer_of, challenge_of, new_verifier


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    return Reader(desk, desk.account)


def nothing_was_done(desk: Desk) -> bool:
    with desk.session() as session:
        return session.scalar(select(ConsentDecision.id)) is None and session.scalar(select(Grant.id)) is None


@pytest.mark.parametrize("token", [None, "", "forged", "of another browser"])
def test_case_069_consent_needs_the_token_of_its_own_browser(desk: Desk, rosa: Reader, token: str | None) -> None:
    page = rosa.ask(desk.register())
    if token == "of another browser":
        token = form_to(Reader(desk, desk.account).get("/settings").text, "/settings/language").fields["csrf_token"]

    answer = rosa.allow(page, csrf_token=[] if token is None else token)

    assert answer.status_code == 403
    assert "Location" not in answer.headers
    assert nothing_was_done(desk)


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.example", "http://localhost.evil.example", "http://localhost:81"]
)
def test_case_069_a_form_of_another_site_is_refused(desk: Desk, rosa: Reader, origin: str) -> None:
    form = form_to(rosa.ask(desk.register()).text, "/consent")

    answer = rosa.browser.post(form.action, data=form.changed(answer="allow"), headers={"Origin": origin})

    assert answer.status_code == 403
    assert nothing_was_done(desk)


def test_case_069_a_get_never_answers(desk: Desk, rosa: Reader) -> None:
    form = form_to(rosa.ask(desk.register()).text, "/consent")

    answer = rosa.browser.get(form.action, query_string=form.changed(answer="allow"))

    assert answer.status_code == 200 and "Share information with" in answer.text
    assert nothing_was_done(desk)


def test_case_071_what_the_form_adds_counts_for_nothing(desk: Desk, rosa: Reader) -> None:
    app, other = desk.register(), desk.register()
    page = rosa.ask(app, scope="openid launch/patient patient/Coverage.rs")

    answer = rosa.allow(
        page, scope="openid patient/*.rs offline_access", client_id=other.id, redirect_uri="https://evil.example/",
        data=["coverage", "claims", "results"], offline="yes", patient="patient-of-another", state="forged",
    )  # fmt: skip

    assert answer.location.startswith(app.redirect_uri) and answer_of(answer.location)["state"] == "state-1"
    with desk.session() as session:
        made = session.scalars(select(Grant)).one()
    assert (made.client_id, made.member_id) == (app.id, desk.member.id)
    assert made.scopes == "openid launch/patient patient/Coverage.rs" and not made.offline


def test_case_071_a_member_put_into_the_form_is_refused(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        stranger = make_member(session)

    answer = rosa.allow(rosa.ask(desk.register()), member=stranger.patient_id)

    assert answer.status_code == 409
    assert nothing_was_done(desk)


def test_case_071_a_member_picked_for_a_request_must_be_ones_own(desk: Desk, rosa: Reader) -> None:
    with desk.session() as session:
        child, stranger = make_member(session), make_member(session)
    represent(desk, desk.account, child)
    page = rosa.ask(desk.register())

    answer = rosa.press(page, "/consent/member", selected=stranger.patient_id)

    assert answer.status_code == 403
    assert stranger.full_name not in answer.text


def test_case_071_an_unticked_type_is_absent_from_the_token(desk: Desk, rosa: Reader) -> None:
    app = desk.register()
    token = _token(desk, rosa, app, data=["claims"])

    assert parse(token["scope"]).types == {"Claim", "ClaimResponse", "ExplanationOfBenefit"}


def test_case_071_an_unticked_type_is_absent_though_everything_was_ticked_before(desk: Desk, rosa: Reader) -> None:
    app = desk.register(redirect_uris=["http://127.0.0.1/cb"])
    before = _token(desk, rosa, app)
    scope = "launch/patient patient/Observation.rs patient/Coverage.rs"

    after = _token(desk, rosa, app, scope, data=["coverage"])

    assert after["scope"] == "launch/patient patient/Coverage.rs"
    assert not desk.works(before["access_token"])


def test_case_071_a_yes_to_a_narrow_ask_opens_nothing_that_was_not_on_its_page(desk: Desk, rosa: Reader) -> None:
    app = desk.register(redirect_uris=["http://127.0.0.1/cb"])
    vaccines = "launch/patient patient/Immunization.rs"
    phone = _token(desk, rosa, app, duration="three_months")

    tablet = _token(desk, rosa, app, vaccines, sensitive=["hiv"], duration="thirteen_months")

    assert tablet["scope"] == vaccines
    assert not desk.works(phone["access_token"])
    refreshed = desk.refresh(app, phone["refresh_token"])
    assert refreshed.status_code == 400 or parse(refreshed.get_json()["scope"]).types == {"Immunization"}


def test_case_071_once_on_one_device_neither_ends_nor_borrows_the_time_of_another(desk: Desk, rosa: Reader) -> None:
    app = desk.register(redirect_uris=["http://127.0.0.1/cb"])
    vaccines = "launch/patient offline_access online_access patient/Immunization.rs"
    phone = _token(desk, rosa, app)

    tablet = _token(desk, rosa, app, vaccines, duration="once")

    assert "refresh_token" not in tablet and tablet["scope"] == "launch/patient patient/Immunization.rs"
    assert desk.works(phone["access_token"]) and desk.works(tablet["access_token"])
    assert "*" in parse(desk.refresh(app, phone["refresh_token"]).get_json()["scope"]).types


def test_case_071_going_back_to_the_app_is_bound_to_the_member_shown(desk: Desk) -> None:
    with desk.session() as session:
        account, mother, child = make_account(session), make_member(session), make_member(session)
    represent(desk, account, mother, scope=LinkScope.CLAIMS_ONLY)
    represent(desk, account, child)
    dana, app = Reader(desk, account), desk.register()
    page = dana.choose(dana.ask(app, scope="openid patient/Observation.rs"), mother)
    form = form_to(page.text, "/consent/leave")
    assert form.fields["member"] == mother.patient_id
    dana.press(dana.get("/select-member"), "/select-member", selected=child.patient_id)
    token = form_to(dana.get("/settings").text, "/settings/language").fields["csrf_token"]

    answer = dana.browser.post(form.action, data=form.changed(csrf_token=token))

    assert answer.status_code == 409 and "You have switched to another member" in answer.text
    with desk.session() as session:
        assert session.scalar(select(PendingAuthorization.spent_at)) is None


def test_case_071_sensitive_classes_are_never_ticked_beforehand(desk: Desk, rosa: Reader) -> None:
    app = desk.register()
    for _ in range(2):
        page = rosa.ask(app, prompt="consent")
        form = form_to(page.text, "/consent")
        assert form.ticked("sensitive") == []
        assert sum(name == "sensitive" for name, _value in form.boxes) == 5
        rosa.allow(page, sensitive=["hiv"])


def test_case_071_the_answer_of_one_request_never_serves_another(desk: Desk, rosa: Reader) -> None:
    wide, narrow = desk.register(), desk.register()
    agreed_to = form_to(rosa.ask(narrow, scope="patient/Coverage.rs").text, "/consent")
    other = form_to(rosa.ask(wide).text, "/consent")

    answer = rosa.browser.post("/consent", data=agreed_to.changed(answer="allow", request=other.fields["request"]))

    assert answer.status_code == 409
    assert nothing_was_done(desk)


@pytest.mark.parametrize("request_id", ["", "x", "x" * 5_000, "\0", "%00", "../..", "\ud7ff"])
def test_case_071_an_impossible_request_is_over(rosa: Reader, request_id: str) -> None:
    form = form_to(rosa.get("/settings").text, "/settings/language")

    shown = rosa.browser.get("/consent", query_string={"request": request_id})
    answered = rosa.browser.post("/consent", data=form.changed(request=request_id, answer="allow"))

    assert (shown.status_code, answered.status_code) == (400, 400)
    told = "Something is not right" if request_id == "\0" else "This request is over"
    assert "Reference number" in shown.text and told in answered.text


def test_case_072_no_page_can_be_framed(desk: Desk, app: Flask, rosa: Reader) -> None:
    crawled = 0
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()):
            continue
        path = re.sub(r"<[^>]+>", "x", re.sub(r"<uuid:[^>]+>", str(UUID(int=1)), rule.rule))
        for browser in (app.test_client(), rosa.browser):
            answer = browser.get(path)
            if answer.mimetype != "text/html":
                continue
            crawled += 1
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path
            assert answer.headers["X-Frame-Options"] == "DENY", path
    assert crawled > 20
    assert rosa.ask(desk.register()).headers["X-Frame-Options"] == "DENY"


def test_case_073_an_apps_name_is_text_only(desk: Desk, rosa: Reader) -> None:
    hostile = "<img src=x onerror=alert(1)>\"'&{{7*7}}"
    app = desk.register()
    with desk.session() as session:
        row = session.get_one(Client, app.id)
        row.name, row.developer_name, row.developer_domain, row.contact = hostile, hostile, hostile, hostile
    asked = rosa.ask(app)
    rosa.allow(asked)

    pages = [asked.text, rosa.get("/apps").text]
    for page in pages:
        assert "<img" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page
        assert "{{7*7}}" in page
    assert "img-src 'self' data:" in asked.headers["Content-Security-Policy"]
    assert "default-src 'self'" in asked.headers["Content-Security-Policy"]


def test_case_073_links_of_an_app_are_web_addresses(desk: Desk) -> None:
    with pytest.raises(clients.ClientRefused):
        desk.register(policy_uri="javascript:alert(1)")


def _token(desk: Desk, reader: Reader, app: App, scope: str = SCOPE, **chosen: str | list[str]) -> dict[str, str]:
    verifier = new_verifier()
    page = reader.ask(app, code_challenge=challenge_of(verifier), scope=scope)
    code = Code(answer_of(reader.allow(page, **chosen).location)["code"], verifier, app)
    body: dict[str, str] = desk.exchange(code).get_json()
    return body
