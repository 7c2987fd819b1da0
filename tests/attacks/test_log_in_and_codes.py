"""Log-in, passwords and verification codes under attack (security.md, cases 97 to 114)."""

import logging
import re
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import requests
import time_machine
from flask import Flask
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from consent.models import Basis
from consent.representatives import link
from service.accounts import authentication, email_codes, passwords, throttling
from service.accounts.email_codes import Flow, Recipient
from service.accounts.models import Account, AccountStatus, CodePurpose, EmailCode, EmailProof, LoginSession
from service.app import create_app
from service.audit import AuditEvent
from service.db import Base, make_sessions
from service.mail import OutboxMail
from service.settings import Settings
from tests.accounts.visitor import Visitor, another, letters, newest_code
from tests.conftest import LiveServer, MovableClock
from tests.factories import PASSWORD, make_account, make_member, make_representative

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NEW = "Quiet-river-58"
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture
def account(session: Session) -> Account:
    made = make_account(session, member=make_member(session))
    session.commit()
    return made


def _without_token(page: str) -> str:
    return _TOKEN.sub("", page)


def _without(page: str, *typed: str) -> str:
    for words in typed:
        page = page.replace(words, "")
    return _without_token(page)


# 97 --------------------------------------------------------------------------------------------------------------


def test_case_097_unknown_wrong_disabled_and_unverified_get_one_answer(
    app: Flask, session: Session, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    disabled = make_account(session, status=AccountStatus.DISABLED)
    session.commit()
    hashed = _count_hashes(monkeypatch)
    answers = []
    for number, (name, password) in enumerate(
        [("nobody-here", PASSWORD), (account.username, "wrong"), (disabled.username, PASSWORD), ("", "x" * 900)]
    ):
        answer = Visitor(app, address=f"192.0.2.{number + 1}").sign_in(name or account.username, password)
        answers.append((answer.status_code, _without_token(answer.text), sorted(answer.headers.keys())))
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)
    assert len(hashed) == 4


def test_case_097_a_limited_account_and_a_limited_unknown_name_get_one_answer(
    app: Flask, account: Account
) -> None:
    answers = []
    for name in (account.username, "nobody-here"):
        for number in range(11):
            answer = Visitor(app, address=f"198.51.{len(answers)}.{number}").sign_in(name, "wrong")
        answers.append((answer.status_code, _without_token(answer.text), answer.headers["Retry-After"]))
    assert answers[0][0] == 429
    assert answers[0] == answers[1]


def test_case_097_a_reset_says_the_same_for_known_and_unknown_people(
    app: Flask, session: Session, settings: Settings, account: Account
) -> None:
    pages = []
    for username, email in [(account.username, account.email), (account.username, "another@example.org"),
                            ("x" * len(account.username), account.email)]:  # fmt: skip
        visitor = Visitor(app)
        asked = visitor.ask_for_code(username, email)
        entered = visitor.enter_code(username, email, "000000")
        pages.append([(page.status_code, _without(page.text, email, username)) for page in (asked, entered)])
    assert pages[0] == pages[1] == pages[2]
    assert len(letters(session, settings, account.email)) == 1


def test_case_097_the_mailed_work_is_the_same_for_unknown_people(
    app: Flask, session: Session, account: Account
) -> None:
    counts = []
    for username in (account.username, "nobody-here"):
        Visitor(app).ask_for_code(username, account.email)
        with Session(session.get_bind()) as own:
            counts.append([own.scalar(select(func.count()).select_from(table)) for table in _tables_of_codes()])
    assert [later - earlier for earlier, later in zip(*counts, strict=True)] == counts[0]


def test_case_097_timing_does_not_tell_known_from_unknown(app: Flask, account: Account) -> None:
    visitor = Visitor(app)
    passwords.verify_hash(None, "warm-up")
    spent: dict[str, list[float]] = {account.username: [], "nobody-here": []}
    for number in range(8):
        for name, times in spent.items():
            visitor.address = f"203.0.{number}.{len(spent[account.username])}"
            visitor.get("/sign-in")
            begun = time.perf_counter()
            visitor.post("/sign-in", username=name, password="wrong")
            times.append(time.perf_counter() - begun)
    known, unknown = (statistics.median(times) for times in spent.values())
    assert 0.5 < known / unknown < 2


# 98 --------------------------------------------------------------------------------------------------------------


