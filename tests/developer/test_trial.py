"""Test launch: each step that the server saw, and why one failed; in the sandbox, for the app's developers only."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select, update

from consent import grants
from consent.models import EndedBy, Grant
from oauth.apps import clients
from oauth.trials import trace
from oauth.trials.checks import Check
from oauth.trials.models import AppTrial, TraceStep
from service.app import create_app
from service.clock import now
from service.db import make_sessions
from service.settings import Mode
from tests.conftest import MovableClock
from tests.developer.newcomer import Newcomer
from tests.factories import make_developer
from tests.member.pages import Reader
from tests.oauth.desk import App, Code, Committing, Desk, answer_of, challenge_of, new_verifier
from tests.oauth.proofs import Prover


@dataclass
class Trial:
    """A developer who tries an app with a member of the sandbox."""

    ada: Newcomer
    desk: Desk
    client_id: str = field(init=False)
    app: App = field(init=False)

    def __post_init__(self) -> None:
        self.client_id = self.ada.registered(
            **{"scope": ["openid", "patient/*.rs", "launch/patient", "offline_access"]}
        )
        with Committing(self.ada.app) as session:
            self.app = App(clients.get(session, self.client_id), None)

    @property
    def here(self) -> str:
        return f"/developers/apps/{self.client_id}/trial"

    def begin(self) -> None:
        assert self.ada.post(self.here).status_code == 303

    def steps(self) -> list[TraceStep]:
        """The oldest first."""
        with Committing(self.ada.app) as session:
            return list(reversed(trace.steps_of(session, self.client_id)))

    def last(self) -> tuple[str, bool, Check | None, str]:
        step = self.steps()[-1]
        return step.step.value, step.failed, step.failed_check, step.error


@pytest.fixture
def trial(app: Flask, clock: MovableClock) -> Iterator[Trial]:
    with Committing(app) as session:
        developer = make_developer(session)
    yield Trial(Newcomer(app).enter(developer), Desk(app))


def test_a_whole_walk_is_told_step_by_step_without_any_secret(trial: Trial, engine: Engine) -> None:
    trial.begin()
    verifier = new_verifier()
    reader = Reader(trial.desk, trial.desk.account)
    page = reader.ask(trial.app, code_challenge=challenge_of(verifier))
    told = answer_of(reader.allow(page).location)
    tokens = trial.desk.exchange(Code(told["code"], verifier, trial.app)).get_json()
    browser = trial.ada.app.test_client()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert browser.get(f"/fhir/r4/Patient/{tokens['patient']}", headers=bearer).status_code == 404
    assert browser.get("/fhir/r4/Coverage", headers=bearer).status_code == 200
    renewed = trial.desk.refresh(trial.app, tokens["refresh_token"]).get_json()
    assert browser.get("/fhir/r4/Coverage", headers=bearer).status_code == 401

    assert [(one.step.value, one.failed, one.status) for one in trial.steps()] == [
        ("authorize", False, None), ("consent", False, None), ("code", False, None), ("exchange", False, 200),
        ("read", True, 404), ("read", False, 200), ("refresh", False, 200), ("read", True, 401),
    ]  # fmt: skip
    assert trial.steps()[-1].failed_check is Check.TOKEN_ENDED
    page = trial.ada.get(trial.here).text
    assert "the app was sent a code" in page and "Coverage" in page and "The access token was ended" in page
    assert "client_id, redirect_uri, state, response_type, aud, scope, code_challenge (PKCE)" in page
    with engine.connect() as connection:
        written = repr(connection.execute(select(TraceStep.__table__)).all())
    for secret in (told["code"], verifier, challenge_of(verifier), *map(str, (tokens | renewed).values())):
        if len(secret) > 20 and "patient/" not in secret:
            assert secret not in written and secret not in page
    assert trial.desk.member.id not in written and trial.desk.account.id not in written


WRONG: list[tuple[dict[str, str | None], Check, str]] = [
    ({"redirect_uri": "https://evil.example/"}, Check.REDIRECT, ""),
    ({"state": None}, Check.STATE, ""),
    ({"response_type": "token"}, Check.RESPONSE_TYPE, "unsupported_response_type"),
    ({"response_mode": "fragment"}, Check.RESPONSE_MODE, "invalid_request"),
    ({"request": "x"}, Check.REQUEST_OBJECT, "request_not_supported"),
    ({"aud": "https://other.example/fhir"}, Check.AUD, "invalid_request"),
    ({"scope": "user/*.cruds"}, Check.SCOPE, "invalid_scope"),
    ({"launch": "unknown"}, Check.LAUNCH, "invalid_request"),
    ({"code_challenge_method": "plain"}, Check.CHALLENGE, "invalid_request"),
    ({"prompt": "none login"}, Check.PARAMETER, "invalid_request"),
]


def test_why_an_authorization_request_failed_is_told_with_what_to_change(trial: Trial) -> None:
    trial.begin()
    browser = trial.ada.app.test_client()
    for changed, check, error in WRONG:
        trial.desk.authorize(browser, trial.app, **changed)
        assert trial.last() == ("authorize", True, check, error), changed
    repeated = "&".join(f"{name}={value}" for name, value in trial.desk.parameters(trial.app).items()) + "&scope=openid"
    browser.get(f"/oauth/authorize?{repeated}")
    assert trial.last()[2] is Check.REPEATED
    page = trial.ada.get(trial.here).text
    assert "Send the FHIR base address as it is." in page and "Register it, or send the registered" in page
    trial.desk.authorize(browser, trial.app, prompt="none")
    assert trial.last() == ("refused", True, None, "login_required")
    trial.desk.authorize(browser, trial.app)
    assert trial.last() == ("sign_in", False, None, "")


def test_why_an_exchange_or_a_refresh_failed_is_told(trial: Trial, clock: MovableClock) -> None:
    other = trial.desk.register()
    trial.begin()
    desk, app = trial.desk, trial.app
    desk.exchange(Code("unknown", new_verifier(), app))
    assert trial.last() == ("exchange", True, Check.CODE_UNKNOWN, "invalid_grant")
    desk.exchange(replace(desk.agree(other), app=app))
    assert trial.last()[2] is Check.CODE_FOREIGN
    desk.exchange(desk.agree(app), code_verifier=new_verifier())
    assert trial.last()[2] is Check.VERIFIER
    desk.exchange(desk.agree(app), code_verifier=None)
    assert trial.last()[2] is Check.VERIFIER_MISSING
    desk.exchange(desk.agree(app), redirect_uri="https://app.example.org/other")
    assert trial.last()[2] is Check.REDIRECT_DIFFERS
    code = desk.agree(app)
    tokens = desk.exchange(code).get_json()
    assert trial.last() == ("exchange", False, None, "")
    desk.exchange(code)
    assert trial.last()[2] is Check.CODE_SPENT
    desk.refresh(app, tokens["refresh_token"])
    assert trial.last()[2] is Check.REFRESH_OVER, "ended by the code that came twice"
    late = desk.agree(app)
    clock.advance(61)
    desk.exchange(late)
    assert trial.last()[2] is Check.CODE_LATE
    desk.refresh(app, "unknown")
    assert trial.last() == ("refresh", True, Check.REFRESH_UNKNOWN, "invalid_grant")
    tokens = desk.connect(app)
    desk.refresh(app, tokens["refresh_token"], scope="user/*.rs")
    assert trial.last()[2] is Check.REFRESH_SCOPE
    with Committing(trial.ada.app) as session:
        grant = session.scalars(select(Grant).where(Grant.client_id == app.id, Grant.ended_at.is_(None))).one()
        grants.revoke(session, grant, by=EndedBy.MEMBER)
    desk.refresh(app, tokens["refresh_token"])
    assert trial.last()[2] is Check.GRANT
    trial.ada.app.test_client().get("/fhir/r4/Coverage", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert trial.last() == ("read", True, Check.GRANT, "")
    wrong = trial.ada.app.test_client().post(
        "/oauth/token", data={"grant_type": "refresh_token", "refresh_token": "x", "client_id": app.id,
                              "client_secret": "x"},
    )  # fmt: skip
    assert wrong.status_code == 401 and trial.last()[2] is Check.METHOD


def test_every_other_way_of_failing_is_told_apart(trial: Trial) -> None:
    other, prover = trial.desk.register(), Prover()
    trial.begin()
    desk, app = trial.desk, trial.app
    desk.exchange(desk.agree(app, dpop_jkt=prover.jkt), proof=Prover().proof())
    assert trial.last() == ("exchange", True, Check.KEY, "invalid_grant")
    bound = desk.exchange(desk.agree(app), proof=prover.proof()).get_json()
    desk.refresh(app, bound["refresh_token"])
    assert trial.last() == ("refresh", True, Check.KEY, "invalid_grant")
    desk.refresh(app, desk.connect(other, scope="patient/*.rs offline_access")["refresh_token"])
    assert trial.last()[2] is Check.REFRESH_FOREIGN
    tokens = desk.connect(app)
    assert desk.refresh(app, tokens["refresh_token"]).status_code == 200
    desk.refresh(app, tokens["refresh_token"])
    assert trial.last() == ("refresh", True, Check.REFRESH_SPENT, "invalid_grant")
    code = desk.agree(app)
    desk.authorize(trial.ada.app.test_client(), app, code_challenge=challenge_of(code.verifier))
    assert trial.last() == ("authorize", True, Check.CHALLENGE_REUSED, "invalid_request")
    with Committing(trial.ada.app) as session:
        grant = session.scalars(select(Grant).where(Grant.client_id == app.id, Grant.ended_at.is_(None))).one()
        grants.revoke(session, grant, by=EndedBy.MEMBER)
    desk.exchange(code)
    assert trial.last() == ("exchange", True, Check.GRANT, "invalid_grant")


def test_what_was_refused_unread_is_told_under_the_app_that_it_names(trial: Trial) -> None:
    trial.begin()
    app, browser = trial.app, trial.ada.app.test_client()
    form = {"grant_type": "authorisation_code", "code": "x", "client_id": app.id}
    browser.post("/oauth/token", data=form)
    assert trial.last() == ("exchange", True, None, "unsupported_grant_type")
    browser.post("/oauth/token", data={"client_id": app.id})
    assert trial.last() == ("exchange", True, None, "invalid_request")
    for sent in (
        {"json": form}, {"query_string": form}, {"data": form, "content_type": "multipart/form-data"},
        {"json": {"code": "x"}, "headers": App(app.view, "secret").basic()},
    ):  # fmt: skip
        assert browser.post("/oauth/token", **sent).status_code == 400  # type: ignore[arg-type]
        assert trial.last() == ("exchange", True, Check.FORM, "invalid_request"), sent
    assert "application/x-www-form-urlencoded" in trial.ada.get(trial.here).text
    browser.post("/oauth/token", data={**form, "code": ["x", "y"]})
    assert trial.last()[2] is Check.REPEATED
    browser.post("/oauth/par", json=form)
    assert trial.last() == ("push", True, Check.FORM, "invalid_request")
    told = len(trial.steps())
    browser.post("/oauth/authorize", data=form, content_type="multipart/form-data")
    assert trial.last() == ("authorize", True, Check.FORM, "") and len(trial.steps()) == told + 1
    for nobodys in ({"json": [app.id]}, {"json": {"client_id": [app.id]}}, {"data": b"{", "content_type": "text/json"}):
        browser.post("/oauth/token", **nobodys)  # type: ignore[arg-type]
    assert len(trial.steps()) == told + 1


def test_case_032_what_is_too_large_is_refused_as_ever_while_a_trace_is_written(trial: Trial) -> None:
    trial.begin()
    browser, large = trial.ada.app.test_client(), {"client_id": trial.app.id, "code": "x" * 5_000_000}
    for path in ("/oauth/token", "/oauth/par", "/oauth/authorize"):
        assert browser.post(path, data=large).status_code == 413, path
    parts = {f"a{number}": "1" for number in range(1_200)}
    assert browser.post("/oauth/token", data=parts, content_type="multipart/form-data").status_code in {400, 413}


def test_nothing_is_written_before_after_or_about_another_app(trial: Trial, clock: MovableClock) -> None:
    trial.desk.connect(trial.app)
    assert trial.steps() == []
    trial.begin()
    trial.desk.connect(trial.desk.register())
    assert trial.steps() == []
    trial.desk.connect(trial.app)
    assert [one.step.value for one in trial.steps()] == ["authorize", "sign_in", "exchange"]
    assert trial.ada.post(f"{trial.here}/end").status_code == 303
    trial.desk.connect(trial.app)
    assert len(trial.steps()) == 3
    trial.begin()
    assert trial.steps() == [], "a new trial begins from none"
    with Committing(trial.ada.app) as session:
        session.execute(update(AppTrial).values(traced_until=now()))
    trial.ada.app.extensions["latchstring.trials"].forget()
    trial.desk.connect(trial.app)
    assert trial.steps() == []


def test_a_trace_stays_short_and_goes_after_a_week(trial: Trial, engine: Engine, clock: MovableClock) -> None:
    trial.begin()
    with Committing(trial.ada.app) as session:
        session.add_all(
            TraceStep(client_id=trial.client_id, at=now(), step="read", status=200)
            for _ in range(trace.MOST_STEPS + 20)
        )
    trial.desk.authorize(trial.ada.app.test_client(), trial.app, state=None)
    with Committing(trial.ada.app) as session:
        assert session.scalar(select(func.count()).select_from(TraceStep)) == trace.MOST_STEPS
    assert trial.last()[2] is Check.STATE
    clock.advance(8 * 86_400)
    with make_sessions(engine).begin() as session:
        assert trace.delete_old(session) == trace.MOST_STEPS and trace.delete_old(session) == 0


def test_in_production_there_is_no_such_page_and_nothing_is_written(trial: Trial, engine: Engine) -> None:
    trial.begin()
    with Committing(trial.ada.app) as session:
        assert session.scalars(select(AppTrial.client_id)).one() == trial.client_id
    production = create_app(replace(trial.desk.settings, mode=Mode.PRODUCTION), engine)
    assert not [rule for rule in production.url_map.iter_rules() if "/trial" in rule.rule]
    assert "latchstring.trials" not in production.extensions
    live = copy(trial.desk)
    live.app = production
    answer = live.authorize(production.test_client(), trial.app, aud="https://other.example/")
    assert answer.status_code == 400 and "error=invalid_request" in answer.text
    assert trial.steps() == []


def test_another_developer_finds_nothing(trial: Trial) -> None:
    trial.begin()
    with Committing(trial.ada.app) as session:
        other = make_developer(session)
    eve = Newcomer(trial.ada.app).enter(other)
    assert eve.get(trial.here).status_code == 404
    for path in ("", "/end"):
        assert eve.post(trial.here + path).status_code == 404
    with Committing(trial.ada.app) as session:
        assert session.get(AppTrial, trial.client_id) is not None
    assert trial.ada.app.test_client().get(trial.here).status_code == 303
