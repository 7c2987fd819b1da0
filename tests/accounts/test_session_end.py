"""A page says until when one is signed in; its script asks without putting it off, and puts it off when told."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from service import days
from service.accounts.models import Account, LoginSession
from service.clock import now
from service.settings import Settings
from tests.accounts.visitor import Visitor, csrf_token
from tests.conftest import MovableClock
from tests.factories import PASSWORD, make_account

_MINUTE = 60
_NOBODY = {"seconds": 0, "kept": False}
_OVER = {"seconds": 0, "kept": True}


def _asked(visitor: Visitor, language: str = "en") -> dict[str, Any]:
    answer = visitor.browser.get(f"/session/left?lang={language}")
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    told: dict[str, Any] = answer.get_json()
    return told


def _keep(visitor: Visitor, token: str) -> Any:
    return visitor.browser.post(
        "/session/keep", data={"csrf_token": token}, headers={"Accept": "application/json"}
    ).get_json()


def _shown(page: str) -> str:
    found = re.search(r'data-session-line="(\w+)"(?! hidden)', page)
    return found[1] if found else ""


def _at(settings: Settings, minutes: float, language: str = "en") -> str:
    at, zone = now() + timedelta(minutes=minutes), settings.plan.timezone
    before = "at" if language == "en" else "a la" if days.hour_read(at, zone) == 1 else "a las"
    return f"{before} {days.clock_in_words(at, zone, language)}"


def test_a_signed_in_page_says_until_when_in_the_time_of_the_plan(
    visitor: Visitor, account: Account, settings: Settings
) -> None:
    visitor.sign_in(account)
    page = visitor.get("/settings").text
    assert _shown(page) == "idle" and "If you do nothing more on these pages, you are signed out <span" in page
    assert any(f">{_at(settings, minutes)}<" in page for minutes in (15, 14.9))
    spanish = visitor.get("/settings?lang=es").text
    assert "Si no hace nada más en estas páginas" in spanish
    assert any(f">{_at(settings, minutes, 'es')}<" in spanish for minutes in (15, 14.9))


@pytest.mark.parametrize(
    ("hour", "told"),
    [
        (13, "a la 1:05 p.m. EST"),
        (1, "a la 1:05 a.m. EST"),
        (0, "a las 12:05 a.m. EST"),
        (20, "a las 8:05 p.m. EST"),
    ],
)
def test_spanish_says_one_o_clock_otherwise(
    visitor: Visitor, account: Account, settings: Settings, clock: MovableClock, hour: int, told: str
) -> None:
    there = datetime(2030, 1, 15, hour, 5, 30, tzinfo=settings.plan.timezone) - timedelta(minutes=15)
    clock.advance((there - now()).total_seconds())
    visitor.sign_in(account)

    assert f"su sesión se cerrará <span data-session-time>{told}</span>." in visitor.get("/settings?lang=es").text


def test_pages_of_strangers_and_of_who_is_half_signed_in_say_nothing(app: Flask, account: Account) -> None:
    visitor = Visitor(app)
    assert "session-end.js" not in visitor.get("/sign-in").text
    assert visitor.browser.get("/session/left").get_json() == _NOBODY
    visitor.sign_in_with_factor(account)
    half = Visitor(app)
    half.sign_in(account)
    assert "session-end.js" not in half.get("/sign-in/factor").text
    assert half.browser.get("/session/left").get_json()["seconds"] == 0


def test_asking_what_is_left_puts_nothing_off(visitor: Visitor, account: Account, clock: MovableClock) -> None:
    visitor.sign_in(account)
    for _ in range(14):
        clock.advance(_MINUTE)
        told = _asked(visitor)
    assert 55 <= told["seconds"] <= 60 and told["last"] is False and re.match(r"at \d+:\d\d [AP]M \w+$", told["time"])
    assert re.match(r"a las? \d+:\d\d [ap]\.m\. \w+$", _asked(visitor, "es")["time"])
    clock.advance(_MINUTE)
    assert _asked(visitor) == _OVER
    assert visitor.get("/settings").status_code == 303


def test_use_of_another_window_is_seen(visitor: Visitor, account: Account, clock: MovableClock) -> None:
    visitor.sign_in(account)
    clock.advance(13 * _MINUTE)
    visitor.get("/settings")
    assert 890 <= _asked(visitor)["seconds"] <= 900


def test_staying_begins_the_idle_time_anew(visitor: Visitor, account: Account, clock: MovableClock) -> None:
    visitor.sign_in(account)
    token = csrf_token(visitor.get("/settings").text)
    clock.advance(14 * _MINUTE)
    told = _keep(visitor, token)
    assert 890 <= told["seconds"] <= 900
    clock.advance(14 * _MINUTE)
    assert visitor.get("/settings").status_code == 200


def test_without_a_script_staying_leads_back_to_the_page(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    token = csrf_token(visitor.get("/settings").text)
    sent = visitor.browser.post("/session/keep", data={"csrf_token": token}, headers={"Referer": "http://x/settings"})
    assert (sent.status_code, sent.location) == (303, "/settings")
    for elsewhere in ("http://evil.example//evil.example/", "nothing"):
        sent = visitor.browser.post("/session/keep", data={"csrf_token": token}, headers={"Referer": elsewhere})
        assert sent.status_code == 303 and not sent.location.startswith("//") and "evil" not in sent.location


def test_staying_asks_for_the_token_of_the_form(visitor: Visitor, account: Account, clock: MovableClock) -> None:
    visitor.sign_in(account)
    clock.advance(14 * _MINUTE)
    for given in ({}, {"csrf_token": "another"}):
        answer = visitor.browser.post("/session/keep", data=given, headers={"Accept": "application/json"})
        assert answer.status_code == 403
    assert _asked(visitor)["seconds"] <= _MINUTE


def test_what_is_written_is_promised_to_be_kept_only_as_long_as_it_is(
    visitor: Visitor, account: Account, clock: MovableClock
) -> None:
    visitor.sign_in(account)
    token = csrf_token(visitor.get("/gallery").text)
    clock.advance(29 * _MINUTE)
    assert _asked(visitor) == _OVER
    clock.advance(2 * _MINUTE)
    assert _asked(visitor) == _NOBODY
    # Promised half an hour ago, and still true.
    clock.advance(28 * _MINUTE)
    kept = visitor.browser.post("/settings/email", data={"csrf_token": token, "email": "new@plan.example"})
    assert kept.status_code == 303
    clock.advance(2 * _MINUTE)
    assert visitor.browser.post("/settings/email", data={"csrf_token": token}).status_code == 401


def test_nothing_is_promised_where_the_session_was_ended(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    page = visitor.get("/settings").text
    visitor.browser.post("/sign-out", data={"csrf_token": csrf_token(page)})
    assert _asked(visitor) == _NOBODY


def test_a_page_knows_whether_it_is_still_its_reader_who_is_signed_in(
    visitor: Visitor, account: Account, session: Session
) -> None:
    visitor.sign_in(account)
    page = visitor.get("/settings").text
    own = _asked(visitor)["who"]
    assert f'data-who="{own}"' in page and account.id not in own
    visitor.post("/sign-out")
    other = make_account(session, username="another.one")
    session.commit()
    visitor.sign_in(other)
    assert _asked(visitor)["who"] != own


def test_a_session_that_is_over_is_not_kept(visitor: Visitor, account: Account, clock: MovableClock) -> None:
    visitor.sign_in(account)
    token = csrf_token(visitor.get("/settings").text)
    clock.advance(15 * _MINUTE + 1)
    assert _keep(visitor, token) == _OVER
    assert visitor.browser.post("/session/keep", data={"csrf_token": token}).status_code == 401
    assert visitor.get("/settings").status_code == 303


def test_the_token_of_after_a_step_up_is_told(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    old = csrf_token(visitor.get("/settings").text)
    visitor.get("/confirm-password")
    visitor.post("/confirm-password", username=account.username, password=PASSWORD)
    new = _asked(visitor)["token"]
    assert new != old and _keep(visitor, new)["seconds"] > 0


def test_the_end_of_the_twelve_hours_cannot_be_put_off(
    visitor: Visitor, account: Account, session: Session, clock: MovableClock
) -> None:
    visitor.sign_in(account)
    session.execute(update(LoginSession).values(expires_at=now() + timedelta(minutes=10)))
    session.commit()
    page = visitor.get("/settings").text
    assert _shown(page) == "last" and "You have to sign in again <span" in page
    told = _keep(visitor, csrf_token(page))
    assert told["last"] is True and 595 <= told["seconds"] <= 600
    clock.advance(10 * _MINUTE)
    assert _keep(visitor, csrf_token(page)) == _OVER


def test_a_page_that_tells_of_an_error_says_it_too(visitor: Visitor, account: Account) -> None:
    visitor.sign_in(account)
    assert _shown(visitor.get("/nowhere-at-all").text) == "idle"