def test_case_098_ten_wrong_tries_in_five_minutes_then_the_right_password_waits(
    app: Flask, account: Account, session: Session, settings: Settings, clock: MovableClock
) -> None:
    for number in range(10):
        assert Visitor(app, address=f"198.51.100.{number}").sign_in(account, "wrong").status_code == 401
    refused = Visitor(app, address="198.51.100.99").sign_in(account)
    assert refused.status_code == 429
    assert "Many wrong passwords" in letters(session, settings, account.email)[0]
    clock.advance(300)
    assert Visitor(app, address="198.51.100.99").sign_in(account).status_code == 303


def test_case_098_every_spelling_of_a_name_shares_one_counter(app: Flask, account: Account) -> None:
    spellings = [account.username, account.username.upper(), account.username.title(), "\uff50" + account.username[1:]]
    for number in range(10):
        Visitor(app, address=f"198.51.100.{number}").sign_in(spellings[number % 4], "wrong")
    assert Visitor(app, address="198.51.100.99").sign_in(account).status_code == 429


@pytest.mark.parametrize("addresses", [["192.0.2.1"] * 11, [f"2001:db8:1:2::{number:x}" for number in range(1, 12)]])
def test_case_098_ten_wrong_tries_from_one_network_close_it(
    app: Flask, session: Session, account: Account, addresses: list[str]
) -> None:
    for number, address in enumerate(addresses[:10]):
        assert Visitor(app, address=address).sign_in(f"nobody-{number}", "wrong").status_code == 401
    assert Visitor(app, address=addresses[10]).sign_in(account).status_code == 429
    assert Visitor(app, address="2001:db8:1:3::1").sign_in(account).status_code == 303


def test_case_098_a_known_device_still_gets_in(app: Flask, account: Account) -> None:
    owner = Visitor(app, address="192.0.2.1")
    owner.sign_in(account)
    owner.get("/member")
    owner.post("/sign-out")
    for number in range(12):
        Visitor(app, address=f"198.51.100.{number}").sign_in(account, "wrong")
    assert Visitor(app, address="192.0.2.2").sign_in(account).status_code == 429
    assert owner.sign_in(account).status_code == 303


def test_case_098_a_known_device_has_its_own_limit(app: Flask, account: Account) -> None:
    device = Visitor(app)
    device.sign_in(account)
    device.get("/member")
    device.post("/sign-out")
    for _ in range(10):
        device.sign_in(account, "wrong")
    assert device.sign_in(account).status_code == 429


def test_case_098_a_planted_device_cookie_is_not_a_known_device(app: Flask, account: Account) -> None:
    for number in range(10):
        Visitor(app, address=f"198.51.100.{number}").sign_in(account, "wrong")
    forger = Visitor(app, address="192.0.2.1")
    forger.browser.set_cookie("device", "A" * 43)
    assert forger.sign_in(account).status_code == 429


def test_case_098_a_right_password_does_not_reset_the_networks_counter(
    app: Flask, session: Session, account: Account
) -> None:
    victim = make_account(session)
    session.commit()
    for _ in range(3):
        for number in range(3):
            Visitor(app).sign_in(f"nobody-{number}", "wrong")
        Visitor(app).sign_in(account)
    Visitor(app).sign_in("nobody-9", "wrong")
    assert Visitor(app).sign_in(victim).status_code == 429


def test_case_098_a_hundred_wrong_tries_on_end_need_a_known_device_or_a_reset(
    app: Flask, account: Account, session: Session, settings: Settings, clock: MovableClock
) -> None:
    owner = Visitor(app)
    owner.sign_in(account)
    owner.get("/member")
    owner.post("/sign-out")
    with Session(session.get_bind()) as own:
        for _ in range(100):
            throttling.count(own, f"sign-in:consecutive:{account.id}", 366 * 86_400)
        own.commit()
    assert Visitor(app, address="198.51.100.1").sign_in(account).status_code == 401
    assert owner.sign_in(account).status_code == 303


def test_case_098_a_parallel_burst_on_two_workers_is_limited(
    live_server: LiveServer, session: Session, account: Account
) -> None:
    def attempt(_number: int) -> int:
        browser = requests.Session()
        token = _TOKEN.search(browser.get(f"{live_server.url}/sign-in", timeout=30).text)
        assert token
        form = {"username": account.username, "password": "wrong", "csrf_token": token[1]}
        return browser.post(f"{live_server.url}/sign-in", data=form, timeout=60, allow_redirects=False).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(attempt, range(24)))
    assert statuses.count(401) == 10
    assert statuses.count(429) == 14


