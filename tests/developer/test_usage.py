"""The usage of an app: counts of its own requests by day, of no person below five, and only for its developers."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text

from oauth.apps import clients, refusals, usage
from oauth.apps.models import Developer
from oauth.apps.usage import Usage
from service import audit
from service.audit import AuditEvent
from service.clock import now
from tests.conftest import MovableClock
from tests.developer.newcomer import Newcomer
from tests.factories import make_account, make_developer, make_member
from tests.oauth.desk import App, Code, Committing, Desk, new_verifier


@pytest.fixture
def ada(app: Flask) -> Newcomer:
    with Committing(app) as session:
        developer = make_developer(session)
    return Newcomer(app).enter(developer)


def registered(ada: Newcomer, **given: Any) -> App:
    client_id = ada.registered(scope=["openid", "patient/*.rs", "offline_access"], **given)
    with Committing(ada.app) as session:
        return App(clients.get(session, client_id), None)


def read_by(ada: Newcomer, token: str, path: str) -> int:
    header = {"Authorization": f"Bearer {token}"}
    return ada.app.test_client().get(f"/fhir/r4/{path}", headers=header).status_code


def usage_of(ada: Newcomer, app: App) -> Usage:
    with Committing(ada.app) as session:
        return usage.of_app(session, app.id)


def test_what_an_app_did_is_counted_by_day_type_and_reason(ada: Newcomer, clock: MovableClock) -> None:
    desk, app, other = Desk(ada.app), registered(ada), registered(ada, name="Other Beacon")
    tokens = desk.connect(app)
    assert read_by(ada, tokens["access_token"], "Coverage") == 200
    assert read_by(ada, tokens["access_token"], "Coverage/unknown") == 404
    desk.refresh(app, tokens["refresh_token"])
    desk.refresh(app, tokens["refresh_token"])
    clock.advance(86_400)
    again = desk.agree(app)
    desk.exchange(again)
    desk.token(again.form(client_secret="guessed"))
    desk.authorize(ada.app.test_client(), app, prompt="none")
    # What another app does, with a token of this one's grant too, is not this one's.
    read_by(ada, desk.connect(other)["access_token"], "Coverage")
    desk.exchange(Code(desk.agree(app).value, new_verifier(), other))

    found = usage_of(ada, app)

    today, before = found.days[:2]
    assert (before.authorizations, before.exchanges, before.refreshes, before.reads) == (1, 1, 1, 1)
    assert before.refused == 2 and before.people is None, "a read, and a refresh token that came twice"
    assert (today.authorizations, today.exchanges, today.reads, today.people) == (2, 1, 0, 0)
    assert found.requests == {("Coverage", 200): 1, ("Coverage", 404): 1}
    assert found.refusals == {
        "token_family:refresh_reused": 1, "client:authenticate": 1, "login_required": 1,
    }  # fmt: skip
    assert usage_of(ada, other).requests == {("Coverage", 200): 1}
    with Committing(ada.app) as session:
        developer = session.scalars(select(Developer)).one()
    page = ada.enter(developer).get(f"/developers/apps/{app.id}/usage").text
    assert "fewer than 5" in page and "A refresh token came twice" in page and "<svg" in page
    assert desk.member.id not in page and desk.member.patient_id not in page and desk.member.family_name not in page


def test_people_are_told_from_five_on_and_days_older_than_thirty_are_not(ada: Newcomer, clock: MovableClock) -> None:
    desk, app = Desk(ada.app), registered(ada)
    assert "Nothing happened." in ada.get(f"/developers/apps/{app.id}/usage").text
    for number in range(5):
        assert usage_of(ada, app).days[0].people in {0, None}, number
        with Committing(ada.app) as session:
            member = make_member(session)
            account = make_account(session, member=member)
        token = desk.connect(app, account=account, member=member)["access_token"]
        for _ in range(2):
            assert read_by(ada, token, "Coverage") == 200
    assert usage_of(ada, app).days[0].people == 5 and usage_of(ada, app).most == 10
    clock.advance(usage.DAYS * 86_400)
    assert not any(day.is_used for day in usage_of(ada, app).days)


def test_it_is_read_by_an_index(ada: Newcomer, engine: Engine) -> None:
    statement = usage._counts("some-app", now() - timedelta(days=30))
    # So many of others that the planner has to choose, whatever it remembers of the tests before.
    with Committing(ada.app) as session:
        for number in range(300):
            audit.record(session, "oauth:client:authenticate", outcome=audit.Outcome.REFUSED, client_id=f"app-{number}")
    compiled = statement.compile(engine, compile_kwargs={"literal_binds": True})
    on_postgresql = engine.dialect.name == "postgresql"
    with engine.connect() as connection:
        if on_postgresql:
            connection.execute(text("ANALYZE audit_event"))
            connection.execute(text("SET enable_seqscan = off"))
        explain = "EXPLAIN " if on_postgresql else "EXPLAIN QUERY PLAN "
        plan = repr(connection.exec_driver_sql(explain + str(compiled).replace("%", "%%")).all())
    assert "ix_audit_event_client_at" in plan and "ix_audit_event_grant_at" in plan, plan


def test_another_developer_finds_nothing(ada: Newcomer) -> None:
    app = registered(ada)
    with Committing(ada.app) as session:
        other = make_developer(session)
    eve = Newcomer(ada.app).enter(other)
    assert eve.get(f"/developers/apps/{app.id}/usage").status_code == 404


def test_what_was_refused_without_an_audit_row_is_counted_by_the_word_that_the_app_was_told(
    ada: Newcomer, clock: MovableClock
) -> None:
    desk, app, other, browser = (
        Desk(ada.app),
        registered(ada),
        registered(ada, name="Other Beacon"),
        ada.app.test_client(),
    )
    code = desk.agree(app)
    for _ in range(2):
        assert desk.exchange(code, code_verifier=new_verifier()).status_code == 400
    assert desk.exchange(code, grant_type="password").status_code == 400
    assert desk.exchange(code, resource="https://other.example").status_code == 400
    tokens = desk.exchange(code).get_json()
    desk.refresh(app, tokens["refresh_token"], scope="user/*.rs")
    desk.authorize(browser, app, aud="https://other.example")
    desk.authorize(browser, app, code_challenge="x")
    desk.authorize(browser, app, redirect_uri="https://other.example")
    desk.authorize(browser, app, state=None)
    browser.post("/oauth/par", data=desk.parameters(app, scope="nothing"))
    # Told by the audit, and so not counted twice; and nobody's.
    desk.exchange(code)
    desk.token(code.form(client_secret="guessed"))
    desk.authorize(browser, app, client_id="nobody")
    desk.token(code.form(client_id="nobody"))

    found = usage_of(ada, app)
    assert found.refusals == {
        "token:invalid_grant": 2, "token:unsupported_grant_type": 1, "token:invalid_target": 1,
        "token:invalid_scope": 1, "authorize:invalid_request": 2, "authorize:redirect": 1, "authorize:state": 1,
        "authorize:invalid_scope": 1, "token_family:code_replayed": 1, "client:authenticate": 1,
    }  # fmt: skip
    assert found.days[0].refused == sum(found.refusals.values())
    page = ada.get(f"/developers/apps/{app.id}/usage").text
    assert "the code_verifier or redirect_uri did not fit" in page and "token:" not in page
    assert not usage_of(ada, other).refusals

    clock.advance(36 * 86_400)
    assert not usage_of(ada, app).refusals
    with Committing(ada.app) as session:
        assert refusals.delete_old(session) == 8 and refusals.delete_old(session) == 0


def test_what_the_api_could_not_read_is_counted_by_type_and_status(ada: Newcomer) -> None:
    desk, app, other = Desk(ada.app), registered(ada), registered(ada, name="Other Beacon")
    token = desk.connect(app)["access_token"]
    assert read_by(ada, token, "Coverage?_count=many") == 400
    assert read_by(ada, token, "Coverage?_count=many") == 400
    assert read_by(ada, token, "ExplanationOfBenefit?service-date=yesterday") == 400
    assert read_by(ada, "unknown", "Coverage?_count=many") == 401

    found = usage_of(ada, app)

    assert found.requests == {("Coverage", 400): 2, ("ExplanationOfBenefit", 400): 1} and found.refusals == {}
    assert found.days[0].refused == 3 and found.days[0].reads == 0
    assert usage_of(ada, other).requests == {}
    with Committing(ada.app) as session:
        assert not session.scalars(select(AuditEvent).where(AuditEvent.tag.startswith("fhir:"))).all()
    page = ada.get(f"/developers/apps/{app.id}/usage").text
    assert '<th scope="row" translate="no">Coverage</th><td class="ls-number">400</td><td class="ls-number">2' in page


def test_a_refusal_that_cannot_be_counted_is_answered_all_the_same(ada: Newcomer) -> None:
    desk, app = Desk(ada.app), registered(ada)
    code = desk.agree(app)
    with Committing(ada.app) as session:
        session.execute(text("ALTER TABLE refusal_day RENAME TO elsewhere"))
    try:
        assert desk.exchange(code, code_verifier=new_verifier()).get_json()["error"] == "invalid_grant"
        assert desk.exchange(code).status_code == 200
    finally:
        with Committing(ada.app) as session:
            session.execute(text("ALTER TABLE elsewhere RENAME TO refusal_day"))
