"""Forms of apps: what is wrong is told at its field, and what was typed or kept by others is not lost."""

import re
from http.server import BaseHTTPRequestHandler

import pytest
from flask import Flask
from sqlalchemy import select, update

from oauth.apps import own_apps, reviews
from oauth.apps.clients import AuthMethod, ClientKind
from oauth.apps.models import AppReview, Developer
from oauth.apps.registration import Registration
from oauth.models import Client
from service.plan.models import StaffRole
from tests.accounts.visitor import Visitor
from tests.developer.newcomer import APP, SIGN_UP, Newcomer
from tests.factories import make_account, make_developer, make_plan_staff
from tests.oauth.desk import Committing
from tests.oauth.keyed import key_server
from tests.oauth.life import approve_latest

_TOLD = re.compile(r'<li><a href="#([a-z_]+)">')


@pytest.fixture
def ada(app: Flask) -> Newcomer:
    """A developer at My apps."""
    with Committing(app) as session:
        developer = make_developer(session, name="Lantern Apps Inc.")
    return Newcomer(app).enter(developer)


def test_what_is_wrong_is_told_in_the_order_of_the_fields(app: Flask, ada: Newcomer) -> None:
    visitor = Visitor(app, "192.0.2.9")
    visitor.get("/developers/sign-up")
    refused = visitor.post("/developers/sign-up", **dict.fromkeys(SIGN_UP, ""))
    assert _TOLD.findall(refused.text) == [
        "given_name", "family_name", "organization_name", "website", "email", "terms",
    ]  # fmt: skip
    refused = ada.register(name="", redirect_uris="", policy_uri="x", contact="nobody", website="y", method="")
    assert _TOLD.findall(refused.text) == ["name", "method", "redirect_uris", "contact", "website", "policy_uri"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "Meridian Health Plan", "The name looks like the plan"),
        ("name", "C", "2 to 100 characters"),
        ("redirect_uris", "https://a.example/1\nhttps://a.example/2#x", "has no fragment. (https://a.example/2#x)"),
        ("redirect_uris", "\n".join(f"https://a.example/{number}" for number in range(21)), "1 to 20 redirect"),
        ("launch_uris", "http://a.example/launch", "(http://a.example/launch)"),
        ("post_logout_redirect_uris", "javascript:alert(1)", "(javascript:alert(1))"),
    ],
)
def test_what_registration_refuses_is_told_at_its_field(ada: Newcomer, field: str, value: str, words: str) -> None:
    page = ada.register(**{field: value}).text

    assert _TOLD.findall(page) == [field] and words in page.split(f'id="{field}-error">')[1].split("</span>")[0]
    assert APP["description"] in page, "what was typed stays"


def test_a_name_that_is_taken_is_told_at_the_name_of_a_change_too(ada: Newcomer) -> None:
    ada.registered(name="Other Beacon")
    refused = ada.change(ada.registered(), **APP | {"name": "0ther Beac0n"})
    assert refused.status_code == 400 and _TOLD.findall(refused.text) == ["name"]


def test_an_app_with_a_key_says_which_or_where(ada: Newcomer) -> None:
    for given, field, words in (
        ({}, "jwks", "Please paste the public keys"), ({"jwks": "{"}, "jwks", "not JSON"),
        ({"jwks_uri": "https://169.254.169.254/jwks"}, "jwks_uri", "not on the public internet"),
        ({"jwks_uri": "http://a.example/jwks"}, "jwks_uri", "begins with https://"),
    ):  # fmt: skip
        refused = ada.register(method="private_key_jwt", **given)
        assert refused.status_code == 400 and _TOLD.findall(refused.text) == [field], given
        assert words in refused.text and APP["description"] in refused.text, given


