"""What an app is told of its own refresh tokens: what they would get it now (decision 105)."""

from collections.abc import Callable

import pytest
from sqlalchemy import event, select

from consent import grant_changes, grants, representatives
from consent.models import EndedBy, Grant
from oauth.apps import changes
from service.accounts.models import Account, AccountStatus
from service.web import Latchstring
from tests.attacks.test_refresh_and_revocation import introspect, revoke, standing
from tests.conftest import MovableClock
from tests.oauth.desk import App, Desk

DAY = 86_400
_INACTIVE = {"active": False}


@pytest.fixture
def ledger(desk: Desk) -> App:
    """An app with a secret."""
    return desk.register_confidential()


def test_an_app_is_told_what_its_refresh_token_would_get_it(desk: Desk, ledger: App) -> None:
    body = desk.connect(ledger)
    for hint in ({}, {"token_type_hint": "refresh_token"}, {"token_type_hint": "access_token"}):
        told = introspect(desk, ledger, body["refresh_token"], **hint)
        assert told["active"] is True and told["client_id"] == ledger.id and "token_type" not in told, hint
        assert set(told["scope"].split()) == set(body["scope"].split())
        assert told["patient"] == body["patient"] and told["iss"] == desk.settings.base_url and told["sub"]
        assert told["exp"] - told["iat"] == 90 * DAY
    assert introspect(desk, ledger, body["access_token"])["sub"] == told["sub"]
    assert desk.refresh(ledger, body["refresh_token"]).status_code == 200, "asking spent nothing"


def test_nobody_else_is_told_and_a_resource_server_not_even_of_its_own(desk: Desk, ledger: App) -> None:
    server = desk.register_confidential(may_introspect=True)
    token, own = desk.connect(ledger)["refresh_token"], desk.connect(server)["refresh_token"]
    for caller, asked in ((desk.register_confidential(), token), (server, token), (server, own)):
        assert introspect(desk, caller, asked) == _INACTIVE
    assert introspect(desk, ledger, "unknown") == _INACTIVE


def test_asking_about_a_spent_refresh_token_is_no_reuse_of_it(desk: Desk, ledger: App) -> None:
    body = desk.connect(ledger)
    renewed = desk.refresh(ledger, body["refresh_token"]).get_json()
    assert introspect(desk, ledger, body["refresh_token"]) == _INACTIVE
    assert desk.works(renewed["access_token"]) and introspect(desk, ledger, renewed["refresh_token"])["active"]


def _end_access(desk: Desk, ledger: App) -> None:
    with desk.session() as session:
        grant = session.get_one(Grant, standing(desk, ledger).id)
        grants.revoke(session, grant, by=EndedBy.MEMBER, account_id=desk.account.id)


def _disable(desk: Desk, _ledger: App) -> None:
    with desk.session() as session:
        session.get_one(Account, desk.account.id).status = AccountStatus.DISABLED


@pytest.mark.parametrize("deed", [_end_access, _disable])
def test_what_would_not_refresh_is_inactive(desk: Desk, ledger: App, deed: Callable[[Desk, App], None]) -> None:
    token = desk.connect(ledger)["refresh_token"]
    deed(desk, ledger)
    assert introspect(desk, ledger, token) == _INACTIVE
    assert desk.refresh(ledger, token).status_code == 400


def test_a_revoked_one_and_one_unused_for_ninety_days_are_inactive(
    desk: Desk, ledger: App, clock: MovableClock
) -> None:
    revoked, unused = desk.connect(ledger)["refresh_token"], desk.connect(ledger)["refresh_token"]
    revoke(desk, ledger, revoked)
    assert introspect(desk, ledger, revoked) == _INACTIVE
    clock.advance(90 * DAY - 1)
    assert introspect(desk, ledger, unused)["active"]
    clock.advance(1)
    assert introspect(desk, ledger, unused) == _INACTIVE


def test_a_paused_app_s_is_inactive_until_it_is_resumed(desk: Desk, ledger: App) -> None:
    token = desk.connect(ledger)["refresh_token"]
    for change, active in ((grant_changes.pause, False), (grant_changes.resume, True)):
        with desk.session() as session:
            grant, account = session.scalars(select(Grant)).one(), session.get_one(Account, desk.account.id)
            choice = representatives.right_for(session, account, desk.member.id)
            assert choice
            change(session, grant, account, choice)
        assert introspect(desk, ledger, token)["active"] is active
    assert introspect(desk, ledger, token)["active"]


def test_what_the_plan_lets_the_app_ask_no_more_is_not_told(desk: Desk, ledger: App) -> None:
    token = desk.connect(ledger, scope="offline_access launch/patient patient/Coverage.rs patient/Patient.rs")
    with desk.session() as session:
        changes.narrow(session, ledger.id, "offline_access launch/patient patient/Patient.rs", reason="less")
    told = introspect(desk, ledger, token["refresh_token"])
    assert set(told["scope"].split()) == {"offline_access", "launch/patient", "patient/Patient.rs"}
    assert "iss" not in told and "sub" not in told
    with desk.session() as session:
        changes.narrow(session, ledger.id, "launch/patient patient/Patient.rs", reason="less")
    assert introspect(desk, ledger, token["refresh_token"]) == _INACTIVE, "no refresh without offline_access"


def test_an_online_one_is_told_of_while_its_sign_in_lasts(desk: Desk, ledger: App, clock: MovableClock) -> None:
    online = "openid online_access launch/patient patient/Patient.rs"
    token = desk.connect(ledger, scope=online)["refresh_token"]
    told = introspect(desk, ledger, token)
    assert told["active"] and "online_access" in told["scope"].split() and told["sub"]
    clock.advance(16 * 60)
    assert introspect(desk, ledger, token) == _INACTIVE
    assert desk.refresh(ledger, token).status_code == 400


def test_asking_writes_nothing_and_waits_for_no_turn_to_write(desk: Desk, ledger: App) -> None:
    spent, other = desk.connect(ledger), desk.connect(ledger, scope="online_access launch/patient patient/Patient.rs")
    alive = desk.refresh(ledger, spent["refresh_token"]).get_json()["refresh_token"]
    revoked = desk.connect(ledger)["refresh_token"]
    revoke(desk, ledger, revoked)
    held: Latchstring = desk.app.extensions["latchstring"]
    began: list[object] = []
    note = began.append
    event.listen(held.engine, "begin", note)
    try:
        asked = {token: introspect(desk, ledger, token)["active"] for token in (alive, other["refresh_token"])}
        dead = [introspect(desk, ledger, token) for token in (spent["refresh_token"], revoked, "unknown", "x" * 43)]
    finally:
        event.remove(held.engine, "begin", note)
    assert all(asked.values()) and dead == [_INACTIVE] * 4
    assert began == [], "on SQLite each transaction takes the one turn at the lock"
