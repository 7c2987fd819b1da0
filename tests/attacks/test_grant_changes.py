"""Attacks on pausing, narrowing and what the console tells (cases 54, 69, 71, 74, 77), and their races."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import requests
from sqlalchemy import Engine, select

from consent import data_types, grant_changes, representatives
from consent.grant_changes import Narrower
from consent.models import Grant, GrantChange
from consent.scopes import parse
from service.accounts.models import Account
from service.app import create_app
from tests.conftest import LiveServer
from tests.factories import make_account, make_member
from tests.member.console import Connected, connected
from tests.member.pages import Reader, form_to, forms_of
from tests.oauth.desk import App, Desk

ROUNDS = 4
PAGES = (
    "narrow", "activity", "activity.csv", "activity.json",
)  # fmt: skip
DEEDS = ("pause", "resume", "narrow")


@pytest.mark.parametrize("origin", ["null", "https://evil.example"])
def test_case_069_changes_of_a_grant_need_the_token_and_the_own_site(desk: Desk, origin: str) -> None:
    app = connected(desk)
    form = next(one for one in forms_of(app.reader.get("/apps").text) if one.action.endswith("/pause"))
    for deed in DEEDS:
        action = form.action.replace("pause", deed)
        for answer in (
            app.reader.browser.post(action, data=form.fields, headers={"Origin": origin}),
            app.reader.browser.post(action, data=form.changed(csrf_token="forged")),
            app.reader.browser.post(action, data=form.changed(csrf_token=[])),
        ):
            assert answer.status_code == 403
        assert app.reader.browser.get(action).status_code in {200, 405}
    assert app.works and app.grant.revision == 1


_PARTS = tuple(
    f"Observation-{one}" for one in ("laboratory", "social-history", "vital-signs", "survey", "sdoh")
)  # fmt: skip


def test_case_071_a_form_never_widens_a_grant(desk: Desk) -> None:
    rosa, app = Reader(desk, desk.account), desk.register()
    rosa.allow(
        rosa.ask(app, scope="openid patient/Coverage.rs patient/Observation.r"), duration="three_months", offline=[]
    )
    held = Connected(desk, rosa, app, {})
    before = held.grant

    answer = held.narrow(
        data=["coverage", "results", "claims", "medicines"], sensitive=["hiv", "genetic"], offline="yes",
        part=[*_PARTS, "Observation-everything", "Condition-health-concern"], scopes="patient/*.cruds", status="active",
        version="0",
    )  # fmt: skip

    after = held.grant
    assert answer.location == "/apps?done=unchanged"
    assert (after.scopes, after.sensitive_classes, after.offline) == (before.scopes, [], False)
    assert after.version == before.version

    held.narrow(data=["results"], part=["Observation-laboratory", "Condition-health-concern"])
    assert (
        held.grant.scopes.startswith("openid patient/Observation.r?category=") and "Condition" not in held.grant.scopes
    )


def test_case_071_the_verb_itself_refuses_to_widen(desk: Desk) -> None:
    app = connected(desk, scope="openid patient/Coverage.rs patient/Observation.r")
    with desk.session() as session:
        grant = session.get_one(Grant, app.grant.id)
        account = session.get_one(Account, desk.account.id)
        choice = representatives.right_for(session, account, desk.member.id)
        assert choice is not None
        same = Narrower(parse(grant.scopes), frozenset(), grant.offline, grant.expires_at)
        for wider in (
            replace(same, scopes=parse("openid patient/Coverage.rs patient/Observation.rs")),
            replace(same, scopes=parse("openid fhirUser patient/Coverage.rs patient/Observation.r")),
            replace(same, scopes=parse("openid patient/*.rs")),
            replace(same, sensitive_classes=frozenset({"hiv"})),
            replace(same, expires_at=grant.expires_at.replace(year=grant.expires_at.year + 1)),
            replace(same, expires_at=grant.created_at),
        ):
            with pytest.raises(grant_changes.WiderThanBefore):
                grant_changes.narrow(session, grant, wider, account, choice)
        assert session.scalar(select(GrantChange.id)) is None


def test_case_074_the_grant_of_another_member_cannot_be_looked_at_or_changed(desk: Desk) -> None:
    with desk.session() as session:
        member = make_member(session)
        account = make_account(session, member=member)
    app = desk.register()
    token = desk.connect(app, account=account, member=member)["access_token"]
    with desk.session() as session:
        grant = session.scalars(select(Grant)).one()
        theirs, answer_of_theirs = grant.id, grant.decision_id
    rosa = Reader(desk, desk.account)
    form = form_to(rosa.get("/settings").text, "/settings/language")
    sent = form.changed(member=desk.member.patient_id, data=["claims"], last_day="2026-12-31")

    for grant_id in (theirs, theirs.upper(), str(UUID(int=7))):
        shown = [rosa.get(f"/apps/{grant_id}/{page}") for page in PAGES]
        done = [rosa.browser.post(f"/apps/{grant_id}/{deed}", data=sent) for deed in DEEDS]
        assert {answer.status_code for answer in (*shown, *done)} == {404}
        assert all(app.view.name not in answer.text for answer in (*shown, *done))
    for export in ("/apps/export.csv", "/apps/export.json"):
        assert app.view.name not in rosa.take(export).text
    assert desk.works(token)
    stranger = desk.app.test_client()
    assert {stranger.get(f"/apps/{theirs}/{page}").status_code for page in PAGES} == {303}
    receipts = [f"/apps/answers/{answer_of_theirs}{one}" for one in ("", "/receipt.pdf", "/receipt.json")]
    assert {rosa.get(path).status_code for path in receipts} == {404}
    assert {stranger.get(path).status_code for path in receipts} == {303}


def test_case_054_narrowing_limits_current_tokens_and_the_next_refresh(desk: Desk) -> None:
    app = connected(desk)
    assert app.api.get("Observation").status_code == 200
    app.narrow(data=["coverage"])

    assert app.api.get("Coverage").status_code == 401
    assert app.refresh().get_json()["scope"].endswith("patient/Coverage.rs")
    assert app.api.get("Coverage").status_code == 200 and app.api.get("Observation").status_code == 403
    wider = desk.refresh(app.app, app.tokens["refresh_token"], scope="patient/Observation.rs")
    assert (wider.status_code, wider.get_json()["error"]) == (400, "invalid_scope")


def test_case_077_a_paused_app_is_not_shown_as_one_that_may_come_in(desk: Desk) -> None:
    app = connected(desk)
    app.press("pause")
    confidential = desk.register_confidential(may_introspect=True)
    told = desk.app.test_client().post(
        "/oauth/introspect", data={"token": app.tokens["access_token"]}, headers=confidential.basic()
    )
    live, _, rest = app.reader.get("/apps").text.partition("<h2>Paused apps</h2>")
    assert app.app.view.name not in live and app.app.view.name in rest
    assert told.get_json() == {"active": False}
    assert app.api.get("Coverage").status_code == 401


def test_an_exchange_and_a_stolen_token_tell_strangers_nothing_of_a_pause(desk: Desk) -> None:
    app, thief = connected(desk), desk.register()
    code = desk.agree(app.app)
    app.press("pause")
    assert desk.exchange(code).get_json()["error"] == "temporarily_unavailable"
    by_thief = desk.refresh(thief, app.tokens["refresh_token"])
    assert by_thief.get_json()["error"] == "invalid_grant" == desk.refresh(app.app, "made-up").get_json()["error"]
    app.press("resume")
    # Neither the code nor the token was spent.
    assert desk.exchange(code).status_code == 200 and app.refresh().status_code == 200


def _act(desk: Desk, app: App, deed: Callable[[Any, Grant, Account, Any], Any]) -> None:
    with desk.session() as session:
        statement = select(Grant).where(Grant.client_id == app.id).with_for_update()
        account = session.get_one(Account, desk.account.id)
        choice = representatives.right_for(session, account, desk.member.id)
        deed(session, session.scalars(statement).one(), account, choice)


def _coverage_only(session: Any, grant: Grant, account: Account, choice: Any) -> None:
    left = Narrower(data_types.ticked(parse(grant.scopes), ["coverage"]), frozenset(), grant.offline, grant.expires_at)
    grant_changes.narrow(session, grant, left, account, choice)


def _race(live_server: LiveServer, desk: Desk, deed: Callable[[Any, Grant, Account, Any], Any]) -> Any:
    """A refresh and the deed at one moment; the app, the token it held before, and the answer that it got."""
    app = desk.register()
    token = desk.connect(app)
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": app.id}
    with ThreadPoolExecutor(2) as pool:
        refreshing = pool.submit(requests.post, f"{live_server.url}/oauth/token", data=form, timeout=30)
        pool.submit(_act, desk, app, deed).result(30)
        answer = refreshing.result(30)
    return app, token, answer


def test_a_pause_and_a_refresh_of_one_moment(live_server: LiveServer, engine: Engine) -> None:
    desk = Desk(create_app(live_server.settings, engine))
    for _ in range(ROUNDS):
        app, before, answer = _race(live_server, desk, grant_changes.pause)
        held = answer.json() if answer.status_code == 200 else before
        assert answer.status_code == 200 or answer.json()["error"] == "temporarily_unavailable"
        assert not desk.works(held["access_token"]) and not desk.works(before["access_token"])
        assert desk.refresh(app, held["refresh_token"]).get_json()["error"] == "temporarily_unavailable"
        _act(desk, app, grant_changes.resume)
        assert desk.works(held["access_token"]), "nothing is lost"
        assert desk.refresh(app, held["refresh_token"]).status_code == 200


def test_a_narrowing_and_a_refresh_of_one_moment(live_server: LiveServer, engine: Engine) -> None:
    desk = Desk(create_app(live_server.settings, engine))
    for _ in range(ROUNDS):
        app, before, answer = _race(live_server, desk, _coverage_only)
        held = answer.json()
        assert answer.status_code == 200 and not desk.works(before["access_token"])
        is_narrow = parse(held["scope"]).types == {"Coverage"}
        assert desk.works(held["access_token"]) == is_narrow, "a wider token never works"
        last = desk.refresh(app, held["refresh_token"])
        assert last.status_code == 200 and parse(last.get_json()["scope"]).types == {"Coverage"}
        assert desk.works(last.get_json()["access_token"])


def test_many_changes_of_one_moment_leave_one_story(live_server: LiveServer, engine: Engine) -> None:
    desk = Desk(create_app(live_server.settings, engine))
    app = desk.register()
    token = desk.connect(app)
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(_act, desk, app, deed) for deed in (grant_changes.pause, _coverage_only) * 3]:
            done.result(30)
    with desk.session() as session:
        kinds = [change.kind.value for change in session.scalars(select(GrantChange))]
        grant = session.scalars(select(Grant).where(Grant.client_id == app.id)).one()
    assert sorted(kinds) == ["narrowed", "paused"] and (grant.version, grant.revision) == (2, 3)
    assert not desk.works(token["access_token"])
