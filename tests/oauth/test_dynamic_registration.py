"""Registration of apps by programs, and their management (RFC 7591, RFC 7592; OA-56 to OA-61)."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, select

from oauth.apps import admission, developers, disabling, dynamic, own_apps, reviews
from oauth.apps.dynamic import NotManaged
from oauth.apps.models import AppReviewEvent, Category, DynamicRegistration, ReviewState, ReviewStep
from oauth.models import Client, ClientStatus
from service.app import create_app
from service.audit import AuditEvent
from service.clock import now
from service.db import digest
from service.environment import UnsafeSetting
from service.settings import Mode, ProgramsRegister, Settings
from tests.oauth.desk import Desk
from tests.oauth.keyed import ec, rsa
from tests.oauth.life import approve_latest
from tests.oauth.programs import REGISTER, Registered, metadata, post


def approve(desk: Desk, client_id: str) -> None:
    """Two people of the plan say yes to the version that waits."""
    with desk.session() as session:
        approve_latest(session, client_id, desk.settings)


def status(desk: Desk, client_id: str) -> ClientStatus:
    with desk.session() as session:
        return session.get_one(Client, client_id).status


def refused(answer: Any, code: str, status_code: int = 400) -> bool:
    assert answer.status_code == status_code, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.get_json()
    assert set(body) == {"error", "error_description"} and '"' not in body["error_description"]
    return bool(body["error"] == code)


def test_a_registration_answers_with_all_that_is_registered(desk: Desk) -> None:
    said = metadata(token_endpoint_auth_method=None, anything_else="x", logo_uri="https://orchard.example/logo.png")
    answer = post(desk, said)
    told = answer.get_json()

    assert answer.status_code == 201 and answer.headers["Cache-Control"] == "no-store"
    assert told["client_secret_expires_at"] == 0 and len(told["client_secret"]) >= 43
    assert told["token_endpoint_auth_method"] == "client_secret_basic" and told["response_types"] == ["code"]
    assert abs(told["client_id_issued_at"] - now().timestamp()) < 60
    assert told["registration_client_uri"] == f"{desk.settings.base_url}{REGISTER}/{told['client_id']}"
    for name in ("client_name", "redirect_uris", "grant_types", "client_uri", "policy_uri", "tos_uri", "contacts"):
        assert told[name] == said[name], name
    assert told["software_id"] == "orchard" and told["software_version"] == "2.1"
    assert "logo_uri" not in told and "anything_else" not in told
    with desk.session() as session:
        kept = session.get_one(DynamicRegistration, told["client_id"])
        assert kept.token_hash == digest(told["registration_access_token"])
        assert session.get_one(Client, told["client_id"]).secret_hash == digest(told["client_secret"])


def test_what_is_not_said_takes_the_values_of_the_standard(desk: Desk) -> None:
    told = post(desk, {"client_name": "Bare Orchard", "redirect_uris": ["https://app.example.org/cb"]}).get_json()
    assert told["grant_types"] == ["authorization_code", "refresh_token"], "the usual scopes bring refresh tokens"
    assert told["token_endpoint_auth_method"] == "client_secret_basic"
    assert "contacts" not in told and "client_uri" not in told and "jwks" not in told


def test_refreshing_is_told_where_the_scopes_bring_it(desk: Desk) -> None:
    without = {"grant_types": ["authorization_code"], "scope": "openid patient/*.rs"}
    assert post(desk, metadata(**without)).get_json()["grant_types"] == ["authorization_code"]
    with_it = {"grant_types": ["authorization_code"], "scope": "openid online_access patient/*.rs"}
    assert post(desk, metadata(**with_it)).get_json()["grant_types"] == ["authorization_code", "refresh_token"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://app.example.org/cb"}, "invalid_redirect_uri"),
        ({"post_logout_redirect_uris": ["https://a.example/#x"]}, "invalid_redirect_uri"),
        ({"client_name": None}, "invalid_client_metadata"),
        ({"client_name": 5}, "invalid_client_metadata"),
        ({"client_name": "Meridian Health Plan"}, "invalid_client_metadata"),
        ({"client_name": "Abc\u202edef"}, "invalid_client_metadata"),
        ({"client_name": "Half \ud800"}, "invalid_client_metadata"),
        ({"client_name": "Null \0"}, "invalid_client_metadata"),
        ({"client_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
        ({"policy_uri": "http://localhost.evil.example/"}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"grant_types": ["refresh_token"]}, "invalid_client_metadata"),
        ({"grant_types": ["authorization_code", "client_credentials"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "invalid_client_metadata"),
        ({"scope": "system/*.rs"}, "invalid_client_metadata"),
        ({"scope": "nothing known"}, "invalid_client_metadata"),
        ({"scope": "patient/coverage.rs"}, "invalid_client_metadata"),
        ({"jwks": {"keys": []}}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        (
            {
                "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [1]},
                "jwks_uri": "https://orchard.example/keys",
            },
            "invalid_client_metadata",
        ),
        ({"software_statement": "no jwt"}, "invalid_software_statement"),
        ({"software_statement": "e30.e30.c2ln"}, "unapproved_software_statement"),
        ([], "invalid_client_metadata"),
    ],
)  # fmt: skip
def test_what_cannot_be_registered_is_refused_by_its_name(desk: Desk, changed: Any, code: str) -> None:
    before = count_apps(desk)
    said = metadata(**changed) if isinstance(changed, dict) else changed
    assert refused(post(desk, said), code)
    assert count_apps(desk) == before


def count_apps(desk: Desk) -> int:
    with desk.session() as session:
        return len(session.scalars(select(Client.id)).all())


def test_only_a_json_object_is_read(desk: Desk) -> None:
    browser = desk.app.test_client()
    for body, kind in ((b"{", "application/json"), (b"client_name=x", "application/x-www-form-urlencoded"),
                       (b'{"a":NaN}', "application/json"), (b"[" * 60_000, "application/json")):  # fmt: skip
        assert refused(browser.post(REGISTER, data=body, content_type=kind), "invalid_client_metadata")
    assert browser.get(REGISTER).status_code == 405 and browser.get(REGISTER).is_json


def test_keys_are_registered_and_prove_the_app(desk: Desk) -> None:
    for pair in (ec(), rsa()):
        app = Registered.new(desk, token_endpoint_auth_method="private_key_jwt", jwks=pair.jwks)
        assert app.told["jwks"] == pair.jwks and "client_secret" not in app.told
        assert "client_secret_expires_at" not in app.told


def test_an_app_of_a_program_waits_in_production_and_works_in_the_sandbox(desk: Desk, engine: Engine) -> None:
    tried = Registered.new(desk)
    assert status(desk, tried.id) is ClientStatus.APPROVED and tried.told["approval_pending"]
    production = Desk(create_app(replace(desk.settings, mode=Mode.PRODUCTION, base_url="https://plan.example"), engine))
    held = Registered.new(production)
    assert status(desk, held.id) is ClientStatus.PENDING
    page = production.authorize(production.app.test_client(), held.app)
    assert page.status_code == 400 and "Location" not in page.headers


def test_the_consent_page_says_that_nobody_looked_at_it(desk: Desk) -> None:
    app, browser = Registered.new(desk), desk.app.test_client()
    desk.sign_in(browser)
    page = browser.get(desk.authorize(browser, app.app).location, follow_redirects=True)
    assert "This app is not verified" in page.text and '<dd class="ls-foreign">app.example.org</dd>' in page.text
    approve(desk, app.id)
    page = browser.get(desk.authorize(browser, app.app).location, follow_redirects=True)
    assert page.status_code == 200 and "This app is not verified" not in page.text


def test_offline_access_comes_with_approval(desk: Desk) -> None:
    app = Registered.new(desk)
    assert "offline_access" not in app.told["scope"].split() and "patient/*.rs" in app.told["scope"].split()
    assert "refresh_token" not in desk.connect(app.app)
    approve(desk, app.id)
    told = app.manage("GET").get_json()
    assert "offline_access" in told["scope"].split() and not told["approval_pending"]
    assert "refresh_token" in desk.connect(app.app)


def test_a_change_replaces_everything_that_was_said(desk: Desk) -> None:
    app = Registered.new(desk)
    answer = app.put(client_uri=None, contacts=None, client_name="Orchard Pages", software_version="3")
    told = answer.get_json()
    assert answer.status_code == 200 and told["client_name"] == "Orchard Pages" and told["software_version"] == "3"
    assert "client_uri" not in told and "contacts" not in told
    assert told["registration_access_token"] == app.told["registration_access_token"], "it is not rotated"
    assert app.manage("GET").get_json() == told
    assert "offline_access" not in told["scope"].split(), "still not approved"


def test_a_change_of_an_approved_app_waits_beside_it(desk: Desk) -> None:
    app = Registered.new(desk)
    approve(desk, app.id)
    moved = ["https://app.example.org/elsewhere"]
    told = app.put(redirect_uris=moved).get_json()
    assert told["redirect_uris"] == app.told["redirect_uris"] and told["approval_pending"], "the approved one stands"
    told = app.put(redirect_uris=moved, client_name="Orchard Third").get_json()
    assert told["approval_pending"]
    with desk.session() as session:
        versions = admission.versions_of(session, app.id)
        assert versions.state is ReviewState.APPROVED and versions.waiting is not None
        assert versions.waiting.number == 2 and versions.waiting.content["name"] == "Orchard Third"
        steps = session.scalars(select(AppReviewEvent.step).where(AppReviewEvent.client_id == app.id)).all()
        assert steps.count(ReviewStep.SUBMIT) == 2 and ReviewStep.WITHDRAW in steps
    approve(desk, app.id)
    assert app.manage("GET").get_json()["redirect_uris"] == moved


def test_members_read_where_answers_go_once_another_address_is_approved(desk: Desk) -> None:
    app = Registered.new(desk)
    approve(desk, app.id)
    app.put(redirect_uris=["https://elsewhere.example/callback"])
    approve(desk, app.id)
    with desk.session() as session:
        assert session.get_one(Client, app.id).developer_name == "elsewhere.example"


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": None}, {"client_id": "another"}, {"registration_access_token": "x"}, {"client_id_issued_at": 1},
        {"registration_client_uri": "https://a.example"}, {"client_secret_expires_at": 0}, {"client_secret": "mine"},
        {"client_secret": 5}, {"token_endpoint_auth_method": "none"},
    ],
)  # fmt: skip
def test_a_change_that_says_what_only_the_server_says_is_refused(desk: Desk, changed: dict[str, Any]) -> None:
    app = Registered.new(desk, token_endpoint_auth_method="client_secret_post")
    before = app.manage("GET").get_json()
    assert refused(app.put(**changed), "invalid_client_metadata")
    assert app.manage("GET").get_json() == before
    assert app.put(client_secret=app.told["client_secret"]).status_code == 200


def test_a_refused_change_leaves_the_review_as_it_was(desk: Desk) -> None:
    app = Registered.new(desk)
    assert refused(app.put(redirect_uris=["https://a.example/*"]), "invalid_redirect_uri")
    with desk.session() as session:
        assert admission.versions_of(session, app.id).state is ReviewState.SUBMITTED


def test_keys_can_be_changed(desk: Desk) -> None:
    app = Registered.new(desk, token_endpoint_auth_method="private_key_jwt", jwks=ec().jwks)
    assert app.put(jwks=rsa().jwks).get_json()["jwks"] == rsa().jwks
    assert refused(app.put(jwks=None), "invalid_client_metadata")


def test_each_change_leaves_a_row_and_keys_one_of_their_own(desk: Desk) -> None:
    app = Registered.new(desk, token_endpoint_auth_method="private_key_jwt", jwks=ec().jwks)
    assert app.put(contacts=["mailto:help@app.example"]).status_code == 200
    assert app.put(jwks=rsa().jwks).status_code == 200
    with desk.session() as session:
        told = ("oauth:client:change", "oauth:client:replace-keys")
        about = (AuditEvent.client_id == app.id, AuditEvent.tag.in_(told))
        tags = session.scalars(select(AuditEvent.tag).where(*about).order_by(AuditEvent.id)).all()
    assert tags == ["oauth:client:change", "oauth:client:replace-keys", "oauth:client:change"]


def test_a_change_keeps_what_programs_cannot_say(desk: Desk) -> None:
    app = Registered.new(desk)
    with desk.session() as session:
        client = session.get_one(Client, app.id)
        client.category = Category.CLAIMS.value
        review = admission.versions_of(session, app.id).latest
        review.content = {**review.content, "category": Category.CLAIMS.value}
    assert app.put(client_name="Orchard Pages").status_code == 200
    with desk.session() as session:
        assert session.get_one(Client, app.id).category == Category.CLAIMS.value


def test_a_closed_app_is_gone_with_its_tokens_and_its_management(desk: Desk) -> None:
    app = Registered.new(desk)
    approve(desk, app.id)
    body = desk.connect(app.app)
    view = app.app
    answer = app.manage("DELETE")
    assert answer.status_code == 204 and not answer.data
    assert not desk.works(body["access_token"])
    assert desk.refresh(view, body["refresh_token"]).status_code == 401
    for method, said in (("GET", None), ("PUT", metadata(client_id=app.id)), ("DELETE", None)):
        assert refused(app.manage(method, said), "invalid_token", 401)


def test_who_does_not_manage_an_app_learns_nothing(desk: Desk) -> None:
    app, other = Registered.new(desk), Registered.new(desk)
    foreign = other.told["registration_access_token"]
    unknown = Registered(desk, app.told | {"registration_client_uri": f"{desk.settings.base_url}{REGISTER}/unknown"})
    answers = [app.manage("GET", token=foreign), unknown.manage("GET"), app.manage("GET", token="x")]
    assert all(refused(answer, "invalid_token", 401) for answer in answers)
    assert len({answer.data for answer in answers}) == 1
    assert answers[0].headers["WWW-Authenticate"].startswith("Bearer ")
    path = f"{REGISTER}/{app.id}"
    assert desk.app.test_client().get(path).status_code == 401
    assert desk.app.test_client().post(path).status_code == 405
    assert refused(app.manage("DELETE", token=foreign), "invalid_token", 401)
    assert app.manage("GET").status_code == 200


def test_suspension_leaves_the_management_and_shuts_the_app_out(desk: Desk) -> None:
    app = Registered.new(desk)
    approve(desk, app.id)
    with desk.session() as session:
        reviews.suspend(session, app.id, reason="A test.", settings=desk.settings)
    assert app.manage("GET").status_code == 200 and status(desk, app.id) is ClientStatus.SUSPENDED
    assert app.put(software_version="9").status_code == 200 and status(desk, app.id) is ClientStatus.SUSPENDED


def test_the_token_manages_nothing_once_an_organization_has_the_app(desk: Desk) -> None:
    app = Registered.new(desk)
    approve(desk, app.id)
    body = desk.connect(app.app)
    with desk.session() as session:
        organization = developers.add_organization(
            session, name="Orchard Works", website="https://orchard.example", domain="orchard.example",
            terms_version="1",
        )  # fmt: skip
        own_apps.take_over(session, app.id, organization)
    for disabled in (False, True):
        if disabled:
            with desk.session() as session:
                found = developers.get_organization(session, organization.id)
                disabling.disable(session, found, reason="A test.", settings=desk.settings, by_account_id=None)
        for method, said in (("GET", None), ("PUT", metadata(client_id=app.id)), ("DELETE", None)):
            assert refused(app.manage(method, said), "invalid_token", 401), (method, disabled)
        assert desk.works(body["access_token"]) is not disabled
    with desk.session() as session:
        client = session.get_one(Client, app.id)
        assert (client.developer_name, client.developer_domain) == ("Orchard Works", "orchard.example")
        assert client.status is ClientStatus.SUSPENDED, "and not retired by DELETE"


def test_a_change_that_waits_for_a_take_over_is_refused(desk: Desk) -> None:
    app = Registered.new(desk)
    token = str(app.told["registration_access_token"])
    if desk.settings.database_url.startswith("sqlite"):
        pytest.skip("one writer at a time: it cannot happen")
    waits, answers = threading.Event(), []

    def change() -> None:
        with desk.session() as session:
            dynamic.require_manager(session, app.id, token)
            waits.set()
            with pytest.raises(NotManaged):
                dynamic.retire(session, app.id, token, settings=desk.settings)
            answers.append("refused")

    with desk.session() as session:
        organization = developers.add_organization(
            session, name="Orchard Works", website="https://orchard.example", domain=None, terms_version="1"
        )  # fmt: skip
        own_apps.take_over(session, app.id, organization)
        other = threading.Thread(target=change)
        other.start()
        assert waits.wait(5)
        time.sleep(0.1)
    other.join(5)
    assert answers == ["refused"]
    assert status(desk, app.id) is ClientStatus.APPROVED


def test_an_initial_access_token_can_be_asked_for(desk: Desk, engine: Engine) -> None:
    token = "t" * 32
    asking = replace(desk.settings, programs_register=ProgramsRegister.TOKEN, registration_token=token)
    closed = Desk(create_app(asking, engine))
    assert refused(post(closed, metadata()), "invalid_token", 401)
    assert refused(post(closed, metadata(), Authorization="Bearer wrong"), "invalid_token", 401)
    assert post(closed, metadata(), Authorization=f"Bearer {token}").status_code == 201


def test_it_can_be_switched_off(desk: Desk, engine: Engine) -> None:
    app = Registered.new(desk)
    off = Desk(create_app(replace(desk.settings, programs_register=ProgramsRegister.OFF), engine))
    answer = post(off, metadata())
    assert answer.status_code == 404 and answer.is_json
    for path in ("/.well-known/oauth-authorization-server", "/fhir/r4/.well-known/smart-configuration"):
        assert "registration_endpoint" not in off.app.test_client().get(path).get_json()
        assert desk.app.test_client().get(path).get_json()["registration_endpoint"].endswith(REGISTER)
    assert Registered(off, app.told).manage("GET").status_code == 200, "what is registered stays managed"


def test_a_weak_initial_access_token_is_refused_at_the_start() -> None:
    with pytest.raises(UnsafeSetting, match="REGISTRATION_TOKEN"):
        Settings.from_environment({"PROGRAMS_REGISTER": "token", "REGISTRATION_TOKEN": "short"})
    with pytest.raises(UnsafeSetting, match="PROGRAMS_REGISTER"):
        Settings.from_environment({"PROGRAMS_REGISTER": "perhaps"})


def test_no_other_origin_may_register(desk: Desk) -> None:
    answer = post(desk, metadata(), Origin="https://other.example")
    assert answer.status_code == 201 and "Access-Control-Allow-Origin" not in answer.headers


def test_changes_of_one_app_are_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic, "PER_APP", 2)
    app = Registered.new(desk)
    assert [app.put().status_code for _ in range(3)] == [200, 200, 429]
