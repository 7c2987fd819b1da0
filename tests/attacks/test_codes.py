"""Verification codes and the half-way state under attack (security.md, cases 103 to 108)."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests
import time_machine
from flask import Flask
from requests.cookies import RequestsCookieJar
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from service.accounts import email_codes
from service.accounts.email_codes import Flow, Recipient
from service.accounts.models import Account, CodePurpose, EmailCode, EmailProof
from service.db import Base, make_sessions
from service.settings import Settings
from tests.accounts.visitor import Visitor, another, csrf_token, letters, newest_code
from tests.conftest import LiveServer
from tests.factories import PASSWORD, make_account, make_member

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NEW = "Quiet-river-58"


@pytest.mark.parametrize(("after", "status"), [(299.9, 303), (300, 400), (301, 400)])
def test_case_103_a_code_is_good_until_five_minutes_and_not_at_five(
    visitor: Visitor, account: Account, session: Session, settings: Settings, after: float, status: int
) -> None:
    with time_machine.travel(NOON, tick=False):
        visitor.ask_for_code(account.username, account.email)
    code = newest_code(session, settings, account.email)
    with time_machine.travel(NOON + timedelta(seconds=after), tick=False):
        assert visitor.enter_code(account.username, account.email, code).status_code == status


@pytest.mark.parametrize("back", [timedelta(minutes=4), timedelta(minutes=20)])
def test_case_103_a_clock_set_back_revives_no_code(
    visitor: Visitor, account: Account, session: Session, settings: Settings, back: timedelta
) -> None:
    with time_machine.travel(NOON, tick=False):
        visitor.ask_for_code(account.username, account.email)
    code = newest_code(session, settings, account.email)
    with time_machine.travel(NOON + timedelta(minutes=6), tick=False):
        assert visitor.enter_code(account.username, account.email, code).status_code == 400
    with time_machine.travel(NOON + timedelta(minutes=6) - back, tick=False):
        assert visitor.enter_code(account.username, account.email, code).status_code == 400


def test_case_104_a_code_works_once(visitor: Visitor, account: Account, session: Session, settings: Settings) -> None:
    visitor.ask_for_code(account.username, account.email)
    code = newest_code(session, settings, account.email)
    assert visitor.enter_code(account.username, account.email, code).status_code == 303
    visitor.get("/password-reset")
    assert visitor.enter_code(account.username, account.email, code).status_code == 400


def test_case_104_of_twenty_parallel_verifications_one_wins(
    app: Flask, engine: Engine, session: Session, account: Account, settings: Settings
) -> None:
    sessions = make_sessions(engine)
    flow = Flow(CodePurpose.PASSWORD_RESET, "browser", settings.secret_key)
    with sessions.begin() as own:
        email_codes.send(own, flow, Recipient(account.id, account.email, account.id))
    code = newest_code(session, settings, account.email)
    gate = threading.Barrier(4)

    def verify(_number: int) -> bool:
        if _number < 4:
            gate.wait(10)
        with sessions.begin() as own:
            return email_codes.verify(own, flow, account.email, code) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(verify, range(20))) == 1


def test_case_104_of_parallel_verifications_on_two_workers_one_wins(
    live_server: LiveServer, session: Session, engine: Engine
) -> None:
    for callers in (8, 20, 20):
        account = make_account(session, member=make_member(session))
        session.commit()
        browser, form = _at_the_code_page(live_server, account)
        form["code"] = newest_code(session, live_server.settings, account.email)
        gate = threading.Barrier(callers)

        def verify(
            _: int, browser: requests.Session = browser, form: dict[str, str] = form, gate: threading.Barrier = gate
        ) -> requests.Response:
            gate.wait(30)
            # Each call with the cookie from before: the winner's answer sets another.
            return requests.post(
                f"{live_server.url}/password-reset/code", data=form, cookies=browser.cookies.get_dict(),
                allow_redirects=False, timeout=60,
            )  # fmt: skip

        with ThreadPoolExecutor(callers) as pool:
            answers = list(pool.map(verify, range(callers)))

        assert sorted(answer.status_code for answer in answers) == [303] + [400] * (callers - 1)
        (winner,) = (answer for answer in answers if answer.status_code == 303)
        assert _new_password_page(live_server, winner.cookies) == 200
        assert _new_password_page(live_server, browser.cookies) == 401
        with Session(engine) as own:
            assert len(own.scalars(select(EmailProof).where(EmailProof.subject_id == account.id)).all()) == 1


def test_case_106_five_wrong_tries_end_a_code(
    visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    visitor.ask_for_code(account.username, account.email)
    code = newest_code(session, settings, account.email)
    for _ in range(5):
        assert visitor.enter_code(account.username, account.email, another(code)).status_code == 400
    assert visitor.enter_code(account.username, account.email, code).status_code == 400


def test_case_106_a_parallel_burst_gets_five_tries(
    engine: Engine, session: Session, account: Account, settings: Settings
) -> None:
    sessions = make_sessions(engine)
    flow = Flow(CodePurpose.PASSWORD_RESET, "browser", settings.secret_key)
    with sessions.begin() as own:
        email_codes.send(own, flow, Recipient(account.id, account.email, account.id))
    wrong = another(newest_code(session, settings, account.email))

    def verify(_number: int) -> bool:
        with sessions.begin() as own:
            return email_codes.verify(own, flow, account.email, wrong) is not None

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(verify, range(100)))
    with Session(engine) as own:
        assert own.scalars(select(EmailCode)).one().tries == 5


def test_case_106_five_codes_an_hour_and_ten_a_day_whatever_the_browser(
    app: Flask, account: Account, session: Session, settings: Settings
) -> None:
    sent = []
    for minute in range(0, 60 * 24, 30):
        with time_machine.travel(NOON + timedelta(minutes=minute), tick=False):
            Visitor(app).ask_for_code(account.username.upper(), account.email)
        sent.append(len(letters(session, settings, account.email)))
    assert sent == [*range(1, 11), *[10] * 38]


def test_case_106_the_sixth_code_within_an_hour_is_not_sent(
    app: Flask, account: Account, session: Session, settings: Settings
) -> None:
    for minute in range(8):
        with time_machine.travel(NOON + timedelta(minutes=2 * minute), tick=False):
            Visitor(app).ask_for_code(account.username, account.email)
    assert len(letters(session, settings, account.email)) == 5


def test_case_107_the_code_is_stored_as_keyed_hash_and_sealed_until_it_is_sent(
    visitor: Visitor, account: Account, session: Session, settings: Settings, logged: Callable[[], str]
) -> None:
    asked = visitor.ask_for_code(account.username, account.email)
    letter = letters(session, settings, account.email)[0]
    code = newest_code(session, settings, account.email)
    stored = _everything_stored(session)
    assert code not in re.findall(r"\b[0-9]{6}\b", stored)
    assert code not in re.findall(r"\b[0-9]{6}\b", logged())
    assert code not in asked.text
    assert code not in next(line for line in letter.splitlines() if line.startswith("Subject:"))


def test_case_107_codes_have_six_digits_and_keep_their_zeros(
    visitor: Visitor, account: Account, session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.accounts.email_codes.secrets.randbelow", lambda _limit: 123)
    visitor.ask_for_code(account.username, account.email)
    assert newest_code(session, settings, account.email) == "000123"
    assert visitor.enter_code(account.username, account.email, "123").status_code == 400
    assert visitor.enter_code(account.username, account.email, "000123").status_code == 303


@pytest.mark.parametrize("digits", ["٠٠٠١٢٣", "000\uff1123", "०००१२३", "000123\0", "+00123", "0x007b"])
def test_case_107_digits_of_other_scripts_are_refused(
    visitor: Visitor, account: Account, monkeypatch: pytest.MonkeyPatch, digits: str
) -> None:
    monkeypatch.setattr("service.accounts.email_codes.secrets.randbelow", lambda _limit: 123)
    visitor.ask_for_code(account.username, account.email)
    assert visitor.enter_code(account.username, account.email, digits).status_code == 400


def test_case_108_the_page_after_the_code_cannot_be_reached_without_it(
    app: Flask, visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    assert visitor.get("/password-reset/new").status_code == 401
    visitor.ask_for_code(account.username, account.email)
    assert visitor.get("/password-reset/new").status_code == 401
    assert visitor.post("/password-reset/new", password=NEW, confirmation=NEW).status_code == 401
    visitor.enter_code(account.username, account.email, another(newest_code(session, settings, account.email)))
    assert visitor.get("/password-reset/new").status_code == 401
    assert visitor.get("/register/account").status_code == 401
    assert visitor.sign_in(account).status_code == 303


def test_case_108_the_half_way_state_opens_nothing_else_and_only_once(
    app: Flask, visitor: Visitor, account: Account, session: Session, settings: Settings
) -> None:
    _open_new_password_page(visitor, account, session, settings)
    assert visitor.get("/member").location == "/sign-in?next=/member"
    assert visitor.get("/apps").location == "/sign-in?next=/apps"
    assert Visitor(app).get("/password-reset/new").status_code == 401
    visitor.get("/password-reset/new")
    assert visitor.post("/password-reset/new", password=NEW, confirmation=NEW).status_code == 303
    assert visitor.get("/password-reset/new").status_code == 401
    assert visitor.post("/password-reset/new", password=PASSWORD, confirmation=PASSWORD).status_code == 401


def _at_the_code_page(server: LiveServer, account: Account) -> tuple[requests.Session, dict[str, str]]:
    """A browser that has asked for a code, and the form it is to fill in."""
    browser, claim = requests.Session(), {"username": account.username, "email": account.email}
    page = browser.get(f"{server.url}/password-reset", timeout=60).text
    asked = browser.post(f"{server.url}/password-reset", data=claim | {"csrf_token": csrf_token(page)}, timeout=60)
    return browser, claim | {"csrf_token": csrf_token(asked.text)}


def _new_password_page(server: LiveServer, cookies: RequestsCookieJar) -> int:
    return requests.get(f"{server.url}/password-reset/new", cookies=cookies.get_dict(), timeout=60).status_code


def _everything_stored(session: Session) -> str:
    with Session(session.get_bind()) as own:
        rows = [own.execute(text(f'SELECT * FROM "{name}"')).all() for name in Base.metadata.tables]
    return repr(rows)


def _open_new_password_page(visitor: Visitor, account: Account, session: Session, settings: Settings) -> None:
    visitor.ask_for_code(account.username, account.email)
    code = newest_code(session, settings, account.email)
    assert visitor.enter_code(account.username, account.email, code).status_code == 303
    assert visitor.get("/password-reset/new").status_code == 200