# 99 --------------------------------------------------------------------------------------------------------------


def test_case_099_stuffing_from_many_addresses_trips_the_limit_for_everybody(
    app: Flask, session: Session, account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(authentication, "EVERYBODY", 20)
    hashed = _count_hashes(monkeypatch)
    statuses = [
        Visitor(app, address=f"10.{number // 10}.0.1").sign_in(f"stolen-{number}", "leaked-Pass-1").status_code
        for number in range(100)
    ]
    assert statuses == [401] * 20 + [429] * 80
    assert len(hashed) == 20
    refused = select(func.count()).select_from(AuditEvent).where(AuditEvent.outcome == "refused")
    with Session(session.get_bind()) as own:
        assert own.scalar(refused) == 80


# 100 -------------------------------------------------------------------------------------------------------------


def test_case_100_both_normal_forms_spaces_and_emoji_log_in(app: Flask, session: Session) -> None:
    owner = make_account(session, password=" Cafe\u0301 😀 at-42 ")
    session.commit()
    assert Visitor(app).sign_in(owner, " Caf\u00e9 😀 at-42 ").status_code == 303
    assert Visitor(app).sign_in(owner, " Cafe\u0301 😀 at-42 ").status_code == 303
    assert Visitor(app).sign_in(owner, "Caf\u00e9 😀 at-42").status_code == 401
    assert Visitor(app).sign_in(owner, " Caf\u00e9 😀 at-42 \0").status_code == 401


@pytest.mark.parametrize("path", ["/sign-in", "/password-reset", "/register"])
def test_case_100_a_megabyte_is_refused_before_hashing(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    hashed = _count_hashes(monkeypatch)
    visitor.get(path)
    answer = visitor.post(path, username="dana", password="x" * 1_000_000)
    assert answer.status_code == 400
    assert hashed == []


# 101, 102: tests/accounts/test_passwords.py and test_usernames.py hold the lists; here the pages.


@pytest.mark.parametrize("refused", ["P@ssw0rd", "Password1!", "Meridian-2026", "{username}-Xy7!", "{family}-Xy7!"])
def test_case_101_common_passwords_and_own_names_are_refused(
    visitor: Visitor, account: Account, session: Session, settings: Settings, refused: str
) -> None:
    _open_new_password_page(visitor, account, session, settings)
    wanted = refused.format(username=account.username, family=account.family_name)
    assert visitor.post("/password-reset/new", password=wanted, confirmation=wanted).status_code == 400
    assert visitor.sign_in(account).status_code == 303


# 103, 104, 106, 107 ----------------------------------------------------------------------------------------------


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
    visitor: Visitor, account: Account, session: Session, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        asked = visitor.ask_for_code(account.username, account.email)
    letter = letters(session, settings, account.email)[0]
    code = newest_code(session, settings, account.email)
    stored = _everything_stored(session)
    assert code not in re.findall(r"\b[0-9]{6}\b", stored)
    assert code not in caplog.text
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


# 108, 110, 111, 112, 114 -----------------------------------------------------------------------------------------


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
    assert visitor.post("/password-reset/new", password=NEW, confirmation=NEW).status_code == 200
    assert visitor.get("/password-reset/new").status_code == 401
    assert visitor.post("/password-reset/new", password=PASSWORD, confirmation=PASSWORD).status_code == 401


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


# ------------------------------------------------------------------------------------------------------------------


def _count_hashes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Watch how often a password is hashed; the hashing itself stays."""
    counted: list[int] = []
    real = passwords.verify_hash

    def watched(stored: str | None, password: str) -> bool:
        counted.append(1)
        return real(stored, password)

    monkeypatch.setattr(passwords, "verify_hash", watched)
    return counted


def _tables_of_codes() -> list[type[Base]]:
    return [EmailCode, OutboxMail, EmailProof]


def _everything_stored(session: Session) -> str:
    with Session(session.get_bind()) as own:
        rows = [own.execute(text(f'SELECT * FROM "{name}"')).all() for name in Base.metadata.tables]
    return repr(rows)


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
