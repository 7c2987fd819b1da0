"""The sample app's page: another origin than the plan's, in the sandbox only, allowed to speak to the plan alone."""

from dataclasses import replace

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from service.app import create_app
from service.sandbox.sample_apps import demo_address
from service.settings import Mode, Settings


def test_the_app_lives_on_another_origin_than_the_plan(settings: Settings) -> None:
    local = replace(settings, base_url="http://localhost:8123")

    assert demo_address(local) == "http://127.0.0.1:8123/sandbox/app"
    assert demo_address(replace(settings, base_url="https://try.example.org")) == "https://try.example.org/sandbox/app"


def test_the_app_opened_on_the_plans_address_moves_to_its_own(client: FlaskClient) -> None:
    answer = client.get("/sandbox/app?code=abc&state=def")

    assert answer.status_code == 302
    assert answer.location == "http://127.0.0.1/sandbox/app?code=abc&state=def"


def test_the_app_knows_the_fhir_base_and_may_speak_to_nobody_else(client: FlaskClient) -> None:
    answer = client.get("/sandbox/app", base_url="http://127.0.0.1")

    assert answer.status_code == 200
    assert 'data-fhir-base="http://localhost/fhir/r4"' in answer.text
    assert "connect-src 'self' http://localhost;" in answer.headers["Content-Security-Policy"]
    assert "<script>" not in answer.text


def test_production_has_no_sample_app(settings: Settings, engine: Engine) -> None:
    real = replace(settings, mode=Mode.PRODUCTION, base_url="https://plan.example.org")
    production: Flask = create_app(real, engine)

    assert production.test_client().get("/sandbox/app").status_code == 404
