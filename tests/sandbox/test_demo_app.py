"""The sample app's page: another origin than the plan's, in the sandbox only, allowed to speak to the plan alone."""

from dataclasses import replace
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from oauth.apps import admission, clients
from service.app import create_app
from service.db import make_engine, make_sessions
from service.sandbox.sample_apps import DEMO_PATH, SAMPLE_APPS, demo_address
from service.settings import Mode, Settings
from tests.sandboxes import copy_sandbox


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


def test_the_app_moves_with_the_sandbox_to_another_port(sandbox_template: Path, tmp_path: Path) -> None:
    moved = copy_sandbox(sandbox_template, {"VAR": str(tmp_path / "moved"), "BASE_URL": "http://localhost:8123"})
    (named,) = (app.client_id for app in SAMPLE_APPS if DEMO_PATH in app.redirect_uris)
    engine = make_engine(moved.database_url)
    with make_sessions(engine)() as session:
        app, versions = clients.get(session, named), admission.versions_of(session, named)
        assert "http://127.0.0.1:8123/sandbox/app" in app.redirect_uris
        assert app.launch_uris == ("http://127.0.0.1:8123/sandbox/app",)
        assert tuple(versions.latest.content["launch_uris"]) == app.launch_uris
    engine.dispose()


def test_production_has_no_sample_app(settings: Settings, engine: Engine) -> None:
    real = replace(settings, mode=Mode.PRODUCTION, base_url="https://plan.example.org")
    production: Flask = create_app(real, engine)

    assert production.test_client().get("/sandbox/app").status_code == 404
