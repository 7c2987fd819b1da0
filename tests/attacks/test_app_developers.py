"""Cases 5, 17, 41, 61, 73 and 165 of security.md, as far as developers and their organisations are in them."""

import base64
from io import BytesIO

import pytest
from flask import Flask
from sqlalchemy import select

from oauth.apps import disabling
from oauth.apps.clients import NoSuchClient
from oauth.apps.models import DeveloperOrganization, ReviewState
from oauth.models import Client
from tests.attacks.test_client_authentication import GRANT, post
from tests.attacks.test_token_endpoint import is_refused
from tests.conftest import MovableClock
from tests.developer.newcomer import APP, Newcomer, secret_on
from tests.factories import make_developer
from tests.oauth.desk import Desk
from tests.oauth.life import Life, production


@pytest.fixture
def ada(app: Flask, desk: Desk) -> Newcomer:
    """A developer at My apps."""
    with desk.session() as session:
        developer = make_developer(session)
    return Newcomer(app).enter(developer)


def test_case_005_dangerous_addresses_are_refused_in_a_change_too(ada: Newcomer, desk: Desk) -> None:
    client_id = ada.registered()
    for address in (
        "javascript:alert(1)", "data:text/html,x", "http://app.example.org/cb", "https://*.example.org/cb",
        "https://app.example.org/cb#x", "https://a@b.example/cb", "https://a.example/../cb",
    ):  # fmt: skip
        assert ada.change(client_id, **APP | {"redirect_uris": address}).status_code == 400, address
        assert ada.change(client_id, **APP | {"launch_uris": address}).status_code == 400, address
    with desk.session() as session:
        assert session.scalars(select(Client)).one().redirect_uris == ["https://app.example.org/callback"]


@pytest.mark.parametrize("state", [ReviewState.DRAFT, ReviewState.APPROVED])
def test_case_017_a_disabled_organization_is_out_with_all_its_apps_at_once(desk: Desk, state: ReviewState) -> None:
    life = Life.begin(desk, desk.settings).to(state)
    stranger = desk.register()
    body, code = desk.connect(life.app), desk.agree(life.app)
    others = desk.connect(stranger)["access_token"]

    life.disable_organization()

    answer = desk.authorize(desk.app.test_client(), life.app)
    assert answer.status_code == 400 and answer.mimetype == "text/html" and "Location" not in answer.headers
    assert not desk.works(body["access_token"])
    assert desk.exchange(code).status_code == 401
    assert desk.refresh(life.app, body["refresh_token"]).status_code == 401
    assert desk.works(others)


def test_case_017_a_suspended_app_stays_out_when_its_organization_is_enabled(desk: Desk) -> None:
    life = Life.begin(desk, production(desk.settings)).to(ReviewState.APPROVED)
    token = desk.connect(life.app)["access_token"]
    life.disable_organization()
    with desk.session() as session:
        life.suspend(session)
    with desk.session() as session:
        organization = session.scalars(select(DeveloperOrganization)).one()
        disabling.enable(session, organization, reason="known", settings=life.settings, by_account_id=None)
    assert not desk.works(token)


def test_case_017_a_retired_app_is_a_page_like_one_that_never_was(desk: Desk) -> None:
    life = Life.begin(desk, desk.settings).to(ReviewState.RETIRED)
    retired = desk.authorize(desk.app.test_client(), life.app)
    never = desk.authorize(desk.app.test_client(), life.app, client_id="nobody")
    assert (retired.status_code, never.status_code) == (400, 400)


def test_case_041_the_secret_of_the_page_works_and_the_old_one_for_a_day(
    ada: Newcomer, desk: Desk, clock: MovableClock
) -> None:
    first = secret_on(ada.register(method="client_secret_basic"))
    with desk.session() as session:
        client_id = session.scalars(select(Client.id)).one()

    def accepted(secret: str) -> bool:
        """The app is known by it: only the made-up code is refused."""
        header = "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        answer = post(desk, GRANT, header)
        assert is_refused(answer, *(("invalid_grant",) if answer.status_code == 400 else ("invalid_client", 401)))
        return answer.status_code == 400

    second = secret_on(ada.post(f"/developers/apps/{client_id}/secret"))
    assert accepted(first) and accepted(second)
    clock.advance(86_000)
    assert accepted(first)
    clock.advance(401)
    assert not accepted(first) and accepted(second)


def test_case_061_a_form_cannot_ask_for_another_signature(ada: Newcomer, desk: Desk) -> None:
    for algorithm in ("none", "HS256"):
        answer = ada.register(id_token_signed_response_alg=algorithm)
        assert answer.status_code == 400 and "ID tokens are signed with RS256" in answer.text
    with desk.session() as session:
        assert session.scalars(select(Client.id)).all() == []


def test_case_073_a_changed_name_and_logo_go_the_same_way(ada: Newcomer, desk: Desk) -> None:
    client_id = ada.registered()
    ada.registered(name="Other Beacon")
    for changed in (
        {"name": "0ther Beac0n"}, {"name": desk.settings.plan.name}, {"name": "Claim\u202e Lantern"},
        {"logo": (BytesIO(b"<svg/>"), "l.svg")}, {"logo": (BytesIO(b"GIF89a"), "l.gif")},
    ):  # fmt: skip
        assert ada.change(client_id, **APP | changed).status_code == 400, changed


def test_case_073_an_organization_s_name_is_held_to_the_same_rule(app: Flask, desk: Desk) -> None:
    for name in (desk.settings.plan.name, f"{desk.settings.plan.name} Labs", "Lan\u202etern", "Lan\u200btern"):
        assert Newcomer(app).begin(organization_name=name).status_code == 400


def test_case_165_drafts_end_with_a_sentence(ada: Newcomer) -> None:
    answers = [ada.register(name=f"Claim Lantern {'ABCDEFGHJKLMNOPQRSTUVWXYZ'[number]}") for number in range(21)]
    assert [answer.status_code for answer in answers] == [303] * 20 + [429]
    assert "20 apps that were never approved" in answers[-1].text


def test_another_organization_s_app_cannot_be_changed_by_its_verbs(desk: Desk) -> None:
    mine, other = Life.begin(desk, desk.settings), Life.begin(desk, desk.settings)
    with desk.session() as session:
        theirs = Life(desk, desk.settings, mine.app, other.developer_id, mine.reviewers)
        with pytest.raises(NoSuchClient):
            theirs.propose(session, website="https://evil.example")
