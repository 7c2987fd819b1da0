"""How often an app may ask: what it is told it has left, and that others lose nothing by it."""

from dataclasses import replace

import pytest
from werkzeug.test import TestResponse

from service.app import create_app
from tests.fhir import records
from tests.fhir.conftest import Api
from tests.fhir.test_plan_base import program
from tests.oauth.desk import Desk

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_an_app_is_told_what_it_has_left_and_waits_when_there_is_nothing(api: Api, desk: Desk) -> None:
    allowed = api.get(f"Patient/{api.patient_id}")
    assert "RateLimit" not in allowed.headers, "no limit, no word"
    app = create_app(replace(desk.settings, processes=2, app_requests_per_minute=6))
    narrow = Api(app.test_client(), api.patient_id, api.token, api.base)
    answers = [narrow.get(f"Patient/{api.patient_id}") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"app";q=3;w=60'}, "half: one of two"
    assert [answer.headers["RateLimit"] for answer in answers[:3]] == [
        '"app";r=2;t=20', '"app";r=1;t=40', '"app";r=0;t=60',
    ]  # fmt: skip
    assert answers[3].json["issue"][0]["code"] == "throttled" and 18 <= int(answers[3].headers["Retry-After"]) <= 20
    assert "RateLimit" in answers[3].headers["Access-Control-Expose-Headers"]
    other = desk.connect(desk.register())["access_token"]
    assert replace(narrow, token=other).get(f"Patient/{api.patient_id}").status_code == 200, "another app's own"
    assert narrow.client.get("/fhir/r4/Patient/x").status_code == 401, "who has no token has no limit to use up"


def test_a_program_at_the_plans_base_is_held_to_it(desk: Desk) -> None:
    token = program(desk).token
    app = create_app(replace(desk.settings, processes=1, app_requests_per_minute=2))

    def put(name: str) -> TestResponse:
        sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
        return app.test_client().put(f"/plan/fhir/r4/Patient/{name}", json=records.patient(name), headers=sent)

    answers = [put(name) for name in ("p", "q", "r")]
    assert [answer.status_code for answer in answers] == [201, 201, 429], "a write counts once"
    assert answers[0].headers["RateLimit-Policy"] == '"app";q=2;w=60'
    assert answers[2].get_json()["issue"][0]["code"] == "throttled" and int(answers[2].headers["Retry-After"]) > 0


def test_another_address_of_the_same_network_has_no_limit_of_its_own(desk: Desk) -> None:
    client = create_app(replace(desk.settings, directory_requests_per_minute=2, processes=1)).test_client()

    def asked(address: str) -> int:
        place = "/directory/fhir/r4/Organization/none"
        return client.get(place, environ_base={"REMOTE_ADDR": address}).status_code

    assert [asked(f"2001:db8:0:1::{number}") for number in range(1, 4)] == [404, 404, 429]
    assert asked("2001:db8:0:2::1") == 404, "another network's own"
