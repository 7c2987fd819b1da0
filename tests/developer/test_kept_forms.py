"""A developer's session runs out over a form: what they had typed is there after they signed in again."""

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.accounts.visitor import csrf_token
from tests.conftest import MovableClock
from tests.developer.newcomer import APP, Newcomer
from tests.developer.test_keys import key_set
from tests.factories import PASSWORD, make_developer
from tests.member.pages import Form, form_to
from tests.oauth.desk import Committing

_KEPT = "You had to sign in or confirm your password again, and nothing was sent yet."
_NEW = "/developers/apps/new"
_KEYS = '{"keys": [' + " " * 700 + "]}"


class Ada:
    """A developer at a browser, who is away for longer than a session lasts."""

    def __init__(self, app: Flask, clock: MovableClock) -> None:
        with Committing(app) as session:
            developer = make_developer(session)
        self.username = developer.account.username
        self.browser, self._clock = Newcomer(app).enter(developer), clock

    def rename_elsewhere(self, client_id: str) -> None:
        """Change the app's name at another device meanwhile."""
        other = Newcomer(self.browser.app)
        other.visitor.sign_in(self.username)
        form = {name: APP[name] for name in ("redirect_uris", "scope")} | {"name": "Claim Lantern Two"}
        assert other.change(client_id, **form).status_code == 303

    def send_late(self, page: str, action: str, **typed: str | list[str]) -> TestResponse:
        """Fill in a form and send it after the session's end; the answer to the sign-in that follows."""
        sent = form_to(self.browser.get(page).text, action).changed(**typed)
        self._clock.advance(16 * 60)
        answer = self.browser.visitor.browser.post(action, data=sent)
        assert answer.status_code == 303 and "/sign-in" in answer.location, answer.text
        entry = self.browser.get(answer.location)
        return self.browser.visitor.browser.post(
            form_to(entry.text, "/sign-in").action,
            data={"csrf_token": csrf_token(entry.text), "username": self.username, "password": PASSWORD},
        )

    def back(self, page: str, action: str, **typed: str | list[str]) -> Form:
        """The form as it stands after the sign-in, which says why, and says so once."""
        shown = self.browser.get(self.send_late(page, action, **typed).location)
        assert _KEPT in shown.text
        assert _KEPT not in self.browser.get(page).text
        return form_to(shown.text, action)


@pytest.fixture
def ada(app: Flask, clock: MovableClock) -> Ada:
    return Ada(app, clock)


def test_the_longest_form_of_all_outlives_the_session(ada: Ada) -> None:
    typed = dict(APP, method="private_key_jwt", jwks=_KEYS, scope=["openid", "patient/Coverage.rs"])
    typed["reason:patient/Coverage.rs"] = "To show the plan that pays."
    again = ada.back(_NEW, _NEW, **typed)
    assert again.ticked("scope") == ["openid", "patient/Coverage.rs"] and again.ticked("platforms") == ["web"]
    assert again.ticked("method") == ["private_key_jwt"]
    assert again.fields["jwks"].strip() == _KEYS
    for name in ("name", "contact", "website", "policy_uri", "reason:openid", "reason:patient/Coverage.rs"):
        assert again.fields[name] == typed[name], name


def test_a_change_of_an_app_outlives_the_session_and_goes_over_nobody_s(ada: Ada) -> None:
    client_id = ada.browser.registered()
    page = f"/developers/apps/{client_id}/edit"
    again = ada.back(page, page, website="https://lantern.example/new")
    assert again.fields["website"] == "https://lantern.example/new"
    assert ada.browser.visitor.browser.post(page, data=again.fields).status_code == 303

    signed_in = ada.send_late(page, page, website="https://lantern.example/newest")
    ada.rename_elsewhere(client_id)
    late = form_to(ada.browser.get(signed_in.location).text, page).fields
    refused = ada.browser.visitor.browser.post(page, data=late)
    assert refused.status_code == 409 and "https://lantern.example/newest" in refused.text
    once_more = form_to(refused.text, page).fields
    assert ada.browser.visitor.browser.post(page, data=once_more).status_code == 303


def test_a_change_sent_again_after_a_mistake_goes_over_nobody_s(ada: Ada) -> None:
    client_id = ada.browser.registered()
    page = f"/developers/apps/{client_id}/edit"
    sent = form_to(ada.browser.get(page).text, page).changed(website="none")
    ada.rename_elsewhere(client_id)
    mistaken = ada.browser.visitor.browser.post(page, data=sent)
    assert mistaken.status_code == 400
    mended = form_to(mistaken.text, page).changed(website="https://lantern.example")
    assert ada.browser.visitor.browser.post(page, data=mended).status_code == 409


def test_words_of_one_form_of_an_app_come_back_to_that_form_alone(ada: Ada) -> None:
    client_id = ada.browser.registered()
    page = f"/developers/apps/{client_id}"
    signed_in = ada.send_late(page, f"{page}/retire", words="Another app does it all.")
    assert _KEPT not in ada.browser.get(f"{page}/edit").text, "kept for the page of the app, not for those beneath it"
    assert form_to(ada.browser.get(f"{page}/edit").text, f"{page}/edit").fields["name"] == APP["name"]
    shown = ada.browser.get(signed_in.location)
    assert form_to(shown.text, f"{page}/retire").fields["words"].strip() == "Another app does it all."
    assert '<details class="ls-reveal" open>' in shown.text

    described = ada.back(page, f"{page}/describe", description="Says what was paid.", platforms=["ios"])
    assert described.fields["description"].strip() == "Says what was paid." and described.ticked("platforms") == ["ios"]


def test_an_invitation_outlives_the_session(ada: Ada) -> None:
    again = ada.back(
        "/developers/people", "/developers/people/invite", given_name="Ben", family_name="Hill",
        email="ben@lantern.example", role="owner",
    )  # fmt: skip
    assert again.fields["email"] == "ben@lantern.example" and again.ticked("role") == ["owner"]


def test_the_address_for_messages_outlives_the_session(ada: Ada) -> None:
    page = f"/developers/apps/{ada.browser.registered()}/webhooks"
    again = ada.back(page, page, url="https://lantern.example/hook")
    assert again.fields["url"] == "https://lantern.example/hook"


def test_keys_outlive_the_session(ada: Ada) -> None:
    client_id = ada.browser.registered(method="private_key_jwt", jwks=key_set("first"))
    page = f"/developers/apps/{client_id}/keys"
    again = ada.back(page, page, jwks_uri="https://lantern.example/other.json")
    assert again.fields["jwks_uri"] == "https://lantern.example/other.json"
