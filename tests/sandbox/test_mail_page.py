"""The sandbox's mail: caught by SMTP, shown on a page and as JSON; elsewhere the routes do not exist."""

from dataclasses import replace

from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.app import create_app
from service.db import make_sessions
from service.mail import enqueue
from service.sandbox import mail_catcher
from service.settings import Mode, Settings
from tests.conftest import deliver_due, free_port


def _caught(settings: Settings, engine: Engine, *recipients: str) -> None:
    settings = replace(settings, smtp_port=free_port())
    sessions = make_sessions(engine)
    with sessions.begin() as session:
        for recipient in recipients:
            enqueue(session, to=recipient, template="welcome", language="es", given_name="<b>Ñandú</b>", at="today")
            session.flush()
    with mail_catcher.catching(settings):
        deliver_due(sessions, settings)


def test_mail_is_readable_as_json_by_recipient(app: Flask, settings: Settings, engine: Engine) -> None:
    _caught(settings, engine, "maria@example.org", "dana@example.org")
    listed = app.test_client().get("/sandbox/mail.json?to=Maria@example.org").get_json()
    assert [letter["to"] for letter in listed] == [["maria@example.org"]]
    assert "Su cuenta está lista" in listed[0]["subject"]
    assert "Ñandú" in listed[0]["text"]


def test_the_newest_mail_comes_first(app: Flask, settings: Settings, engine: Engine) -> None:
    _caught(settings, engine, "a@example.org", "b@example.org")
    assert [letter["to"][0] for letter in app.test_client().get("/sandbox/mail.json").get_json()] == [
        "b@example.org",
        "a@example.org",
    ]


def test_mail_is_readable_on_a_page_and_stays_text(app: Flask, settings: Settings, engine: Engine) -> None:
    _caught(settings, engine, "maria@example.org")
    page = app.test_client().get("/sandbox/mail").text
    assert "maria@example.org" in page
    assert "&lt;b&gt;Ñandú" in page
    assert "<b>Ñandú" not in page


def test_no_mail_is_no_fault(app: Flask) -> None:
    assert app.test_client().get("/sandbox/mail.json").get_json() == []
    assert app.test_client().get("/sandbox/mail").status_code == 200


def test_the_routes_do_not_exist_in_production(settings: Settings, engine: Engine, session: Session) -> None:
    production = create_app(replace(settings, mode=Mode.PRODUCTION, base_url="https://health.example.org"), engine)
    assert not [rule.rule for rule in production.url_map.iter_rules() if rule.rule.startswith("/sandbox/mail")]
    answer = production.test_client().get("/sandbox/mail.json", base_url="https://health.example.org")
    assert answer.status_code == 404
