"""An app that asks again: what stands goes straight through, and the page tells of what stands beside its question."""

import pytest

from consent.scopes import parse
from tests.member.pages import Reader, decisions, form_to, grants
from tests.oauth.desk import Desk, answer_of


@pytest.fixture
def rosa(desk: Desk) -> Reader:
    return Reader(desk, desk.account)


def test_the_same_ask_of_an_assured_app_goes_straight_through(desk: Desk, rosa: Reader) -> None:
    app = desk.register_confidential()
    rosa.allow(rosa.ask(app))

    again = rosa.ask(app)

    assert "code" in answer_of(again.location)
    assert len(decisions(desk)) == 1


def test_more_than_before_is_asked(desk: Desk, rosa: Reader) -> None:
    app = desk.register_confidential()
    rosa.allow(rosa.ask(app, scope="openid patient/Coverage.rs"))

    assert "Share information with" in rosa.ask(app, scope="openid patient/*.rs").text


def test_prompt_consent_asks_again(desk: Desk, rosa: Reader) -> None:
    app = desk.register_confidential()
    rosa.allow(rosa.ask(app))

    assert "Share information with" in rosa.ask(app, prompt="consent").text


def test_a_public_app_on_a_loopback_address_is_always_asked(desk: Desk, rosa: Reader) -> None:
    app = desk.register(redirect_uris=["http://127.0.0.1:9000/callback"])
    rosa.allow(rosa.ask(app))

    assert "Share information with" in rosa.ask(app).text


def test_silent_requests_never_see_a_page(desk: Desk, rosa: Reader) -> None:
    app = desk.register_confidential()

    assert answer_of(rosa.ask(app, prompt="none").location)["error"] == "consent_required"
    rosa.allow(rosa.ask(app))
    assert "code" in answer_of(rosa.ask(app, prompt="none").location)


def test_the_page_tells_of_what_stands_beside_its_question(desk: Desk, rosa: Reader) -> None:
    app = desk.register_confidential()
    rosa.allow(rosa.ask(app, scope="openid patient/Coverage.rs"))
    told = f"can already see more about {desk.member.full_name}, until"

    beside = rosa.ask(app, scope="openid patient/Immunization.rs")

    assert told in beside.text and ": Insurance coverage." in beside.text
    assert "ends on the same day" in beside.text
    assert told not in rosa.ask(app, scope="openid patient/*.rs").text, "all of it is asked about"
    again = rosa.allow(beside, data=[])
    assert again.status_code == 400 and told in again.text
    assert form_to(beside.text, "/consent").ticked("data") == ["immunizations"]
    rosa.allow(beside)
    assert parse(grants(desk)[0].scopes).types == {"Coverage", "Immunization"}
    other = desk.register_confidential()
    rosa.allow(rosa.ask(other, scope="openid patient/Coverage.rs"), duration="once")
    assert told not in rosa.ask(other, scope="openid patient/Immunization.rs").text, "it is over within the hour"
