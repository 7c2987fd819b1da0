"""Sessions, their cookie and their forms under attack (security.md, cases 110 to 114)."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import requests
import time_machine
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from consent.models import Basis
from consent.representatives import link
from service.accounts.models import Account, AccountStatus, LoginSession
from service.app import create_app
from service.settings import Settings
from tests.accounts.visitor import Visitor, letters, newest_code
from tests.conftest import LiveServer
from tests.factories import PASSWORD, make_account, make_member, make_representative

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NEW = "Quiet-river-58"
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


def test_case_110_the_cookie_changes_at_log_in_at_a_right_code_and_at_log_out(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    seen = []
    visitor.ask_for_code(account.username, account.email)
    seen.append(visitor.sid())
    visitor.enter_code(account.username, account.email, newest_code(session, settings, account.email))
    seen.append(visitor.sid())
    visitor.sign_in(account)
    seen.append(visitor.sid())
    visitor.get("/confirm-password")
    visitor.post("/confirm-password", username=account.username, password=PASSWORD)
    seen.append(visitor.sid())
    visitor.get("/member")
    visitor.post("/sign-out")
    seen.append(visitor.sid())
    assert None not in seen
    assert len(set(seen)) == 5


def test_case_110_the_cookie_changes_when_another_member_is_chosen(visitor: Visitor, session: Session) -> None:
    owner = make_account(session)
    someone = make_representative(session, owner)
    members = [make_member(session), make_member(session)]
    for member in members:
        link(session, someone, member, basis=Basis.GUARDIAN, timezone=ZoneInfo("America/New_York"))
    session.commit()
    visitor.sign_in(owner)
    before = visitor.sid()
    visitor.get("/select-member")
    assert visitor.post("/select-member", selected=members[1].patient_id).status_code == 303
    assert visitor.sid() != before
    assert visitor.get("/member").status_code == 200


def test_case_110_a_preset_cookie_names_nothing_after_log_in(app: Flask, account: Account) -> None:
    attacker, victim = Visitor(app), Visitor(app)
    attacker.get("/sign-in")
    preset = attacker.sid()
    assert preset
    victim.browser.set_cookie("sid", preset)
    assert victim.sign_in(account).status_code == 303
    assert victim.sid() != preset
    assert attacker.get("/member").location == "/sign-in?next=/member"


def test_case_110_a_preset_cookie_does_not_share_the_half_way_state(
    app: Flask, account: Account, session: Session, settings: Settings
) -> None:
    attacker, victim = Visitor(app), Visitor(app)
    attacker.get("/sign-in")
    preset = attacker.sid()
    assert preset
    victim.browser.set_cookie("sid", preset)
    _open_new_password_page(victim, account, session, settings)
    assert attacker.get("/password-reset/new").status_code == 401
    assert victim.get("/password-reset/new").status_code == 200


def test_case_110_the_cookie_is_locked_down(settings: Settings, engine: Engine, session: Session) -> None:
    owner = make_account(session)
    session.commit()
    app = create_app(replace(settings, base_url="https://health.example.org"), engine)
    page = app.test_client().get("/sign-in", base_url="https://health.example.org")
    cookie = next(value for value in page.headers.getlist("Set-Cookie") if value.startswith("__Host-sid="))
    for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert attribute in cookie
    assert "Domain" not in cookie
    assert owner.username not in page.text


def test_case_111_a_new_password_ends_every_session_on_every_worker(
    live_server: LiveServer, session: Session, account: Account
) -> None:
    browsers = [_signed_in(live_server, account) for _ in range(2)]
    for browser in browsers:
        assert browser.get(f"{live_server.url}/member", timeout=30, allow_redirects=False).status_code == 200
    resetter = requests.Session()
    _reset_over_http(resetter, live_server, session, account)
    for browser in browsers:
        for _ in range(4):
            answer = browser.get(f"{live_server.url}/member", timeout=30, allow_redirects=False)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=/member")
    assert "was changed" in letters(session, live_server.settings, account.email)[-1]


def test_case_111_a_disabled_account_is_out_at_the_next_request(
    visitor: Visitor, account: Account, session: Session
) -> None:
    visitor.sign_in(account)
    account.status = AccountStatus.DISABLED
    session.commit()
    assert visitor.get("/member").location == "/sign-in?next=/member"


def test_case_111_a_form_of_an_ended_session_is_refused(visitor: Visitor, account: Account, session: Session) -> None:
    visitor.sign_in(account)
    visitor.get("/settings")
    account.credentials_version += 1
    session.commit()
    assert visitor.post("/settings/language", language="es").status_code == 401


def test_case_112_fifteen_idle_minutes_end_a_session(visitor: Visitor, account: Account) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        visitor.sign_in(account)
        for _ in range(3):
            clock.shift(timedelta(minutes=14, seconds=59.9))
            assert visitor.get("/settings").status_code == 200
        clock.shift(timedelta(minutes=15))
        assert visitor.get("/settings").location == "/sign-in?next=/settings"


def test_case_112_twelve_hours_end_a_session_however_busy(visitor: Visitor, account: Account) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        visitor.sign_in(account)
        for _ in range(71):
            clock.shift(timedelta(minutes=10))
            assert visitor.get("/settings").status_code == 200
        clock.shift(timedelta(minutes=9, seconds=59))
        assert visitor.get("/settings").status_code == 200
        clock.shift(timedelta(seconds=1))
        assert visitor.get("/settings").location == "/sign-in?next=/settings"


def test_case_112_log_out_ends_the_row_so_that_a_kept_cookie_is_worth_nothing(
    app: Flask, visitor: Visitor, account: Account, session: Session
) -> None:
    visitor.sign_in(account)
    kept = visitor.sid()
    assert kept
    visitor.get("/member")
    visitor.post("/sign-out")
    thief = Visitor(app)
    thief.browser.set_cookie("sid", kept)
    assert thief.get("/member").location == "/sign-in?next=/member"
    with Session(session.get_bind()) as own:
        assert own.scalars(select(LoginSession)).one().ended_at is not None


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/confirm-password", "/password-reset", "/register"])
def test_case_114_forms_without_our_token_are_refused(visitor: Visitor, account: Account, path: str) -> None:
    visitor.sign_in(account)
    answer = visitor.post_without_token(path, username=account.username, password=PASSWORD)
    assert answer.status_code == 403
    assert visitor.get("/settings").status_code == 200


def test_case_114_another_browsers_token_is_refused(app: Flask, account: Account) -> None:
    attacker, victim = Visitor(app), Visitor(app)
    attacker.get("/sign-in")
    victim.get("/sign-in")
    victim.page = attacker.page
    assert victim.post("/sign-in", username=account.username, password=PASSWORD).status_code == 403


def test_case_114_a_form_from_another_site_is_refused(visitor: Visitor, account: Account) -> None:
    visitor.get("/sign-in")
    token = _TOKEN.search(visitor.page.text)
    assert token
    answer = visitor.browser.post(
        "/sign-in",
        data={"username": account.username, "password": PASSWORD, "csrf_token": token[1]},
        headers={"Origin": "https://evil.example"},
    )
    assert answer.status_code == 403


def _open_new_password_page(visitor: Visitor, account: Account, session: Session, settings: Settings) -> None:
    visitor.ask_for_code(account.username, account.email)
    code = newest_code(session, settings, account.email)
    assert visitor.enter_code(account.username, account.email, code).status_code == 303
    assert visitor.get("/password-reset/new").status_code == 200


def _submit(browser: requests.Session, url: str, page: str, **form: str) -> requests.Response:
    token = _TOKEN.search(page)
    assert token
    return browser.post(url, data=form | {"csrf_token": token[1]}, timeout=60)


def _signed_in(server: LiveServer, account: Account) -> requests.Session:
    browser = requests.Session()
    page = browser.get(f"{server.url}/sign-in", timeout=30)
    answer = _submit(browser, f"{server.url}/sign-in", page.text, username=account.username, password=PASSWORD)
    assert answer.url == f"{server.url}/member"
    return browser


def _reset_over_http(browser: requests.Session, server: LiveServer, session: Session, account: Account) -> None:
    who = {"username": account.username, "email": account.email}
    start = browser.get(f"{server.url}/password-reset", timeout=30)
    asked = _submit(browser, f"{server.url}/password-reset", start.text, **who)
    code = newest_code(session, server.settings, account.email)
    page = _submit(browser, f"{server.url}/password-reset/code", asked.text, code=code, **who)
    done = _submit(browser, f"{server.url}/password-reset/new", page.text, password=NEW, confirmation=NEW)
    assert "Your password was changed" in done.text