def test_the_address_of_keys_is_read_while_nobody_waits_for_us(ada: Newcomer) -> None:
    with key_server() as server:

        def answer_late(request: BaseHTTPRequestHandler) -> None:
            # SQLite lets one transaction write at a time: this one waits where ours is open.
            with Committing(ada.app) as other:
                make_account(other)
            server.answer = None
            server.reply(request)

        server.answer = answer_late
        with Committing(ada.app) as session:
            developer = session.scalars(select(Developer)).one()
            session.execute(update(Developer).values(ended_at=None))
            app = Registration(
                name="Claim Lantern", developer_name="", redirect_uris=["https://app.example.org/cb"],
                kind=ClientKind.CONFIDENTIAL, token_endpoint_auth_method=AuthMethod.PRIVATE_KEY, jwks_uri=server.url,
            )  # fmt: skip
            made, secret = own_apps.register(session, developer, app, settings=ada.settings)
        assert made.jwks_uri == server.url and secret is None and len(server.asked) == 2, "asked once by us"


def test_a_picture_from_a_phone_is_refused_at_its_field_and_the_rest_stays(ada: Newcomer) -> None:
    refused = ada.register_with_logo(b"\xff\xd8\xff" + bytes(4 * 1024 * 1024))
    assert refused.status_code == 400 and _TOLD.findall(refused.text) == ["logo"]
    assert "too large" in refused.text and APP["description"] in refused.text


def test_a_change_does_not_go_over_another_that_was_made_meanwhile(ada: Newcomer) -> None:
    client_id = ada.registered()
    stale = ada.seen(client_id)
    assert ada.change(client_id, **APP | {"website": "https://colleague.example"}).status_code == 303

    refused = ada.change(client_id, **APP | {"seen": stale, "name": "Second Lantern"})

    assert refused.status_code == 409 and "changed in another window or by a colleague" in refused.text
    assert 'value="Second Lantern"' in refused.text and stale not in refused.text
    with Committing(ada.app) as session:
        kept = session.get_one(Client, client_id)
        assert (kept.website, kept.name) == ("https://colleague.example", APP["name"])
    assert ada.change(client_id, **APP | {"name": "Second Lantern"}).status_code == 303, "seen, and saved again"
    assert ada.change(client_id, **APP | {"seen": ""}).status_code == 409


def test_a_change_of_what_was_submitted_meanwhile_keeps_what_was_typed(ada: Newcomer) -> None:
    client_id = ada.registered()
    here, seen = f"/developers/apps/{client_id}", ada.seen(client_id)
    assert ada.post(f"{here}/submit").status_code == 303

    refused = ada.change(client_id, **APP | {"seen": seen, "name": "Second Lantern"})

    assert refused.status_code == 409 and 'value="Second Lantern"' in refused.text
    assert "withdraw it from review on its page first" in refused.text
    assert ada.get(f"{here}/edit").location == here and "Withdraw to change it" in ada.get(here).text


def test_no_two_fields_of_the_page_of_an_app_have_one_name_for_their_labels(ada: Newcomer) -> None:
    client_id = ada.registered()
    here = f"/developers/apps/{client_id}"
    ada.post(f"{here}/submit")
    with Committing(ada.app) as session:
        review = session.scalars(select(AppReview).where(AppReview.client_id == client_id)).one()
        clerk = make_plan_staff(session, StaffRole.APP_REVIEWER)
        reviews.ask_more(session, review, by_account_id=clerk.account_id, question="Who runs the server?")

    for page in (ada.get(here).text, ada.post(f"{here}/answer", words="").text, ada.post(f"{here}/retire").text):
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids)), sorted(ids)
        labels = re.findall(r'<label [^>]*for="([^"]+)"', page)
        assert set(labels) <= set(ids)
    assert "Your answer: Please fill this in." in ada.post(f"{here}/answer", words="").text


def test_a_suspended_app_s_page_says_why_and_what_to_do(ada: Newcomer) -> None:
    client_id = ada.registered(post_logout_redirect_uris="https://lantern.example/bye")
    ada.post(f"/developers/apps/{client_id}/submit")
    with Committing(ada.app) as session:
        approve_latest(session, client_id, ada.settings)
        reviews.suspend(session, client_id, reason="Tokens in a <public> log", settings=ada.settings)
    page = ada.get(f"/developers/apps/{client_id}").text
    stands = page.split("How it stands")[1].split("What it says now")[0]
    assert "Tokens in a &lt;public&gt; log" in stands and "contact the plan" in stands
    assert "https://lantern.example/bye" in page.split("What it says now")[1]
