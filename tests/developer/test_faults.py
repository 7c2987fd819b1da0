"""The fault simulator: an app meets the fault that its developers chose, and nobody else does; never in production."""

import time
from copy import copy
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from oauth.apps import clients
from oauth.trials.models import AppFault, Fault
from service.app import create_app
from service.sandbox import faults as simulator
from service.settings import Mode
from tests.conftest import MovableClock
from tests.developer.newcomer import Newcomer
from tests.factories import make_developer
from tests.oauth.desk import App, Committing, Desk


@pytest.fixture
def ada(app: Flask, clock: MovableClock) -> Newcomer:
    with Committing(app) as session:
        developer = make_developer(session)
    return Newcomer(app).enter(developer)


@pytest.fixture
def beacon(ada: Newcomer) -> App:
    client_id = ada.registered(scope=["openid", "patient/*.rs", "offline_access"])
    with Committing(ada.app) as session:
        return App(clients.get(session, client_id), None)


def choose(ada: Newcomer, app: App, **given: str) -> int:
    answer = ada.post(f"/developers/apps/{app.id}/trial/fault", **given)
    ada.app.extensions["latchstring.faults"].forget()
    return answer.status_code


def read(desk: Desk, tokens: dict[str, Any]) -> TestResponse:
    header = {"Authorization": f"Bearer {tokens['access_token']}"}
    return desk.app.test_client().get("/fhir/r4/Coverage", headers=header)


@pytest.mark.parametrize(
    ("fault", "api", "token"),
    [
        (Fault.EXPIRED_TOKEN, (401, "invalid_token"), (200, "")),
        (Fault.REVOKED_GRANT, (401, "invalid_token"), (400, "invalid_grant")),
        (Fault.DENIED_SCOPE, (403, "insufficient_scope"), (400, "invalid_scope")),
        (Fault.TOO_MANY, (429, ""), (429, "temporarily_unavailable")),
    ],
)
def test_an_app_meets_its_fault_and_another_does_not(
    ada: Newcomer, beacon: App, fault: Fault, api: tuple[int, str], token: tuple[int, str]
) -> None:
    desk = Desk(ada.app)
    tokens, other = desk.connect(beacon), desk.connect(desk.register())
    ada.post(f"/developers/apps/{beacon.id}/trial")
    assert choose(ada, beacon, fault=fault.value) == 303

    met = read(desk, tokens)
    refreshed = desk.refresh(beacon, tokens["refresh_token"])

    assert met.status_code == api[0] and api[1] in met.headers.get("WWW-Authenticate", "")
    assert met.get_json()["resourceType"] == "OperationOutcome"
    assert refreshed.status_code == token[0] and token[1] in refreshed.get_json().get("error", "")
    if fault is Fault.TOO_MANY:
        assert met.headers["Retry-After"] == refreshed.headers["Retry-After"] == "30"
    assert read(desk, other).status_code == 200
    page = ada.get(f"/developers/apps/{beacon.id}/trial").text
    assert "The fault that you let it meet." in page and "Answer it as ever" in page
    assert ada.post(f"/developers/apps/{beacon.id}/trial/fault/off").status_code == 303
    ada.app.extensions["latchstring.faults"].forget()
    if refreshed.status_code == 200:
        tokens = refreshed.get_json()
    assert read(desk, tokens).status_code == 200, "nothing was ended by it"
    assert desk.refresh(beacon, tokens["refresh_token"]).status_code == 200


def test_a_fault_is_met_as_often_as_was_asked_and_fifteen_minutes_at_most(
    ada: Newcomer, beacon: App, clock: MovableClock
) -> None:  # fmt: skip
    desk = Desk(ada.app)
    tokens = desk.connect(beacon)
    for wrong in ({"fault": "other"}, {"fault": "slow", "requests": "0"}, {"fault": "slow", "requests": "51"}, {}):
        assert choose(ada, beacon, **wrong) == 400
    assert choose(ada, beacon, fault="expired_token", requests="2") == 303
    assert desk.refresh(beacon, "unknown").status_code == 400, "not counted: it shows at the API only"
    assert [read(desk, tokens).status_code for _ in range(3)] == [401, 401, 200]
    assert choose(ada, beacon, fault="too_many", requests="") == 303
    assert [read(desk, tokens).status_code for _ in range(3)] == [429, 429, 429]
    clock.advance(15 * 60)
    assert read(desk, tokens).status_code == 200


def test_a_slow_answer_is_the_right_one_and_holds_two_at_most(
    ada: Newcomer, beacon: App, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(simulator, "SLOW_SECONDS", 1.5)
    desk = Desk(ada.app)
    tokens = desk.connect(beacon)
    choose(ada, beacon, fault="slow")
    begun = time.monotonic()
    assert read(desk, tokens).status_code == 200 and time.monotonic() - begun >= 1.5
    monkeypatch.setattr(simulator, "SLOW_SECONDS", 600)
    with simulator._waiting, simulator._waiting:
        assert read(desk, tokens).status_code == 200, "others wait already"


def test_in_production_nothing_of_it_exists(ada: Newcomer, beacon: App, engine: Engine) -> None:
    desk = Desk(ada.app)
    tokens = desk.connect(beacon)
    choose(ada, beacon, fault="too_many")
    assert read(desk, tokens).status_code == 429
    production = create_app(replace(desk.settings, mode=Mode.PRODUCTION), engine)
    hooks = [hook for every in production.before_request_funcs.values() for hook in every]
    assert simulator._disturb not in hooks and "latchstring.faults" not in production.extensions
    assert not [rule for rule in production.url_map.iter_rules() if "/fault" in rule.rule]
    live = copy(desk)
    live.app = production
    assert read(live, tokens).status_code == 200


def test_another_developer_switches_nothing(ada: Newcomer, beacon: App) -> None:
    with Committing(ada.app) as session:
        other = make_developer(session)
    eve = Newcomer(ada.app).enter(other)
    for path in ("fault", "fault/off"):
        assert eve.post(f"/developers/apps/{beacon.id}/trial/{path}", fault="slow").status_code == 404
    with Committing(ada.app) as session:
        assert session.get(AppFault, beacon.id) is None
